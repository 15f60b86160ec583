import type { PeerIdText } from '../../model/index.ts'
import { backoffMs, type Clock, codeOf, type NextTurn, type Rng, type Timer } from '../../util/index.ts'
import type { ExchangeTotals } from '../metrics.ts'
import type { StreamOptions } from '../options.ts'
import type { ExchangeNetwork, ExchangeStream } from './network.ts'

export interface OutboundComponents {
  readonly network: Pick<ExchangeNetwork, 'open'>
  readonly clock: Clock
  readonly rng: Rng
  readonly nextTurn: NextTurn
  readonly totals: ExchangeTotals
}

export interface OutboundEvents {
  /** Open, or with room again. */
  ready(): void
  /** It was open and is not any more; what was unsent is lost. */
  lost(): void
}

/** Whom the messages are for, and who is told how that goes. */
export interface OutboundUse {
  readonly peer: PeerIdText
  readonly options: StreamOptions
  readonly events: OutboundEvents
}

/**
 * One long-lived stream to a peer: opened when first needed or at once to be kept, and opened again with back-off for as
 * long as it is kept or somebody needs it. Opening costs a round trip and a negotiation, so it is done once, not per
 * message, and best before the first message is there.
 */
export class OutboundStream {
  readonly #components: OutboundComponents
  readonly #use: OutboundUse
  #stream: ExchangeStream | undefined
  #opening: AbortController | undefined
  #retry: Timer | undefined
  #failures = 0
  #kept = false
  /** The peer does not speak the protocol: it is not tried again unless there is something to say. */
  #unsupported = false
  #closed = false

  constructor(components: OutboundComponents, use: OutboundUse) {
    this.#components = components
    this.#use = use
  }

  get isOpen(): boolean {
    return this.#stream !== undefined
  }

  get unsentBytes(): number {
    return this.#stream?.unsentBytes ?? 0
  }

  /** Opens the stream now, and again whenever it ends, needed or not. */
  keepOpen(): void {
    this.#kept = true
    this.need()
  }

  /** Opens the stream unless it is open or about to be; `ready` tells when. */
  need(): void {
    if (this.#closed || this.#stream !== undefined || this.#opening !== undefined || this.#retry !== undefined) return
    void this.#open()
  }

  /** False when the stream is not open (any more): nothing was sent then. */
  send(parts: readonly Uint8Array[]): boolean {
    const stream = this.#stream
    if (stream === undefined) return false
    try {
      stream.send(parts)
      return true
    } catch {
      stream.abort('send failed')
      return false
    }
  }

  /** Resets the stream; it is opened again when needed. */
  reset(reason: string): void {
    this.#stream?.abort(reason)
  }

  close(): void {
    this.#closed = true
    this.#retry?.cancel()
    this.#opening?.abort(new Error('closed'))
    this.#stream?.abort('closed')
  }

  async #open(): Promise<void> {
    const { clock, network } = this.#components
    const controller = new AbortController()
    this.#opening = controller
    const timer = clock.setTimer(this.#use.options.openTimeoutMs, () =>
      controller.abort(new Error('opening timed out'))
    )
    try {
      const stream = await network.open(this.#use.peer, { signal: controller.signal })
      if (this.#closed) stream.abort('closed')
      else this.#adopt(stream)
    } catch (error) {
      this.#unsupported = codeOf(error) === 'unsupported'
      // Whatever else the transport says, the answer is the same: again, later, while the peer is connected.
      if (!this.#closed) this.#retryLater()
    } finally {
      timer.cancel()
      this.#opening = undefined
    }
    if (this.#stream !== undefined) this.#use.events.ready()
  }

  #adopt(stream: ExchangeStream): void {
    const totals = this.#components.totals
    totals.streamsOutbound += 1
    totals.opened('outbound')
    this.#stream = stream
    this.#unsupported = false
    const openedAt = this.#components.clock.now()
    stream.listen({
      // Whoever answers does so on a stream of its own: bytes on this one would be read for nothing, and by nobody bounded.
      data: () => {
        totals.refusals.malformed += 1
        stream.abort('bytes on a stream that is only written to')
      },
      ended: () => {},
      drain: () => this.#use.events.ready(),
      closed: () => {
        totals.openOutbound -= 1
        this.#stream = undefined
        // A peer that resets stream after stream is not asked for one ten times a second.
        if (this.#components.clock.now() - openedAt > this.#use.options.reopenMs.maxMs) this.#failures = 0
        this.#retryLater()
        this.#use.events.lost()
      }
    })
  }

  #retryLater(): void {
    if (this.#closed) return
    const { clock, rng } = this.#components
    const delay = backoffMs(this.#failures, { ...this.#use.options.reopenMs, jitter: 0.3 }, rng)
    this.#failures += 1
    this.#retry = clock.setTimer(
      delay,
      () => {
        this.#retry = undefined
        this.#use.events.ready()
        if (this.#kept && !this.#unsupported) this.need()
      },
      { background: true }
    )
  }
}
