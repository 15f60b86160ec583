import type { PeerIdText } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'
import type { ExchangeTotals } from '../metrics.ts'
import type { ExchangeOptions } from '../options.ts'
import { TokenBucket } from '../token-bucket.ts'
import { type InboundComponents, InboundReader } from './inbound-reader.ts'
import type { ExchangeStream } from './network.ts'
import type { OutboundComponents } from './outbound-stream.ts'
import { type LinkEvents, PeerLink } from './peer-link.ts'

/** Bytes of words that a block takes: its want or what stands around it, and an answer. */
const WORDS_PER_BLOCK = 128

/** Everything that belongs to one connected peer; freed as a whole. */
interface ConnectedPeer {
  readonly link: PeerLink
  readonly readers: Set<InboundReader>
  readonly inbound: TokenBucket
  /** Bytes that are no block's. */
  readonly words: TokenBucket
  /** Streams that were too slow. */
  readonly slow: TokenBucket
  refused: number
}

export interface PeersComponents {
  readonly clock: Clock
  readonly totals: ExchangeTotals
  readonly outbound: OutboundComponents
  readonly inbound: InboundComponents
  readonly linkEvents: (peer: PeerIdText) => LinkEvents
  readonly penalise: (peer: PeerIdText, reason: string) => void
}

/** The connected peers: a link out to each, and the streams that come in from each, bounded in number and rate. */
export class Peers {
  readonly #components: PeersComponents
  readonly #options: ExchangeOptions
  readonly #peers = new Map<PeerIdText, ConnectedPeer>()

  constructor(components: PeersComponents, options: ExchangeOptions) {
    this.#components = components
    this.#options = options
  }

  get size(): number {
    return this.#peers.size
  }

  link(peer: PeerIdText): PeerLink | undefined {
    return this.#peers.get(peer)?.link
  }

  *links(): Generator<PeerLink> {
    for (const { link } of this.#peers.values()) yield link
  }

  /** False when the peer is known already. */
  connected(peer: PeerIdText): boolean {
    if (this.#peers.has(peer)) return false
    const { clock, outbound, linkEvents } = this.#components
    const { streams } = this.#options
    const link = new PeerLink(outbound, peer, { options: streams, events: linkEvents(peer) })
    const inbound = new TokenBucket(clock, { capacity: streams.inboundBurst, perSecond: streams.inboundPerSecond })
    const words = new TokenBucket(clock, { capacity: streams.wordBurstBytes, perSecond: streams.wordBytesPerSecond })
    const slow = new TokenBucket(clock, { capacity: streams.slowBurst, perSecond: streams.slowPerSecond })
    this.#peers.set(peer, { link, readers: new Set(), inbound, words, slow, refused: 0 })
    return true
  }

  /** Bytes of a peer that belong to no block: nobody needs many of them, and each costs time to read. */
  words(peer: PeerIdText, bytes: number): void {
    if (this.#peers.get(peer)?.words.tryTake(bytes) !== false) return
    this.#components.totals.refusals.words += 1
    this.#components.penalise(peer, 'message flood')
  }

  /** What it said led, or will lead, to a block: such words are no flood. */
  useful(peer: PeerIdText, wants: number): void {
    this.#peers.get(peer)?.words.give(wants * WORDS_PER_BLOCK)
  }

  /** A stream of this peer was too slow. Now and then that happens to anybody. */
  slow(peer: PeerIdText): void {
    if (this.#peers.get(peer)?.slow.tryTake(1) === false) this.#components.penalise(peer, 'slow streams')
  }

  disconnected(peer: PeerIdText): void {
    const connected = this.#peers.get(peer)
    if (connected === undefined) return
    this.#peers.delete(peer)
    connected.link.close()
    for (const reader of [...connected.readers]) reader.abort('the peer is gone')
  }

  /** Gives up what this peer has begun to send: the blocks that are under way count as partial, by nobody's fault. */
  dropReceiving(peer: PeerIdText): void {
    for (const reader of [...(this.#peers.get(peer)?.readers ?? [])]) if (reader.receiving) reader.abort('silent')
  }

  inbound(peer: PeerIdText, stream: ExchangeStream): void {
    const { totals } = this.#components
    const connected = this.#peers.get(peer)
    if (connected === undefined) {
      stream.abort('not connected')
      return
    }
    totals.streamsInbound += 1
    const room = connected.readers.size < this.#options.streams.maxInboundPerPeer
    if (!room || !connected.inbound.tryTake(1)) {
      this.#refuse(peer, connected, stream)
      return
    }
    totals.opened('inbound')
    const reader = new InboundReader(this.#components.inbound, { peer, stream, options: this.#options })
    connected.readers.add(reader)
    reader.start()
  }

  closed(reader: InboundReader): void {
    this.#components.totals.openInbound -= 1
    this.#peers.get(reader.peer)?.readers.delete(reader)
  }

  stop(): void {
    for (const peer of [...this.#peers.keys()]) this.disconnected(peer)
  }

  #refuse(peer: PeerIdText, connected: ConnectedPeer, stream: ExchangeStream): void {
    const { totals, penalise } = this.#components
    totals.streamsRefused += 1
    totals.refusals.streams += 1
    stream.abort('too many streams')
    connected.refused += 1
    if (connected.refused % (this.#options.streams.inboundBurst * 4) === 0) penalise(peer, 'stream flood')
  }
}
