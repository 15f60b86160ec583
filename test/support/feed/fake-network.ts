import { Registry } from 'prom-client'
import {
  AnnouncementsFeed,
  type AnnouncementsFeedOptions,
  type AnnouncementHandlers,
  type AnnouncementTransport,
  createFeedMetrics
} from '#src/feed/index.ts'
import { type Logger, silentLogger } from '#src/log/logger.ts'
import {
  BlobCid,
  type BlockId,
  type ExecutionDataId,
  type Height,
  type PeerIdText,
  type SignedAnnouncement
} from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

export const blockIdAt = (height: Height, variant = 0): BlockId =>
  `${variant.toString(16).padStart(2, '0')}${height.toString(16).padStart(62, '0')}` as BlockId
export const dataIdAt = (height: Height, variant = 0): ExecutionDataId =>
  `${(variant + 128).toString(16)}${height.toString(16).padStart(62, '0')}` as ExecutionDataId

function announcementOf(height: Height, options: { variant?: number; hint?: number } = {}): SignedAnnouncement {
  const { variant = 0, hint = 0 } = options
  return {
    height,
    blockId: blockIdAt(height, variant),
    executionDataId: dataIdAt(height, variant),
    announcedAtMs: 1_700_000_000_000 + height,
    hint: Array.from({ length: hint }, (_, at) => BlobCid.fromDigest(new Uint8Array(32).fill(at))),
    signedBytes: new Uint8Array(0),
    signature: new Uint8Array(0)
  }
}

interface Request {
  readonly peer: PeerIdText
  readonly from: Height
  readonly to: Height
  readonly at: number
}

/** Execution nodes that keep what they announced and replay it on request, over a transport without a network. */
export class FakeNetwork implements AnnouncementTransport {
  readonly clock = new VirtualClock()
  readonly registry = new Registry()
  readonly metrics = createFeedMetrics(this.registry)
  readonly warnings: object[] = []
  readonly requests: Request[] = []
  staked: number
  /** Time from a request to its answer, ms. */
  latencyMs = 20
  /** Most heights in one answer. */
  replayHeights = 512
  handlers: AnnouncementHandlers | undefined
  readonly #logs = new Map<PeerIdText, Map<Height, SignedAnnouncement>>()
  readonly #connected = new Set<PeerIdText>()
  readonly mute = new Set<PeerIdText>()

  constructor(staked: number) {
    this.staked = staked
  }

  feed(options: Partial<AnnouncementsFeedOptions> = {}): AnnouncementsFeed {
    const log: Logger = { ...silentLogger, warn: (fields) => this.warnings.push(fields) }
    const { clock, metrics } = this
    return new AnnouncementsFeed({ transport: this, clock, rng: seededRng(1), log, metrics }, options)
  }

  listen(handlers: AnnouncementHandlers): void {
    this.handlers = handlers
  }

  announcers(): PeerIdText[] {
    return [...this.#connected]
  }

  stakedAnnouncerCount(): number {
    return this.staked
  }

  request(peer: PeerIdText, from: Height, to: Height): void {
    this.requests.push({ peer, from, to, at: this.clock.now() })
    if (this.mute.has(peer)) return
    this.clock.setTimer(this.latencyMs, () => {
      if (!this.#connected.has(peer)) return
      const log = this.#logs.get(peer)
      for (let height = from; height <= Math.min(to, from + this.replayHeights - 1); height += 1) {
        const announcement = log?.get(height)
        if (announcement !== undefined) this.handlers?.onAnnouncement({ peer, signer: peer }, announcement, false)
      }
      this.#offer(peer)
    })
  }

  /** Gives a node announcements to replay, without telling anybody. */
  stock(peer: PeerIdText, from: Height, to: Height, options: { variant?: number; hint?: number } = {}): void {
    const log = this.#logOf(peer)
    for (let height = from; height <= to; height += 1) log.set(height, announcementOf(height, options))
  }

  connect(peer: PeerIdText): void {
    this.#connected.add(peer)
    this.#offer(peer)
  }

  disconnect(peer: PeerIdText): void {
    this.#connected.delete(peer)
    this.handlers?.onAnnouncerGone(peer)
  }

  announce(peer: PeerIdText, height: Height, options: { variant?: number; hint?: number } = {}): void {
    const announcement = announcementOf(height, options)
    this.#logOf(peer).set(height, announcement)
    this.handlers?.onAnnouncement({ peer, signer: peer }, announcement, true)
  }

  async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
    const metric = await this.registry.getSingleMetric(name)?.get()
    const isMeant = (of: object): boolean =>
      Object.entries(labels).every(([key, value]) => Reflect.get(of, key) === value)
    return (
      metric?.values.filter(({ labels: of }) => isMeant(of)).reduce((sum, { value }) => sum + value, 0) ?? Number.NaN
    )
  }

  #offer(peer: PeerIdText): void {
    const heights = [...this.#logOf(peer).keys()]
    const lowest = heights.length === 0 ? undefined : heights.reduce((a, b) => Math.min(a, b))
    const highest = heights.length === 0 ? undefined : heights.reduce((a, b) => Math.max(a, b))
    this.handlers?.onAnnouncer(peer, { lowest, highest })
  }

  #logOf(peer: PeerIdText): Map<Height, SignedAnnouncement> {
    const log = this.#logs.get(peer) ?? new Map<Height, SignedAnnouncement>()
    this.#logs.set(peer, log)
    return log
  }
}
