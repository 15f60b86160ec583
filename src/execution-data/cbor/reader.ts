import { Buffer, isUtf8 } from 'node:buffer'
import { concatBytes } from '../../util/index.ts'
import { ExecutionDataError, limitExceeded } from '../errors.ts'
import type { Shape } from './shape.ts'

/**
 * A cursor over one CBOR item (RFC 8949) that reads what the caller's type asks for and accepts what flow-go's decoder accepts
 * (fxamacker/cbor with `execution_data/serializer.go`'s options): indefinite lengths, tags, lengths not in shortest form, null for the
 * zero value, arrays of small integers for bytes, unknown map keys. Nothing is allocated on the word of a count: every count is
 * held against the bytes that are left.
 *
 * With `materialize` off it checks everything and builds nothing.
 */

/** What `open` gives for null: there is no container. */
export const NIL = -2
/** What `step` gives when a container has no more elements. */
export const DONE = -3
/** The count of a container whose end is marked by a break. */
const INDEFINITE = -1
/** What `key` gives for a key that names no field. */
export const UNKNOWN_KEY = -1

const BYTES = 2
const TEXT = 3
const ARRAY = 4
const TAG = 6
const BREAK = 0xff
/** What `skip` holds for an indefinite map, before a key and before a value. */
const MAP_KEY = -2
const MAP_VALUE = -3
/** Elements of one array or map within a trie payload, which flow-go decodes with its library's defaults. */
const PAYLOAD_ELEMENTS = 131_072
/** Levels within a trie payload, likewise. */
const PAYLOAD_DEPTH = 32
/** `MaxNestedLevels` of flow-go's decoder. */
const MAX_DEPTH = 32_767

/** Shared by every empty byte string that is not a view; never written to. */
export const EMPTY_BYTES = new Uint8Array(0)
const ZERO_8 = new Uint8Array(8)
const ZERO_32 = new Uint8Array(32)

export interface ReaderLimits {
  readonly materialize: boolean
  readonly maxItems: number
}

export class CborReader {
  at = 0
  readonly materialize: boolean
  readonly #bytes: Uint8Array
  readonly #text: Buffer
  readonly #end: number
  readonly #maxItems: number
  #items = 0
  #depth = 0
  #maxDepth = MAX_DEPTH
  #maxElements = Number.MAX_SAFE_INTEGER
  /** The head read last. `#value` is exact up to 2^53; `#high` and `#low` hold 64-bit arguments. */
  #major = 0
  #info = 0
  #value = 0
  #high = 0
  #low = 0

  constructor(bytes: Uint8Array, limits: ReaderLimits) {
    this.#bytes = bytes
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#end = bytes.length
    this.materialize = limits.materialize
    this.#maxItems = limits.maxItems
  }

  /** Counts one element of a list of the object against `maxItems`. */
  countItem(): void {
    this.#items += 1
    if (this.#items > this.#maxItems) throw limitExceeded('maxItems', this.#items, this.#maxItems)
  }

  /** True, and the null (or undefined) passed over, when one stands here. */
  takeNull(): boolean {
    const byte = this.#peek()
    if (byte !== 0xf6 && byte !== 0xf7) return false
    this.at += 1
    return true
  }

  /** Enters an array (4) or map (5): gives what to hand to `step`, or NIL. Leave with `leave`, unless it was NIL. */
  open(major: 4 | 5): number {
    let byte = this.#peek()
    if (byte >>> 5 === TAG) {
      if (this.#tags() !== 0) throw this.mismatch()
      byte = this.#peek()
    }
    if (byte === 0xf6 || byte === 0xf7) {
      this.at += 1
      return NIL
    }
    if (byte >>> 5 !== major) throw this.mismatch()
    this.#head()
    this.#depth += 1
    if (this.#depth > this.#maxDepth) throw this.malformed(`more than ${this.#maxDepth} levels`)
    return this.#count(major === ARRAY ? 1 : 2)
  }

  /** One element on: the count that is left behind it, or DONE. */
  step(left: number): number {
    if (left > 0) return left - 1
    if (left === 0) return DONE
    if (this.#peek() !== BREAK) return INDEFINITE
    this.at += 1
    return DONE
  }

  leave(): void {
    this.#depth -= 1
  }

  /** Runs `read` under the bounds of a trie payload, which flow-go decodes as an item of its own. */
  inPayload<T>(read: (reader: CborReader) => T): T {
    const depth = this.#depth
    this.#depth = 0
    this.#maxDepth = PAYLOAD_DEPTH
    this.#maxElements = PAYLOAD_ELEMENTS
    const value = read(this)
    this.#depth = depth
    this.#maxDepth = MAX_DEPTH
    this.#maxElements = Number.MAX_SAFE_INTEGER
    return value
  }

  /** Reads a map key: the field's index in `shape`, or UNKNOWN_KEY. `guess` is the field that canonical order has here. */
  key(shape: Shape, guess: number): number {
    const expected = shape.encoded[guess]
    if (expected !== undefined && this.#startsWith(expected)) {
      this.at += expected.length
      return guess
    }
    this.#head()
    if (this.#major < BYTES) return UNKNOWN_KEY
    if (this.#major !== TEXT) throw this.malformed('a map key that is neither text nor an integer')
    const name = this.#string(TEXT)
    if (!isUtf8(name)) throw this.malformed('a map key that is not UTF-8')
    return shape.find(name)
  }

  /** A byte string; null for null. Arrays of integers up to 255 are taken too. */
  bytes(): Uint8Array | null {
    const byte = this.#peek()
    if (byte >>> 5 === BYTES && byte !== 0x5f) {
      this.#head()
      return this.#take(this.#length())
    }
    return this.#otherBytes(Number.MAX_SAFE_INTEGER)
  }

  /** As `bytes`, but nothing else is taken for a byte string. Built even when nothing is to be built. */
  byteString(): Uint8Array | null {
    if (this.#peek() >>> 5 === TAG && this.#tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return null
    this.#head()
    if (this.#major !== BYTES) throw this.mismatch()
    return this.#string(BYTES)
  }

  /** True when a map stands here, tags aside. */
  atMap(): boolean {
    if (this.#peek() >>> 5 === TAG && this.#tags() !== 0) throw this.mismatch()
    return this.#peek() >>> 5 === 5
  }

  /** A fixed array: shorter input is padded with zeros, longer input is cut. */
  fixed(length: 8 | 32): Uint8Array {
    const bytes = this.#bytes
    const at = this.at
    if (length === 32 && bytes[at] === 0x58 && bytes[at + 1] === 32 && at + 34 <= this.#end) {
      this.at = at + 34
      return this.materialize ? bytes.subarray(at + 2, at + 34) : ZERO_32
    }
    if (length === 8 && bytes[at] === 0x48 && at + 9 <= this.#end) {
      this.at = at + 9
      return this.materialize ? bytes.subarray(at + 1, at + 9) : ZERO_8
    }
    const found = this.#peek() >>> 5 === BYTES ? this.bytes() : this.#otherBytes(length)
    if (found === null || !this.materialize) return length === 8 ? ZERO_8 : ZERO_32
    if (found.length === length) return found
    const fitted = new Uint8Array(length)
    fitted.set(found.subarray(0, length))
    return fitted
  }

  /** A text string, checked for UTF-8; null is the empty text. */
  text(): string {
    const byte = this.#peek()
    if (byte >>> 5 === TAG && this.#tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return ''
    this.#head()
    if (this.#major !== TEXT) throw this.mismatch()
    if (this.#info !== 31) return this.#textOf(this.#length())
    let text = ''
    while (this.#peek() !== BREAK) text += this.#textOf(this.#piece(TEXT))
    this.at += 1
    return text
  }

  bool(): boolean {
    const byte = this.#peek()
    if (byte >>> 5 === TAG && this.#tags() !== 0) throw this.mismatch()
    if (this.takeNull()) return false
    this.#head()
    if (this.#major !== 7 || (this.#info !== 20 && this.#info !== 21)) throw this.mismatch()
    return this.#info === 21
  }

  /** An unsigned integer up to `max` (at most 2^32 − 1); null is 0. */
  uint(max: number): number {
    const byte = this.#peek()
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

  /** Passes over one item of any kind, checking that it is well-formed. Takes no stack of its own per level. */
  skip(): void {
    const stack: number[] = []
    let left = 1
    for (;;) {
      if (left === 0) {
        const outer = stack.pop()
        if (outer === undefined) return
        left = outer
        continue
      }
      if (left < 0 && this.#peek() === BREAK) {
        if (left === MAP_VALUE) throw this.malformed('a break where a map value belongs')
        this.at += 1
        left = 0
        continue
      }
      left = left > 0 ? left - 1 : left === MAP_KEY ? MAP_VALUE : left === MAP_VALUE ? MAP_KEY : left
      const inner = this.#skipHead()
      if (inner === 0) continue
      stack.push(left)
      if (this.#depth + stack.length > this.#maxDepth) throw this.malformed(`more than ${this.#maxDepth} levels`)
      left = inner
    }
  }

  malformed(what: string): ExecutionDataError {
    return new ExecutionDataError('cbor-malformed', `${what}, at byte ${this.at}`, { details: { at: this.at } })
  }

  mismatch(): ExecutionDataError {
    return this.malformed('an item of another type than the field')
  }

  /** The input ended within the item; told apart so that a broken frame can be named as the cause. */
  #truncated(): ExecutionDataError {
    return new ExecutionDataError('cbor-malformed', 'the bytes end within the item', { details: { truncated: true } })
  }

  #peek(): number {
    if (this.at >= this.#end) throw this.#truncated()
    return this.#bytes[this.at] as number
  }

  #startsWith(expected: Uint8Array): boolean {
    const bytes = this.#bytes
    const at = this.at
    for (let i = 0; i < expected.length; i += 1) if (bytes[at + i] !== expected[i]) return false
    return true
  }

  #head(): void {
    const byte = this.#peek()
    this.at += 1
    this.#major = byte >>> 5
    const info = byte & 31
    this.#info = info
    this.#value = info
    if (info >= 24) this.#longHead(info)
  }

  #longHead(info: number): void {
    if (info === 31) {
      if (this.#major < BYTES || this.#major === TAG) throw this.malformed('an indefinite length where none can be')
      if (this.#major === 7) throw this.malformed('a break outside of an indefinite container')
      return
    }
    if (info > 27) throw this.malformed(`additional information ${info} is not defined`)
    const size = 1 << (info - 24)
    const at = this.at
    if (at + size > this.#end) throw this.#truncated()
    this.at = at + size
    if (size === 8) {
      this.#high = this.#text.readUInt32BE(at)
      this.#low = this.#text.readUInt32BE(at + 4)
      this.#value = this.#high * 4_294_967_296 + this.#low
    } else {
      this.#value =
        size === 1
          ? (this.#bytes[at] as number)
          : size === 2
            ? this.#text.readUInt16BE(at)
            : this.#text.readUInt32BE(at)
    }
    if (this.#major === 7 && info === 24 && this.#value < 32)
      throw this.malformed('a simple value in a longer form than its own')
  }

  /** The element count of the head just read; each element takes at least `width` bytes. */
  #count(width: 1 | 2): number {
    if (this.#info === 31) return INDEFINITE
    const count = this.#length(width)
    if (count > this.#maxElements) throw this.malformed(`more than ${this.#maxElements} elements`)
    return count
  }

  /** The length of the head just read, which the bytes that are left can hold. */
  #length(width = 1): number {
    const length = this.#value
    if (length * width > this.#end - this.at) {
      if (this.#info === 27 && this.#high >= 0x8000_0000) throw this.malformed('a length beyond 63 bits')
      throw this.#truncated()
    }
    return length
  }

  #take(length: number): Uint8Array {
    const from = this.at
    this.at = from + length
    return this.materialize ? this.#bytes.subarray(from, from + length) : EMPTY_BYTES
  }

  #pass(length: number): void {
    this.at += length
  }

  /** Length of the next piece of an indefinite string. */
  #piece(major: number): number {
    this.#head()
    if (this.#major !== major || this.#info === 31)
      throw this.malformed('a piece of a string that is no string of definite length')
    return this.#length()
  }

  /** The bytes of the string whose head was just read, also when nothing is to be built. */
  #string(major: number): Uint8Array {
    if (this.#info !== 31) {
      const length = this.#length()
      this.at += length
      return this.#bytes.subarray(this.at - length, this.at)
    }
    const pieces: Uint8Array[] = []
    while (this.#peek() !== BREAK) {
      const length = this.#piece(major)
      this.at += length
      if (length > 0) pieces.push(this.#bytes.subarray(this.at - length, this.at))
    }
    this.at += 1
    return concatBytes(pieces)
  }

  #textOf(length: number): string {
    const from = this.at
    const to = from + length
    this.at = to
    const bytes = this.#bytes
    for (let i = from; i < to; i += 1) {
      if ((bytes[i] as number) >= 128) return this.#unicode(from, to)
    }
    return this.materialize ? this.#text.toString('latin1', from, to) : ''
  }

  #unicode(from: number, to: number): string {
    if (!isUtf8(this.#bytes.subarray(from, to))) throw this.malformed('text that is not UTF-8')
    return this.materialize ? this.#text.toString('utf8', from, to) : ''
  }

  /** Bytes in any form but the plain one; of an array of integers no more than `max` are looked at. */
  #otherBytes(max: number): Uint8Array | null {
    if (this.#peek() >>> 5 === TAG) this.#tags()
    if (this.takeNull()) return null
    const major = this.#peek() >>> 5
    if (major === BYTES) {
      this.#head()
      return this.#string(BYTES)
    }
    if (major !== ARRAY) throw this.mismatch()
    return this.#integerArray(max)
  }

  #integerArray(max: number): Uint8Array {
    const start = this.at
    let left = this.open(ARRAY)
    const out = new Uint8Array(left === INDEFINITE ? this.#end - start : left)
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
    if (this.#peek() >>> 5 === TAG) {
      const tag = this.#tags()
      if (tag !== 0) return this.#bignum(tag)
    }
    if (this.takeNull()) return 0
    this.#head()
    switch (this.#major) {
      case 0:
        return this.#argument()
      case 1: {
        const value = this.#argument()
        return typeof value === 'number' && value < Number.MAX_SAFE_INTEGER ? -1 - value : -1n - BigInt(value)
      }
      case 7:
        // flow-go's decoder puts the number of an unassigned simple value where an integer belongs
        if (this.#info < 20 || this.#info === 24) return this.#value
    }
    throw this.mismatch()
  }

  #argument(): number | bigint {
    if (this.#value <= Number.MAX_SAFE_INTEGER) return this.#value
    return (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }

  #bignum(tag: number): number | bigint {
    this.#head()
    const bytes = this.#string(BYTES)
    let from = 0
    while (bytes[from] === 0) from += 1
    if (bytes.length - from > 8) throw this.malformed('an integer out of range')
    let value = 0n
    for (; from < bytes.length; from += 1) value = (value << 8n) | BigInt(bytes[from] as number)
    return tag === 2 ? value : -1n - value
  }

  /** Passes over the tags in front of a field's item, checking the ones that say what must follow. 2 or 3 for a bignum, else 0. */
  #tags(): number {
    for (;;) {
      this.#head()
      const tag = this.#value
      const next = this.#peek()
      const major = next >>> 5
      if (tag === 0 && major !== TEXT) throw this.malformed('tag 0 on something that is no text')
      if (tag === 1 && major > 1 && (next < 0xf9 || next > 0xfb))
        throw this.malformed('tag 1 on something that is no number')
      if (tag === 2 || tag === 3) {
        if (major !== BYTES) throw this.malformed('a bignum tag on something that is no byte string')
        return tag
      }
      if (major !== TAG) return 0
    }
  }

  /** Passes over a head and, of a string, its bytes. Gives how many items lie within, as `skip` counts. */
  #skipHead(): number {
    this.#head()
    switch (this.#major) {
      case BYTES:
      case TEXT:
        if (this.#info !== 31) {
          this.#pass(this.#length())
        } else {
          const major = this.#major
          while (this.#peek() !== BREAK) this.#pass(this.#piece(major))
          this.at += 1
        }
        return 0
      case ARRAY:
        return this.#count(1)
      case 5: {
        const count = this.#count(2)
        return count === INDEFINITE ? MAP_KEY : count * 2
      }
      case TAG:
        return 1
      default:
        return 0
    }
  }
}
