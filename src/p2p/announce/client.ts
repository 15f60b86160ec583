/**
 * The listening side: keeps one stream to every connected execution node, asks for ranges, and hands on what is authentic.
 *
 * A stream that ends while its peer is connected is opened again after a growing pause. Each frame is decoded within
 * bounds; what `receiver.ts` finds at fault is counted, the stream reset, and a peer that uses up its budget of faults is
 * disconnected for a cooldown.
 *
 * Invariants: at most one stream a peer; requests are sent only to a stream that has drained, the last one waits for it;
 * a replay that nobody asked for is a fault; sessions are bounded by the connected part of the identity table, receivers by
 * the table's execution nodes.
 */
import type { Logger } from '../../log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '../../model/index.ts'
import { backoffMs, type Clock, messageOf, type Rng, type Service, type Timer } from '../../util/index.ts'
import type { IdentityTable } from '../identity-table/table.ts'
import type { PeerEvent } from '../peer-manager.ts'
import { FaultBudget } from './faults.ts'
import { type Answer, decodeAnswer, encodeRequest, FrameDecoder, MAX_ANSWER_FRAME } from './frames.ts'
import type { AnnounceMetrics } from './metrics.ts'
import type { AnnounceOptions } from './options.ts'
import { AnnouncementReceiver, type AnnouncerTable } from './receiver.ts'
import type { AnnounceStream } from './stream.ts'

/** Who sent an announcement, and who signed it: the same, unless it was relayed. */
export interface AnnouncementSource {
  readonly peer: PeerIdText
  readonly signer: PeerIdText
}

/** Who is told of what came. The same as the feed's port of this name; p2p and feed do not know each other. */
export interface AnnouncementHandlers {
  onAnnouncement(from: AnnouncementSource, announcement: SignedAnnouncement, live: boolean): void
  onAnnouncer(
    peer: PeerIdText,
    offered: { readonly lowest: Height | undefined; readonly highest: Height | undefined }
  ): void
  onAnnouncerGone(peer: PeerIdText): void
}

/** The connected peers and how to open a stream to one. */
export interface AnnounceNetwork {
  connected(): readonly PeerIdText[]
  onPeer(listener: (event: PeerEvent) => void): () => void
  /** Opens a stream of the announce protocol. */
  open(peer: PeerIdText, options: { readonly signal: AbortSignal }): Promise<AnnounceStream>
  /** Disconnects a peer for a while. */
  coolDown(peer: PeerIdText, reason: string): void
}

export interface AnnounceClientComponents {
  readonly network: AnnounceNetwork
  readonly table: AnnouncerTable & Pick<IdentityTable, 'executionPeers' | 'onChange'>
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: AnnounceMetrics
}

/** Serves the feed's port `AnnouncementTransport`. */
export class AnnounceClient implements Service {
  readonly #components: AnnounceClientComponents
  readonly #options: AnnounceOptions
  readonly #sessions = new Map<PeerIdText, ClientSession>()
  readonly #receivers = new Map<PeerIdText, AnnouncementReceiver>()
  readonly #faults: FaultBudget
  #handlers: AnnouncementHandlers | undefined
  #unsubscribe: (() => void)[] = []

  constructor(components: AnnounceClientComponents, options: AnnounceOptions) {
    const { clock, network, table } = components
    this.#components = components
    this.#options = options
    const coolDown = (peer: PeerIdText, reason: string): void => network.coolDown(peer, reason)
    this.#faults = new FaultBudget({ clock, coolDown, isKnown: (peer) => table.mayAnnounce(peer) }, options)
  }

  /** To be called once, before `start`. */
  listen(handlers: AnnouncementHandlers): void {
    this.#handlers = handlers
  }

  /** Execution nodes that are connected and have told what they offer. */
  announcers(): readonly PeerIdText[] {
    return [...this.#sessions].filter(([, session]) => session.offered).map(([peer]) => peer)
  }

  /** Execution nodes of the table that are not ejected, connected or not. */
  stakedAnnouncerCount(): number {
    return this.#components.table.executionPeers.length
  }

  /** Asks a node for what it has in [from, to]. Never throws; a request that is lost is to be made again. */
  request(peer: PeerIdText, from: Height, to: Height): void {
    if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to) {
      this.#sessions.get(peer)?.request(from, to)
    }
  }

  async start(): Promise<void> {
    const { network, table } = this.#components
    this.#unsubscribe = [
      network.onPeer(({ type, peer }) => (type === 'connected' ? this.#begin(peer) : this.#end(peer))),
      table.onChange(() => this.#tableChanged())
    ]
    for (const peer of network.connected()) this.#begin(peer)
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    for (const peer of [...this.#sessions.keys()]) this.#end(peer)
  }

  #begin(peer: PeerIdText): void {
    if (this.#sessions.has(peer) || !this.#components.table.mayAnnounce(peer)) return
    const receiver = this.#receivers.get(peer) ?? new AnnouncementReceiver(peer, this.#components, this.#options)
    this.#receivers.set(peer, receiver)
    const session = new ClientSession(peer, {
      ...this.#components,
      options: this.#options,
      receiver,
      handlers: () => this.#handlers,
      fault: (reason) => this.#faults.record(peer, `announce-${reason}`),
      offeredChanged: () => this.#components.metrics.announcers.set(this.announcers().length)
    })
    this.#sessions.set(peer, session)
    session.open()
  }

  #end(peer: PeerIdText): void {
    const session = this.#sessions.get(peer)
    this.#sessions.delete(peer)
    session?.end()
  }

  #tableChanged(): void {
    const { network, table } = this.#components
    for (const peer of [...this.#sessions.keys()]) if (!table.mayAnnounce(peer)) this.#end(peer)
    for (const peer of [...this.#receivers.keys()]) if (!table.mayAnnounce(peer)) this.#receivers.delete(peer)
    for (const peer of network.connected()) this.#begin(peer)
  }
}

interface SessionComponents extends AnnounceClientComponents {
  readonly options: AnnounceOptions
  readonly receiver: AnnouncementReceiver
  readonly handlers: () => AnnouncementHandlers | undefined
  readonly fault: (reason: string) => void
  readonly offeredChanged: () => void
}

/** A stream that lasted so long, ms, was a success: the pause before the next one begins anew. */
const STABLE_MS = 5_000

interface Range {
  readonly from: Height
  readonly to: Height
}

class ClientSession {
  /** True from the peer's first offer until its stream ends. */
  offered = false
  readonly #peer: PeerIdText
  readonly #components: SessionComponents
  readonly #ending = new AbortController()
  #stream: AnnounceStream | undefined
  #timer: Timer | undefined
  #attempts = 0
  #openedAt = 0
  #nextId = 1
  #waiting: Range | undefined
  /** What was asked for on this stream, from the lowest to the highest height. */
  #asked: Range | undefined

  constructor(peer: PeerIdText, components: SessionComponents) {
    this.#peer = peer
    this.#components = components
  }

  open(): void {
    void this.#open()
  }

  request(from: Height, to: Height): void {
    const stream = this.#stream
    if (stream === undefined || stream.needsDrain) {
      this.#waiting = { from, to }
      return
    }
    this.#asked = { from: Math.min(from, this.#asked?.from ?? from), to: Math.max(to, this.#asked?.to ?? to) }
    this.#components.metrics.requestsSent.inc()
    stream.send(encodeRequest({ id: this.#nextId, from, to }))
    this.#nextId += 1
  }

  end(): void {
    this.#ending.abort(new Error('the session ended'))
    this.#timer?.cancel()
    const stream = this.#stream
    this.#lost()
    stream?.abort('the session ended')
  }

  async #open(): Promise<void> {
    const { clock, log, metrics, network, options } = this.#components
    const timeout = new AbortController()
    const timer = clock.setTimer(options.openTimeoutMs, () => timeout.abort(new Error('opening took too long')))
    try {
      const signal = AbortSignal.any([this.#ending.signal, timeout.signal])
      const stream = await network.open(this.#peer, { signal })
      if (this.#ending.signal.aborted) return stream.abort('the session ended')
      metrics.opens.inc({ outcome: 'ok' })
      this.#use(stream)
    } catch (error) {
      if (this.#ending.signal.aborted) return
      metrics.opens.inc({ outcome: 'failed' })
      log.debug({ peer: this.#peer, error: messageOf(error) }, 'no stream for announcements')
      this.#reopen()
    } finally {
      timer.cancel()
    }
  }

  #use(stream: AnnounceStream): void {
    const decoder = new FrameDecoder(MAX_ANSWER_FRAME)
    this.#stream = stream
    this.#openedAt = this.#components.clock.now()
    stream.listen({
      onBytes: (bytes) => {
        if (this.#stream === stream) this.#receive(decoder, bytes)
      },
      onDrain: () => this.#askAgain(),
      onClose: () => {
        if (this.#stream !== stream) return
        this.#lost()
        this.#reopen()
      }
    })
    this.#askAgain()
  }

  #askAgain(): void {
    const waiting = this.#waiting
    if (waiting === undefined || this.#stream === undefined || this.#stream.needsDrain) return
    this.#waiting = undefined
    this.request(waiting.from, waiting.to)
  }

  #receive(decoder: FrameDecoder, bytes: Uint8Array): void {
    try {
      for (const frame of decoder.push(bytes)) {
        this.#answer(decodeAnswer(frame))
        if (this.#stream === undefined) return
      }
    } catch (error) {
      this.#fault('malformed', messageOf(error))
    }
  }

  #answer(answer: Answer): void {
    if (answer.type === 'announcement') return this.#announcement(answer.body, answer.live)
    if (answer.type === 'replay-end') return
    this.offered = true
    this.#components.offeredChanged()
    const { lowest, highest } = answer
    this.#components.handlers()?.onAnnouncer(this.#peer, { lowest, highest })
  }

  #announcement(body: Uint8Array, live: boolean): void {
    const { receiver, handlers, metrics } = this.#components
    const verdict = receiver.receive(body, live)
    if (verdict.type === 'drop') return
    if (verdict.type === 'fault') return this.#fault(verdict.fault, verdict.why)
    const { announcement } = verdict
    const asked = this.#asked
    if (!live && (asked === undefined || announcement.height < asked.from || announcement.height > asked.to)) {
      return this.#fault('unasked', 'a replay that was not asked for')
    }
    metrics.received.inc({ kind: live ? 'live' : 'replay' })
    handlers()?.onAnnouncement({ peer: this.#peer, signer: verdict.signer }, announcement, live)
  }

  #fault(reason: string, why: string): void {
    const { log, metrics, fault } = this.#components
    metrics.faults.inc({ reason })
    log.warn({ peer: this.#peer, reason, why }, 'fault of an announcing peer; its stream is reset')
    const stream = this.#stream
    this.#lost()
    stream?.abort(why)
    // May end this session by disconnecting the peer.
    fault(reason)
    if (!this.#ending.signal.aborted) this.#reopen()
  }

  #lost(): void {
    const told = this.offered
    if (this.#stream !== undefined && this.#components.clock.now() - this.#openedAt >= STABLE_MS) this.#attempts = 0
    this.#stream = undefined
    this.#asked = undefined
    this.offered = false
    if (!told) return
    this.#components.offeredChanged()
    this.#components.handlers()?.onAnnouncerGone(this.#peer)
  }

  #reopen(): void {
    const { clock, rng, options } = this.#components
    const backoff = { initialMs: options.reopenInitialMs, maxMs: options.reopenMaxMs, jitter: 0.5 }
    const pause = backoffMs(this.#attempts, backoff, rng)
    this.#attempts += 1
    this.#timer?.cancel()
    this.#timer = clock.setTimer(pause, () => this.open())
  }
}
