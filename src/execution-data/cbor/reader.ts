import { isUtf8 } from 'node:buffer'
import { limitExceeded } from '../errors.ts'
import { ARRAY, BREAK, BYTES, CborCursor, DONE, INDEFINITE, MAP, MAX_DEPTH, SIMPLE, TAG, TEXT } from './cursor.ts'
import type { Shape } from './shape.ts'

/**
 * Reads from CBOR what the caller's type asks for and accepts what flow-go's decoder accepts (fxamacker/cbor with the options of
 * `execution_data/serializer.go`): indefinite lengths, tags, lengths not in shortest form, null for the zero value, arrays of small
 * integers for bytes, unknown map keys. With `materialize` off it checks everything and builds nothing.
 */

/** What `key` gives for a key that names no field. */
export const UNKNOWN_KEY = -1

/** Elements of one array or map within a trie payload, which flow-go decodes with its library's defaults. */
const PAYLOAD_ELEMENTS = 131_072
/** Levels within a trie payload, likewise. */
const PAYLOAD_DEPTH = 32

/** Shared by every empty byte string that is not a view; never written to. */
export const EMPTY_BYTES = new Uint8Array(0)
const ZERO_8 = new Uint8Array(8)
const ZERO_32 = new Uint8Array(32)

export interface ReaderLimits {
  readonly materialize: boolean
  readonly maxItems: number
  /** Name of the option behind `maxItems`, for the error. */
  readonly itemLimit?: string
}

export class CborReader extends CborCursor {
  readonly materialize: boolean
  readonly #maxItems: number
  readonly #itemLimit: string
  #items = 0

  constructor(bytes: Uint8Array, limits: ReaderLimits) {
    super(bytes)
    this.materialize = limits.materialize
    this.#maxItems = limits.maxItems
    this.#itemLimit = limits.itemLimit ?? 'maxItems'
  }

  /** Counts one element of a list of the object against `maxItems`. */
  countItem(): void {
    this.#items += 1
    if (this.#items > this.#maxItems) throw limitExceeded(this.#itemLimit, this.#items, this.#maxItems)
  }

  /** Runs `read` under the bounds of a trie payload, which flow-go decodes as an item of its own. */
  inPayload<T>(read: (reader: CborReader) => T): T {
    const depth = this.depth
    this.depth = 0
    this.maxDepth = PAYLOAD_DEPTH
    this.maxElements = PAYLOAD_ELEMENTS
    const value = read(this)
    this.depth = depth
    this.maxDepth = MAX_DEPTH
    this.maxElements = Number.MAX_SAFE_INTEGER
    return value
  }

  /** Reads a map key: the field's index in `shape`, or UNKNOWN_KEY. `guess` is the field that canonical order has here. */
  key(shape: Shape, guess: number): number {
    const expected = shape.encoded[guess]
    if (expected !== undefined && this.#startsWith(expected)) {
      this.at += expected.length
      return guess
    }
    this.head()
    if (this.major < BYTES) return UNKNOWN_KEY
    if (this.major !== TEXT) throw this.malformed('a map key that is neither text nor an integer')
    const name = this.string(TEXT)
    if (!isUtf8(name)) throw this.malformed('a map key that is not UTF-8')
    return shape.find(name)
  }

  /** A byte string; null for null. Arrays of integers up to 255 are taken too. */
  bytes(): Uint8Array | null {
    const byte = this.peek()
    if (byte >>> 5 === BYTES && byte !== 0x5f) {
      this.head()
      return this.#take(this.length())
    }
    return this.#otherBytes(Number.MAX_SAFE_INTEGER)
  }

  /** As `bytes`, but nothing else is taken for a byte string. Built even when nothing is to be built. */
  byteString(): Uint8Array | null {
    if (this.peek() >>> 5 === TAG && this.tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return null
    this.head()
    if (this.major !== BYTES) throw this.mismatch()
    return this.string(BYTES)
  }

  /** True when a map stands here, tags aside. */
  atMap(): boolean {
    if (this.peek() >>> 5 === TAG && this.tags() !== 0) throw this.mismatch()
    return this.peek() >>> 5 === MAP
  }

  /** A fixed array: shorter input is padded with zeros, longer input is cut. */
  fixed(length: 8 | 32): Uint8Array {
    const bytes = this.source
    const at = this.at
    if (length === 32 && bytes[at] === 0x58 && bytes[at + 1] === 32 && at + 34 <= this.end) {
      this.at = at + 34
      return this.materialize ? bytes.subarray(at + 2, at + 34) : ZERO_32
    }
    if (length === 8 && bytes[at] === 0x48 && at + 9 <= this.end) {
      this.at = at + 9
      return this.materialize ? bytes.subarray(at + 1, at + 9) : ZERO_8
    }
    const found = this.peek() >>> 5 === BYTES ? this.bytes() : this.#otherBytes(length)
    if (found === null || !this.materialize) return length === 8 ? ZERO_8 : ZERO_32
    if (found.length === length) return found
    const fitted = new Uint8Array(length)
    fitted.set(found.subarray(0, length))
    return fitted
  }

  /** A text string, checked for UTF-8; null is the empty text. */
  text(): string {
    const byte = this.peek()
    if (byte >>> 5 === TAG && this.tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return ''
    this.head()
    if (this.major !== TEXT) throw this.mismatch()
    if (this.info !== 31) return this.#textOf(this.length())
    let text = ''
    while (this.peek() !== BREAK) text += this.#textOf(this.piece(TEXT))
    this.at += 1
    return text
  }

  bool(): boolean {
    const byte = this.peek()
    if (byte >>> 5 === TAG && this.tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return false
    this.head()
    if (this.major !== SIMPLE || (this.info !== 20 && this.info !== 21)) throw this.mismatch()
    return this.info === 21
  }

  /** An unsigned integer up to `max` (at most 2^32 − 1); null is 0. */
  uint(max: number): number {
    const byte = this.peek()
    if (byte < 24) {
      this.at += 1
      return byte
    }
    const value = this.#integer()
    if (value < 0 || value > max) throw this.malformed('an integer out of range')
    return Number(value)
  }

  /** An unsigned 64-bit integer; null is 0. */
  uint64(): bigint {
    const value = this.#integer()
    if (value < 0 || value > 0xffff_ffff_ffff_ffffn) throw this.malformed('an integer out of range')
    return BigInt(value)
  }

  /** A signed 64-bit integer; null is 0. */
  int64(): bigint {
    const value = BigInt(this.#integer())
    if (BigInt.asIntN(64, value) !== value) throw this.malformed('an integer out of range')
    return value
  }

  #startsWith(expected: Uint8Array): boolean {
    const bytes = this.source
    const at = this.at
    for (let i = 0; i < expected.length; i += 1) if (bytes[at + i] !== expected[i]) return false
    return true
  }

  #take(length: number): Uint8Array {
    const from = this.at
    this.at = from + length
    return this.materialize ? this.source.subarray(from, from + length) : EMPTY_BYTES
  }

  #textOf(length: number): string {
    const from = this.at
    const to = from + length
    this.at = to
    const bytes = this.source
    for (let i = from; i < to; i += 1) {
      if ((bytes[i] as number) >= 128) return this.#unicode(from, to)
    }
    return this.materialize ? this.buffer.toString('latin1', from, to) : ''
  }

  #unicode(from: number, to: number): string {
    if (!isUtf8(this.source.subarray(from, to))) throw this.malformed('text that is not UTF-8')
    return this.materialize ? this.buffer.toString('utf8', from, to) : ''
  }

  /** Bytes in any form but the plain one; of an array of integers no more than `max` are looked at. */
  #otherBytes(max: number): Uint8Array | null {
    if (this.peek() >>> 5 === TAG) this.tags()
    if (this.takeNull()) return null
    const major = this.peek() >>> 5
    if (major === BYTES) {
      this.head()
      return this.string(BYTES)
    }
    if (major !== ARRAY) throw this.mismatch()
    return this.#integerArray(max)
  }

  #integerArray(max: number): Uint8Array {
    const start = this.at
    let left = this.open(ARRAY)
    const out = new Uint8Array(left === INDEFINITE ? this.end - start : left)
    let length = 0
    while ((left = this.step(left)) !== DONE) {
      if (length >= max) {
        this.skip()
        continue
      }
      out[length] = this.uint(255)
      length += 1
    }
    this.leave()
    return out.length === length ? out : out.slice(0, length)
  }

  /** Any integer, exact: a number up to 2^53, else a bigint. */
  #integer(): number | bigint {
    if (this.peek() >>> 5 === TAG) {
      const tag = this.tags()
      if (tag !== 0) return this.#bignum(tag)
    }
    if (this.takeNull()) return 0
    this.head()
    switch (this.major) {
      case 0:
        return this.#argument()
      case 1: {
        const value = this.#argument()
        return typeof value === 'number' && value < Number.MAX_SAFE_INTEGER ? -1 - value : -1n - BigInt(value)
      }
      case SIMPLE:
        // flow-go's decoder puts the number of an unassigned simple value where an integer belongs
        if (this.info < 20 || this.info === 24) return this.value
    }
    throw this.mismatch()
  }

  #argument(): number | bigint {
    if (this.value <= Number.MAX_SAFE_INTEGER) return this.value
    return (BigInt(this.high) << 32n) | BigInt(this.low)
  }

  #bignum(tag: number): number | bigint {
    this.head()
    const bytes = this.string(BYTES)
    let from = 0
    while (bytes[from] === 0) from += 1
    if (bytes.length - from > 8) throw this.malformed('an integer out of range')
    let value = 0n
    for (; from < bytes.length; from += 1) value = (value << 8n) | BigInt(bytes[from] as number)
    return tag === 2 ? value : -1n - value
  }
}
