import type { MemoryAccount } from '../../budget/account.ts'
import type { PeerIdText } from '../../model/index.ts'
import { codeOf, type TimerWheel, type WheelTimer } from '../../util/index.ts'
import { MessageDecoder } from '../message/decoder.ts'
import type { DecoderSink, MessageSummary, ReceivedBlock } from '../message/types.ts'
import type { ExchangeTotals } from '../metrics.ts'
import type { ExchangeOptions } from '../options.ts'
import type { ExchangeStream } from './network.ts'

export interface InboundEvents {
  admit(peer: PeerIdText, length: number): 'take' | 'skip'
  block(peer: PeerIdText, block: ReceivedBlock): void
  skipped(peer: PeerIdText, length: number): void
  /** Bytes of an admitted block arrived. */
  progress(peer: PeerIdText, bytes: number): void
  /** A block broke off after so many bytes; `blame` when the peer is the cause. */
  partial(peer: PeerIdText, bytes: number, blame: boolean): void
  message(peer: PeerIdText, summary: MessageSummary): void
  /** The bytes were no bitswap, or too long. */
  broken(peer: PeerIdText, reason: 'malformed' | 'oversize' | 'slow'): void
  closed(reader: InboundReader): void
}

export interface InboundComponents {
  readonly wheel: TimerWheel
  readonly totals: ExchangeTotals
  readonly receive: ReceiveAccount
  readonly events: InboundEvents
}

/** Bytes of blocks on their way in; who finds no room waits, in order. */
export class ReceiveAccount {
  readonly #account: MemoryAccount
  #waiting = new Map<InboundReader, number>()

  constructor(account: MemoryAccount) {
    this.#account = account
  }

  get reservedBytes(): number {
    return this.#account.reservedBytes
  }

  /** True when reserved; otherwise the reader is called back by `granted`. */
  reserve(reader: InboundReader, bytes: number): boolean {
    if (this.#waiting.size === 0 && this.#account.tryReserve(bytes)) return true
    this.#waiting.set(reader, bytes)
    return false
  }

  release(bytes: number): void {
    this.#account.release(bytes)
    this.#grant()
  }

  forget(reader: InboundReader): void {
    if (this.#waiting.delete(reader)) this.#grant()
  }

  #grant(): void {
    for (const [reader, bytes] of this.#waiting) {
      if (!this.#account.tryReserve(bytes)) return
      this.#waiting.delete(reader)
      reader.granted()
    }
  }
}

/**
 * Reads one inbound stream: decodes what arrives, reserves room for each block before its bytes are kept, and resets the
 * stream when a block stalls or a message dribbles. Counts exactly the block bytes that were read and came to nothing.
 */
export class InboundReader {
  readonly peer: PeerIdText
  readonly #components: InboundComponents
  readonly #options: ExchangeOptions
  readonly #stream: ExchangeStream
  readonly #decoder: MessageDecoder
  #timer: WheelTimer | undefined
  /** The present block's length, or -1 between blocks. */
  #length = -1
  #read = 0
  #skipping = false
  #reservation: 'none' | 'waiting' | 'held' = 'none'
  #startedAt = 0
  #lastByteAt = 0
  #open = true

  constructor(
    components: InboundComponents,
    use: { peer: PeerIdText; stream: ExchangeStream; options: ExchangeOptions }
  ) {
    this.peer = use.peer
    this.#components = components
    this.#options = use.options
    this.#stream = use.stream
    const sink: DecoderSink = {
      blockStart: (length) => this.#blockStart(length),
      blockBytes: (count) => {
        this.#read += count
        if (!this.#skipping) components.events.progress(this.peer, count)
      },
      blockEnd: (block) => {
        this.#blockOver()
        components.events.block(this.peer, block)
      },
      blockSkipped: (length) => {
        this.#blockOver()
        components.events.skipped(this.peer, length)
      },
      message: (summary) => {
        components.totals.messagesReceived += 1
        components.events.message(this.peer, summary)
      }
    }
    this.#decoder = new MessageDecoder(sink, use.options)
  }

  /** Starts to read. */
  start(): void {
    this.#stream.listen({
      data: (chunk) => this.#onData(chunk),
      drain: () => {},
      ended: () => this.#stop('the peer ended it', true),
      closed: () => this.#stop('closed', false)
    })
  }

  /** The receive account has room for the block now. */
  granted(): void {
    this.#reservation = 'held'
    this.#lastByteAt = this.#components.wheel.now()
    if (this.#open) this.#stream.resume()
  }

  /** Gives the stream up; a block that was under way counts as partial. */
  abort(reason: string): void {
    this.#stop(reason, false)
  }

  #onData(chunk: Uint8Array): void {
    if (!this.#open) return
    this.#lastByteAt = this.#components.wheel.now()
    if (this.#decoder.idle) this.#startedAt = this.#lastByteAt
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      const code = codeOf(error)
      const reason = code === 'message-too-large' || code === 'block-too-large' ? 'oversize' : 'malformed'
      if (code !== 'malformed' && reason === 'malformed') throw error
      this.#components.totals.refusals[reason] += 1
      this.#stop(reason, true)
      this.#components.events.broken(this.peer, reason)
      return
    }
    if (this.#open && !this.#decoder.idle && this.#timer === undefined) this.#watch()
  }

  #blockStart(length: number): 'take' | 'skip' {
    const verdict = this.#components.events.admit(this.peer, length)
    this.#length = length
    this.#read = 0
    this.#skipping = verdict === 'skip'
    this.#startedAt = this.#components.wheel.now()
    if (this.#skipping) return verdict
    if (this.#components.receive.reserve(this, length)) this.#reservation = 'held'
    else {
      this.#reservation = 'waiting'
      this.#stream.pause()
    }
    return verdict
  }

  #blockOver(): void {
    const length = this.#length
    this.#length = -1
    this.#startedAt = this.#components.wheel.now()
    this.#freeReservation(length)
  }

  #freeReservation(length: number): void {
    const state = this.#reservation
    this.#reservation = 'none'
    if (state === 'held') this.#components.receive.release(length)
    else if (state === 'waiting') {
      this.#components.receive.forget(this)
      if (this.#open) this.#stream.resume()
    }
  }

  /** Looks again a stall's time later, for as long as a message is under way. */
  #watch(): void {
    const { wheel } = this.#components
    this.#timer = wheel.schedule(this.#options.client.stallMs / 2, () => {
      this.#timer = undefined
      if (!this.#open || this.#decoder.idle) return
      if (this.#reservation !== 'waiting' && this.#tooSlow(wheel.now())) {
        this.#components.totals.refusals.slow += 1
        this.#stop('too slow', true)
        this.#components.events.broken(this.peer, 'slow')
      } else this.#watch()
    })
  }

  #tooSlow(now: number): boolean {
    const { client, streams } = this.#options
    const age = now - this.#startedAt
    if (this.#length < 0) return age >= streams.messageTimeoutMs
    if (now - this.#lastByteAt >= client.stallMs) return true
    return age >= client.stallMs * 2 && (this.#read * 1000) / age < client.minRateBytes
  }

  #stop(reason: string, blame: boolean): void {
    if (!this.#open) return
    this.#open = false
    this.#timer?.cancel()
    const { events } = this.#components
    const [length, read] = [this.#length, this.#read]
    this.#length = -1
    if (length >= 0) this.#freeReservation(length)
    this.#stream.abort(reason)
    events.closed(this)
    if (length >= 0) events.partial(this.peer, read, blame)
  }
}
