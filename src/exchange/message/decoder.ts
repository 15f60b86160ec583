import { ExchangeError } from '../errors.ts'
import { BlockBody } from './block-body.ts'
import { isKnownPrefix } from './cid.ts'
import { MAX_SMALL_BYTES, parseEntry, parsePresence } from './fields.ts'
import type { DecoderLimits, DecoderSink, Presence, WantEntry } from './types.ts'

// What the next bytes are.
const MESSAGE_LENGTH = 0
const TAG = 1
const VALUE = 2
const FIELD_LENGTH = 3
const SMALL = 4
const SKIP = 5
const BODY = 6
const SKIP_BODY = 7

// Which (sub-)message the fields belong to.
const MESSAGE = 0
const WANTLIST = 1
const BLOCK = 2

// What a small field is.
const ENTRY = 0
const PRESENCE = 1
const PREFIX = 2

const malformed = (what: string): ExchangeError => new ExchangeError('malformed', `bitswap message: ${what}`)

/**
 * Reads bitswap 1.0.0 to 1.2.0 messages (ipfs/specs `src/bitswap-protocol.md`) from chunks cut anywhere.
 *
 * Nothing is gathered but small fields: a block's bytes go straight into a BlockBody, and only after the sink has
 * admitted its length. Every length is checked against what encloses it before a byte of it is taken, so a length that
 * lies costs nothing. A decoder that has thrown must not be used again.
 */
export class MessageDecoder {
  readonly #sink: DecoderSink
  readonly #limits: DecoderLimits
  readonly #scratch = new Uint8Array(MAX_SMALL_BYTES)
  #state = MESSAGE_LENGTH
  #level = MESSAGE
  /** Bytes left of the message and of the sub-message. */
  #left = 0
  #subLeft = 0
  #varint = 0
  #factor = 1
  #field = 0
  #small = ENTRY
  #smallLength = 0
  #smallHave = 0
  #fieldLeft = 0
  #prefix: 'none' | 'known' | 'unknown' = 'none'
  #hadData = false
  #body: BlockBody | undefined
  #skipLength = 0
  #entries: WantEntry[] = []
  #presences: Presence[] = []
  #full = false
  #windingDown = false
  #refused = 0

  constructor(sink: DecoderSink, limits: DecoderLimits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** True between messages: an end of the stream here is a clean one. */
  get idle(): boolean {
    return this.#state === MESSAGE_LENGTH && this.#factor === 1
  }

  /** Throws ExchangeError `message-too-large`, `block-too-large` or `malformed`. Keeps references to the chunk's bytes. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#state < SMALL) at = this.#readVarint(chunk, at)
      else {
        const take = Math.min(this.#fieldLeft, chunk.length - at)
        this.#consume(take)
        this.#fieldLeft -= take
        this.#takeBytes(chunk.subarray(at, at + take))
        at += take
      }
    }
  }

  #consume(count: number): void {
    if (this.#level !== MESSAGE) this.#subLeft -= count
    this.#left -= count
    if (this.#left < 0 || this.#subLeft < 0) throw malformed('a field crosses the end of its message')
  }

  #readVarint(chunk: Uint8Array, from: number): number {
    const counted = this.#state !== MESSAGE_LENGTH
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0
      if (counted) this.#consume(1)
      this.#varint += (byte & 127) * this.#factor
      this.#factor *= 128
      if (!counted && this.#varint > this.#limits.maxMessageBytes) throw this.#tooLarge()
      if (byte < 128) {
        const value = this.#varint
        this.#varint = 0
        this.#factor = 1
        this.#onVarint(value)
        return at + 1
      }
      if (this.#factor >= 2 ** 70) throw malformed('varint without end')
    }
    return chunk.length
  }

  #tooLarge(): ExchangeError {
    return new ExchangeError('message-too-large', `a message of more than ${this.#limits.maxMessageBytes} bytes`)
  }

  #onVarint(value: number): void {
    switch (this.#state) {
      case MESSAGE_LENGTH:
        this.#left = value
        this.#level = MESSAGE
        this.#settle()
        break
      case TAG:
        this.#onTag(value)
        break
      case VALUE:
        if (this.#level === WANTLIST && this.#field === 2) this.#full = value !== 0
        else if (this.#level === WANTLIST && this.#field === 15) this.#windingDown = value !== 0
        this.#settle()
        break
      default:
        this.#onLength(value)
    }
  }

  #onTag(tag: number): void {
    this.#field = Math.floor(tag / 8)
    const wire = tag % 8
    if (this.#field === 0) throw malformed('field number 0')
    if (wire === 0) this.#state = VALUE
    else if (wire === 2) this.#state = FIELD_LENGTH
    else if (wire === 1 || wire === 5) this.#take(SKIP, wire === 1 ? 8 : 4)
    else throw malformed(`wire type ${wire}`)
  }

  #onLength(length: number): void {
    const room = this.#level === MESSAGE ? this.#left : this.#subLeft
    if (length > room) throw malformed('a field longer than its message')
    if (this.#level === MESSAGE) this.#onMessageField(length)
    else if (this.#level === WANTLIST) {
      if (this.#field === 1) this.#startSmall(ENTRY, length)
      else this.#take(SKIP, length)
    } else if (this.#field === 1) this.#startSmall(PREFIX, length)
    else if (this.#field === 2) this.#startBody(length)
    else this.#take(SKIP, length)
  }

  #onMessageField(length: number): void {
    if (this.#field === 1) this.#enter(WANTLIST, length)
    else if (this.#field === 2) {
      this.#prefix = 'known'
      this.#hadData = false
      this.#startBody(length)
    } else if (this.#field === 3) {
      this.#prefix = 'none'
      this.#hadData = false
      this.#enter(BLOCK, length)
    } else if (this.#field === 4) this.#startSmall(PRESENCE, length)
    else this.#take(SKIP, length)
  }

  #enter(level: number, length: number): void {
    this.#level = level
    this.#subLeft = length
    this.#settle()
  }

  /** The next `length` bytes are handled by `state`; none of them means that the field ends here. */
  #take(state: number, length: number): void {
    this.#state = state
    this.#fieldLeft = length
    if (length === 0) this.#takeBytes(NOTHING)
  }

  #startSmall(kind: number, length: number): void {
    const held = kind === ENTRY ? this.#entries.length : kind === PRESENCE ? this.#presences.length : 0
    const tooMany = kind !== PREFIX && held >= this.#limits.maxEntriesPerMessage
    if (tooMany || length > MAX_SMALL_BYTES) {
      if (kind === PREFIX) this.#prefix = 'unknown'
      else this.#refused += 1
      this.#take(SKIP, length)
      return
    }
    this.#small = kind
    this.#smallLength = length
    this.#smallHave = 0
    this.#take(SMALL, length)
  }

  #startBody(length: number): void {
    if (length > this.#limits.maxBlockBytes) {
      throw new ExchangeError('block-too-large', `a block of ${length} bytes, ${this.#limits.maxBlockBytes} are taken`)
    }
    if (this.#prefix === 'none' || this.#hadData) throw malformed('a block without a prefix, or with two bodies')
    this.#hadData = true
    const taken = this.#prefix === 'known' && this.#sink.blockStart(length) === 'take'
    this.#body = taken ? new BlockBody(length) : undefined
    this.#skipLength = length
    this.#take(taken ? BODY : SKIP_BODY, length)
  }

  #takeBytes(bytes: Uint8Array): void {
    const state = this.#state
    if (state === SMALL) this.#addSmall(bytes)
    else if (state === BODY || state === SKIP_BODY) {
      if (bytes.length > 0) {
        this.#body?.add(bytes)
        this.#sink.blockBytes(bytes.length)
      }
      if (this.#fieldLeft === 0) this.#endBody()
    }
    if (this.#fieldLeft === 0) this.#settle()
  }

  #addSmall(bytes: Uint8Array): void {
    if (bytes.length === this.#smallLength) {
      this.#onSmall(bytes)
      return
    }
    this.#scratch.set(bytes, this.#smallHave)
    this.#smallHave += bytes.length
    if (this.#smallHave === this.#smallLength) this.#onSmall(this.#scratch.subarray(0, this.#smallLength))
  }

  #onSmall(bytes: Uint8Array): void {
    if (this.#small === PREFIX) {
      this.#prefix = isKnownPrefix(bytes) ? 'known' : 'unknown'
      return
    }
    if (this.#small === ENTRY) {
      const entry = parseEntry(bytes)
      if (entry === undefined) this.#refused += 1
      else this.#entries.push(entry)
      return
    }
    const presence = parsePresence(bytes)
    if (presence === undefined) this.#refused += 1
    else this.#presences.push(presence)
  }

  #endBody(): void {
    const body = this.#body
    this.#body = undefined
    if (body === undefined) this.#sink.blockSkipped(this.#skipLength)
    else this.#sink.blockEnd(body.finish())
  }

  /** After a field: closes what ends here. */
  #settle(): void {
    if (this.#level !== MESSAGE && this.#subLeft === 0) {
      if (this.#level === BLOCK && !this.#hadData && this.#prefix !== 'none') {
        // proto3 leaves an empty body out.
        this.#startBody(0)
        return
      }
      this.#level = MESSAGE
    }
    if (this.#level === MESSAGE && this.#left === 0) this.#endMessage()
    else this.#state = TAG
  }

  #endMessage(): void {
    const summary = {
      entries: this.#entries,
      presences: this.#presences,
      full: this.#full,
      ...(this.#windingDown ? { windingDown: true as const } : {}),
      refused: this.#refused
    }
    this.#entries = []
    this.#presences = []
    this.#full = false
    this.#windingDown = false
    this.#refused = 0
    this.#state = MESSAGE_LENGTH
    this.#sink.message(summary)
  }
}

const NOTHING = new Uint8Array(0)
