/**
 * Announcements of others, kept to be passed on word for word: what an access node gives to its observers.
 *
 * Keys: height (u64, big-endian) ‖ the first 8 bytes of the sha-256 of the signer's peer id. Several execution nodes announce a height, and an
 * observer wants a quorum of them. Writes are not synced: what a crash loses is asked for again by whoever needs it.
 *
 * Bounds: heights by retention, announcements of a height by the number of signers, writes by a queue whose overflow is counted. Only
 * verified announcements come here, so a height has no more of them than there are execution nodes, unless one of them lies.
 */
import { hash } from 'node:crypto'
import type { Logger } from '../log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import { messageOf } from '../util/index.ts'
import type { AnnouncementLog } from './announcement-log.ts'
import type { RelayMetrics } from './metrics.ts'

export interface RelayLogOptions {
  /** Heights below the highest that are kept: a day at one block in 0.8 s. */
  readonly retentionHeights: number
  /** Announcements of one height that are kept: more than a quorum has use for. */
  readonly maxPerHeight: number
  /** Announcements that wait to be written. */
  readonly maxQueued: number
}

export const defaultRelayLogOptions: RelayLogOptions = Object.freeze({
  retentionHeights: 100_000,
  maxPerHeight: 16,
  maxQueued: 1_024
})

export interface RelayLogComponents {
  readonly space: KeyValueSpace
  readonly encode: (announcement: SignedAnnouncement) => Uint8Array
  /** Throws when the bytes are no announcement. */
  readonly decode: (bytes: Uint8Array) => SignedAnnouncement
  readonly prunedTo: () => Height | undefined
  readonly metrics: RelayMetrics
  readonly logger: Logger
}

/** Heights whose signers are remembered, so that a repeated announcement is not written again. */
const REMEMBERED_HEIGHTS = 1_024
/** Heights between two removals of what retention drops, and entries that one removal takes. */
const DROP_EVERY = 64
const MAX_DROPS = 2_048

/** Reads where the log begins and ends. Rejects with what the space throws. */
export async function openRelayLog(
  components: RelayLogComponents,
  options: RelayLogOptions = defaultRelayLogOptions
): Promise<RelayLog> {
  const end = async (reverse: boolean): Promise<Height | undefined> => {
    for await (const [key] of components.space.entries({ gte: keyOf(0), reverse, limit: 1 })) return heightOf(key)
    return undefined
  }
  return new RelayLog(components, options, { lowest: await end(false), highest: await end(true) })
}

export class RelayLog implements AnnouncementLog {
  readonly #components: RelayLogComponents
  readonly #options: RelayLogOptions
  readonly #signers = new Map<Height, Set<PeerIdText>>()
  #queue: KeyValueOperation[] = []
  #writing: Promise<void> | undefined
  #lowest: Height | undefined
  #highest: Height | undefined
  #droppedAt = 0

  constructor(
    components: RelayLogComponents,
    options: RelayLogOptions,
    held: { readonly lowest: Height | undefined; readonly highest: Height | undefined }
  ) {
    this.#components = components
    this.#options = options
    this.#lowest = held.lowest
    this.#highest = held.highest
  }

  get lowest(): Height | undefined {
    if (this.#lowest === undefined || this.#highest === undefined) return undefined
    const lowest = Math.max(this.#lowest, (this.#components.prunedTo() ?? -1) + 1)
    return lowest > this.#highest ? undefined : lowest
  }

  get highest(): Height | undefined {
    return this.lowest === undefined ? undefined : this.#highest
  }

  /** Takes a verified announcement; true when it is new and to be passed on. */
  take(signer: PeerIdText, announcement: SignedAnnouncement): boolean {
    const outcome = this.#place(signer, announcement.height)
    this.#components.metrics.relayed.inc({ outcome })
    if (outcome !== 'kept') return false
    const { height } = announcement
    this.#queue.push({ type: 'put', key: keyOf(height, signer), value: this.#components.encode(announcement) })
    this.#lowest = Math.min(height, this.#lowest ?? height)
    this.#highest = Math.max(height, this.#highest ?? height)
    this.#writing ??= this.#write()
    return true
  }

  async *read(from: Height, to: Height): AsyncGenerator<SignedAnnouncement> {
    const { space, decode, logger } = this.#components
    const first = Math.max(from, this.lowest ?? Number.MAX_SAFE_INTEGER)
    if (first > to) return
    for await (const [key, value] of space.entries({ gte: keyOf(first), lt: keyOf(to + 1) })) {
      let announcement: SignedAnnouncement
      try {
        announcement = decode(value)
      } catch (error) {
        const fields = { height: heightOf(key), reason: messageOf(error) }
        logger.warn(fields, 'an announcement of the log cannot be read; it is left out')
        continue
      }
      yield announcement
    }
  }

  /** Resolves when everything that was taken is written. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  #place(signer: PeerIdText, height: Height): 'kept' | 'repeated' | 'old' | 'full' | 'dropped' {
    const highest = this.#highest ?? height
    if (height <= highest - this.#options.retentionHeights) return 'old'
    const signers = this.#signers.get(height) ?? new Set()
    if (signers.has(signer)) return 'repeated'
    if (signers.size >= this.#options.maxPerHeight) return 'full'
    if (this.#queue.length >= this.#options.maxQueued) return 'dropped'
    signers.add(signer)
    this.#signers.set(height, signers)
    if (this.#signers.size > REMEMBERED_HEIGHTS) {
      for (const oldest of this.#signers.keys()) {
        this.#signers.delete(oldest)
        break
      }
    }
    return 'kept'
  }

  async #write(): Promise<void> {
    const { space, logger } = this.#components
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue
        this.#queue = []
        await space.batch([...batch, ...(await this.#drops())], { sync: false })
      }
    } catch (error) {
      this.#queue = []
      logger.warn(
        { reason: messageOf(error) },
        'announcements for observers are not kept; who lacks them asks another node'
      )
    } finally {
      this.#writing = undefined
    }
  }

  /** What retention drops. */
  async #drops(): Promise<KeyValueOperation[]> {
    const highest = this.#highest ?? 0
    const floor = Math.max(highest - this.#options.retentionHeights + 1, (this.#components.prunedTo() ?? -1) + 1)
    const lowest = this.#lowest ?? floor
    if (floor <= lowest || highest - this.#droppedAt < DROP_EVERY) return []
    this.#droppedAt = highest
    const drops: KeyValueOperation[] = []
    for await (const [key] of this.#components.space.entries({ gte: keyOf(0), lt: keyOf(floor), limit: MAX_DROPS })) {
      drops.push({ type: 'del', key })
      this.#lowest = heightOf(key)
    }
    if (drops.length < MAX_DROPS) this.#lowest = floor
    return drops
  }
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function keyOf(height: Height, signer?: PeerIdText): Uint8Array {
  const key = new Uint8Array(signer === undefined ? 8 : 16)
  view(key).setBigUint64(0, BigInt(height))
  if (signer !== undefined) key.set(hash('sha256', signer, 'buffer').subarray(0, 8), 8)
  return key
}

const heightOf = (key: Uint8Array): Height => Number(view(key).getBigUint64(0))
