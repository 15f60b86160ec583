/**
 * The execution node's side: one stream for each peer that listens.
 *
 * A stream first gets the offer (lowest and highest height), then live announcements as they are published, and between
 * them the answers to its requests, read from the log. One replay runs at a time for each peer, and nothing is sent while
 * the stream has not drained, so a slow peer holds at most one frame more than its window, the live announcements that
 * wait, and its few requests. The offer is told again after each replay: its ends move.
 *
 * Invariants: at most one stream a peer (a newer one replaces it); announcements are encoded once for all peers; what a
 * peer sends is bounded to small frames of one kind and a rate.
 */
import type { Logger } from '../../log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '../../model/index.ts'
import { BoundedQueue, type Clock, messageOf } from '../../util/index.ts'
import type { IdentityTable } from '../identity-table/table.ts'
import { TokenBucket } from '../token-bucket.ts'
import { FaultBudget } from './faults.ts'
import {
  decodeRequest,
  encodeAnnouncement,
  encodeOffer,
  encodeReplayEnd,
  FrameDecoder,
  MAX_REQUEST_FRAME,
  type RangeRequest
} from './frames.ts'
import type { AnnounceMetrics } from './metrics.ts'
import type { AnnounceOptions } from './options.ts'
import type { AnnounceStream } from './stream.ts'

/** The announcements this node has signed. Heights in between may be missing: they are left out of a replay. */
export interface AnnouncementLog {
  /** Lowest height it holds; `undefined` while it is empty. */
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  /** What it holds in [from, to], ascending. Read lazily; returned early when the asker goes. */
  read(from: Height, to: Height): AsyncIterable<SignedAnnouncement>
}

/** Where the provider hands its announcements to. */
export interface AnnouncementBroadcaster {
  /** Sends to every listening peer. Never waits: a peer that is too slow loses it and asks for its range later. */
  publish(announcement: SignedAnnouncement): void
}

export interface AnnounceServerComponents {
  readonly table: Pick<IdentityTable, 'isAdmitted'>
  readonly announcements: AnnouncementLog
  /** Called when a peer used up its faults. */
  readonly coolDown: (peer: PeerIdText, reason: string) => void
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: AnnounceMetrics
}

export class AnnounceServer implements AnnouncementBroadcaster {
  readonly #components: AnnounceServerComponents
  readonly #options: AnnounceOptions
  readonly #sessions = new Map<PeerIdText, ServerSession>()
  readonly #faults: FaultBudget
  #stopped = false

  constructor(components: AnnounceServerComponents, options: AnnounceOptions) {
    this.#components = components
    this.#options = options
    const { clock, coolDown, table } = components
    this.#faults = new FaultBudget({ clock, coolDown, isKnown: (peer) => table.isAdmitted(peer) }, options)
  }

  /** Takes a stream that a peer opened. */
  accept(peer: PeerIdText, stream: AnnounceStream): void {
    if (this.#stopped || !this.#components.table.isAdmitted(peer)) {
      stream.abort('not admitted')
      return
    }
    this.#sessions.get(peer)?.end('replaced by a newer stream')
    const session = new ServerSession(peer, stream, {
      ...this.#components,
      options: this.#options,
      fault: () => this.#faults.record(peer, 'announce-request'),
      ended: () => {
        if (this.#sessions.get(peer) === session) this.#sessions.delete(peer)
        this.#components.metrics.listeners.set(this.#sessions.size)
      }
    })
    this.#sessions.set(peer, session)
    this.#components.metrics.listeners.set(this.#sessions.size)
    session.begin()
  }

  publish(announcement: SignedAnnouncement): void {
    this.#components.metrics.published.inc()
    const bytes = encodeAnnouncement(announcement, true)
    for (const session of this.#sessions.values()) session.push(bytes)
  }

  /** Peers that listen now. */
  get listeners(): number {
    return this.#sessions.size
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const sessions = [...this.#sessions.values()]
    for (const session of sessions) session.end('the node stops')
    await Promise.all(sessions.map((session) => session.done))
  }
}

interface SessionComponents extends AnnounceServerComponents {
  readonly options: AnnounceOptions
  readonly fault: () => void
  readonly ended: () => void
}

interface Replay {
  readonly id: number
  readonly iterator: AsyncIterator<SignedAnnouncement>
}

class ServerSession {
  /** Resolves when nothing of the session runs any more. */
  done: Promise<void> = Promise.resolve()
  readonly #peer: PeerIdText
  readonly #stream: AnnounceStream
  readonly #components: SessionComponents
  readonly #decoder = new FrameDecoder(MAX_REQUEST_FRAME)
  readonly #live: BoundedQueue<Uint8Array>
  readonly #requests: BoundedQueue<RangeRequest>
  readonly #rate: TokenBucket
  #replay: Replay | undefined
  #wake = Promise.withResolvers<void>()
  #closed = false

  constructor(peer: PeerIdText, stream: AnnounceStream, components: SessionComponents) {
    const { clock, options } = components
    this.#peer = peer
    this.#stream = stream
    this.#components = components
    this.#live = new BoundedQueue(options.maxQueuedLive)
    this.#requests = new BoundedQueue(options.maxQueuedRequests)
    this.#rate = new TokenBucket(clock, { perSecond: options.requestsPerSecond, burst: options.requestsBurst })
  }

  begin(): void {
    this.#stream.listen({
      onBytes: (bytes) => this.#receive(bytes),
      onDrain: () => this.#wake.resolve(),
      onClose: () => this.end()
    })
    if (this.#closed) return
    this.#offer()
    this.done = this.#run()
  }

  push(bytes: Uint8Array): void {
    if (this.#closed) return
    if (!this.#live.push(bytes)) {
      // The newest is kept: from it the peer sees that it missed something.
      this.#live.shift()
      this.#live.push(bytes)
      this.#components.metrics.liveDropped.inc()
    }
    this.#wake.resolve()
  }

  end(why?: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#live.clear()
    this.#requests.clear()
    if (why !== undefined) this.#stream.abort(why)
    this.#wake.resolve()
    this.#components.ended()
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return
    try {
      for (const frame of this.#decoder.push(bytes)) this.#request(decodeRequest(frame))
    } catch (error) {
      const { metrics, log, fault } = this.#components
      metrics.faults.inc({ reason: 'malformed' })
      log.warn({ peer: this.#peer, error: messageOf(error) }, 'malformed request for announcements')
      this.end('malformed request')
      fault()
    }
  }

  #request(request: RangeRequest): void {
    const allowed = this.#rate.take()
    if (allowed && this.#requests.push(request)) return this.#wake.resolve()
    this.#components.metrics.requests.inc({ outcome: 'refused' })
    if (!allowed) this.#components.metrics.overRate.inc({ kind: 'request' })
    // Not answered while the stream is full: a peer that asks and does not read must not fill a buffer.
    if (!this.#stream.needsDrain) this.#stream.send(encodeReplayEnd(request.id, false))
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      if (this.#stream.needsDrain) {
        await this.#sleep()
        continue
      }
      const live = this.#live.shift()
      if (live !== undefined) this.#stream.send(live)
      else if (!(await this.#replayOne())) await this.#sleep()
    }
    await this.#endReplay()
  }

  async #sleep(): Promise<void> {
    await this.#wake.promise
    this.#wake = Promise.withResolvers()
  }

  /** Sends the next announcement of a replay. False when there is none to be sent. */
  async #replayOne(): Promise<boolean> {
    this.#replay ??= this.#nextReplay()
    const replay = this.#replay
    if (replay === undefined) return false
    const { metrics, log } = this.#components
    try {
      const { done, value } = await replay.iterator.next()
      if (this.#closed) return true
      if (done !== true) {
        this.#stream.send(encodeAnnouncement(value, false))
        metrics.replayed.inc()
        return true
      }
      metrics.requests.inc({ outcome: 'served' })
      this.#finish(replay.id, true)
    } catch (error) {
      metrics.requests.inc({ outcome: 'failed' })
      log.error({ peer: this.#peer, error: messageOf(error) }, 'announcements could not be read')
      if (!this.#closed) this.#finish(replay.id, false)
    }
    return true
  }

  #finish(id: number, served: boolean): void {
    this.#replay = undefined
    this.#stream.send(encodeReplayEnd(id, served))
    this.#offer()
  }

  #nextReplay(): Replay | undefined {
    const request = this.#requests.shift()
    if (request === undefined) return undefined
    const { announcements, options } = this.#components
    const { lowest, highest } = announcements
    const from = Math.max(request.from, lowest ?? 0)
    const to = Math.min(request.to, from + options.maxReplayHeights - 1, highest ?? -1)
    const source = from > to ? nothing() : announcements.read(from, to)
    return { id: request.id, iterator: source[Symbol.asyncIterator]() }
  }

  async #endReplay(): Promise<void> {
    try {
      await this.#replay?.iterator.return?.()
    } catch (error) {
      this.#components.log.debug({ error: messageOf(error) }, 'a replay did not end well')
    }
    this.#replay = undefined
  }

  #offer(): void {
    const { lowest, highest } = this.#components.announcements
    this.#stream.send(encodeOffer(lowest, highest))
  }
}

async function* nothing(): AsyncGenerator<SignedAnnouncement> {}
