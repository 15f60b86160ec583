import type { PeerIdText } from '../../model/index.ts'
import { codeOf, type TimerWheel, type WheelTimer } from '../../util/index.ts'
import { MessageDecoder } from '../message/decoder.ts'
import type { DecoderSink, MessageSummary, ReceivedBlock } from '../message/types.ts'
import type { ExchangeTotals } from '../metrics.ts'
import type { ExchangeOptions } from '../options.ts'
import type { ExchangeStream } from './network.ts'
import type { ReceiveAccount } from './receive-account.ts'

/** What a message costs at least, bytes, however short it is. */
const LEAST_MESSAGE_BYTES = 64

export interface InboundEvents {
  admit(peer: PeerIdText, length: number): 'take' | 'skip'
  block(peer: PeerIdText, block: ReceivedBlock): void
  skipped(peer: PeerIdText, length: number): void
  /** Bytes of an admitted block arrived. */
  progress(peer: PeerIdText, bytes: number): void
  partial(peer: PeerIdText, block: BrokenBlock): void
  /** So many bytes came that belong to no block: wants, presences, framing. */
  words(peer: PeerIdText, bytes: number): void
  message(peer: PeerIdText, summary: MessageSummary): void
  /** The bytes were no bitswap, or too long, or too slow. */
  broken(peer: PeerIdText, reason: 'malformed' | 'oversize' | 'slow'): void
  closed(reader: InboundReader): void
  /** A stream broke, and with it what the peer had said on it. */
  lost(peer: PeerIdText): void
}

/** A block that broke off. */
export interface BrokenBlock {
  /** Bytes that were read of it. */
  readonly bytes: number
  /** The peer is the cause. */
  readonly blame: boolean
  /** False when nobody can have asked for it. */
  readonly admitted: boolean
}

export interface InboundComponents {
  readonly wheel: TimerWheel
  readonly totals: ExchangeTotals
  readonly receive: ReceiveAccount
  readonly events: InboundEvents
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
  /** Of the present block, or of what stands between blocks. */
  #startedAt = 0
  #lastByteAt = 0
  /** Of the present message. */
  #messageAt = 0
  #messageBytes = 0
  /** Bytes read since the last report of words that are none: the blocks' own. */
  #notWords = 0
  #messages = 0
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
      // What is left of a chunk after the stream was given up is nobody's.
      blockStart: (length) => (this.#open ? this.#blockStart(length) : 'skip'),
      blockBytes: (count) => {
        this.#read += count
        this.#notWords += count
        if (this.#open && !this.#skipping) components.events.progress(this.peer, count)
      },
      blockEnd: (block) => {
        if (!this.#open) return
        this.#blockOver()
        components.events.block(this.peer, block)
      },
      blockSkipped: (length) => {
        if (!this.#open) return
        this.#blockOver()
        components.events.skipped(this.peer, length)
      },
      message: (summary) => {
        if (!this.#open) return
        this.#messages += 1
        this.#messageAt = components.wheel.now()
        this.#messageBytes = 0
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
      closed: () => this.#onBroken()
    })
  }

  /** The receive account has room for the block now. */
  granted(): void {
    this.#reservation = 'held'
    // The wait was ours: the clocks of the block and of its message go on from here.
    const now = this.#components.wheel.now()
    const waited = now - this.#lastByteAt
    this.#startedAt = now
    this.#messageAt += waited
    this.#lastByteAt = now
    // In a turn of its own: another stream's block has just ended, and its reader is not done.
    queueMicrotask(() => {
      if (this.#open && this.#reservation !== 'waiting') this.#stream.resume()
    })
  }

  /** In the midst of a block. */
  get receiving(): boolean {
    return this.#length >= 0
  }

  /** Gives the stream up; a block that was under way counts as partial. */
  abort(reason: string): void {
    this.#stop(reason, false)
  }

  #onData(chunk: Uint8Array): void {
    if (!this.#open) return
    this.#lastByteAt = this.#components.wheel.now()
    if (this.#decoder.idle) {
      this.#startedAt = this.#lastByteAt
      this.#messageAt = this.#lastByteAt
    }
    this.#messageBytes += chunk.length
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
    this.#reportWords(chunk.length)
    if (this.#open && !this.#decoder.idle && this.#timer === undefined) this.#watch()
  }

  #reportWords(bytes: number): void {
    const words = Math.max(bytes - this.#notWords, this.#messages * LEAST_MESSAGE_BYTES)
    this.#notWords = 0
    this.#messages = 0
    if (words > 0) this.#components.events.words(this.peer, words)
  }

  #blockStart(length: number): 'take' | 'skip' {
    const verdict = this.#components.events.admit(this.peer, length)
    this.#length = length
    this.#read = 0
    this.#skipping = verdict === 'skip'
    this.#startedAt = this.#components.wheel.now()
    if (this.#skipping) return verdict
    const reserved = this.#components.receive.reserve(this, length)
    if (reserved === 'refused') {
      this.#components.totals.refusals.receive += 1
      this.#stop('too many blocks at a time', false)
      return 'skip'
    }
    this.#reservation = reserved
    if (reserved === 'waiting') this.#stream.pause()
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
    if (state === 'held') this.#components.receive.release(this.peer, length)
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
      // What others of the memory budget give back is not told: asked for at every look.
      if (this.#reservation === 'waiting') this.#components.receive.retry()
      if (this.#reservation !== 'waiting' && this.#tooSlow(wheel.now())) {
        this.#components.totals.refusals.slow += 1
        this.#stop('too slow', true)
        this.#components.events.broken(this.peer, 'slow')
      } else this.#watch()
    })
  }

  #tooSlow(now: number): boolean {
    const { client, streams } = this.#options
    // A message of many small blocks, each in time, must come to an end as well.
    const messageAge = now - this.#messageAt
    const dribbles = (this.#messageBytes * 1000) / messageAge < client.minRateBytes
    if (messageAge >= streams.messageTimeoutMs && dribbles) return true
    const age = now - this.#startedAt
    if (this.#length < 0) return age >= streams.messageTimeoutMs
    if (now - this.#lastByteAt >= client.stallMs) return true
    return age >= client.stallMs * 2 && (this.#read * 1000) / age < client.minRateBytes
  }

  #onBroken(): void {
    const lost = this.#open
    this.#stop('closed', false)
    if (lost) this.#components.events.lost(this.peer)
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
    if (length >= 0) events.partial(this.peer, { bytes: read, blame, admitted: !this.#skipping })
  }
}
