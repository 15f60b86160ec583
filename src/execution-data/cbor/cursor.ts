import { Buffer } from 'node:buffer'
import { concatBytes } from '../../util/index.ts'
import { ExecutionDataError } from '../errors.ts'

/**
 * A cursor over CBOR (RFC 8949): heads, lengths, strings, tags, containers, and passing over items of any kind. Refuses what is not
 * well-formed. Nothing is allocated on the word of a count: every count is held against the bytes that are left.
 */

/** What `open` gives for null: there is no container. */
export const NIL = -2
/** What `step` gives when a container has no more elements. */
export const DONE = -3
/** The count of a container whose end is marked by a break. */
export const INDEFINITE = -1

export const BYTES = 2
export const TEXT = 3
export const ARRAY = 4
export const MAP = 5
export const TAG = 6
export const SIMPLE = 7
export const BREAK = 0xff
/** `MaxNestedLevels` of flow-go's decoder (`execution_data/serializer.go`). */
export const MAX_DEPTH = 32_767
/** What `skip` holds for an indefinite map, before a key and before a value. */
const MAP_KEY = -2
const MAP_VALUE = -3

/** Items of one byte that need no look: small integers, empty strings and containers, false, true, null, undefined. */
const TRIVIAL = new Uint8Array(256)
for (const major of [0x00, 0x20]) TRIVIAL.fill(1, major, major + 24)
for (const byte of [0x40, 0x60, 0x80, 0xa0, 0xf4, 0xf5, 0xf6, 0xf7]) TRIVIAL[byte] = 1

export class CborCursor {
  at = 0
  protected readonly source: Uint8Array
  protected readonly buffer: Buffer
  protected readonly end: number
  protected depth = 0
  protected maxDepth = MAX_DEPTH
  protected maxElements = Number.MAX_SAFE_INTEGER
  /** The head read last. `value` is exact up to 2^53; `high` and `low` hold 64-bit arguments. */
  protected major = 0
  protected info = 0
  protected value = 0
  protected high = 0
  protected low = 0

  constructor(bytes: Uint8Array) {
    this.source = bytes
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.end = bytes.length
  }

  /** True, and the null (or undefined) passed over, when one stands here. */
  takeNull(): boolean {
    const byte = this.peek()
    if (byte !== 0xf6 && byte !== 0xf7) return false
    this.at += 1
    return true
  }

  /** Enters an array (4) or map (5): gives what to hand to `step`, or NIL. Leave with `leave`, unless it was NIL. */
  open(major: 4 | 5): number {
    let byte = this.peek()
    if (byte >>> 5 === TAG) {
      if (this.tags() !== 0) throw this.mismatch()
      byte = this.peek()
    }
    if (byte === 0xf6 || byte === 0xf7) {
      this.at += 1
      return NIL
    }
    if (byte >>> 5 !== major) throw this.mismatch()
    this.head()
    this.depth += 1
    if (this.depth > this.maxDepth) throw this.malformed(`more than ${this.maxDepth} levels`)
    return this.count(major === ARRAY ? 1 : 2)
  }

  /** One element on: the count that is left behind it, or DONE. */
  step(left: number): number {
    if (left > 0) return left - 1
    if (left === 0) return DONE
    if (this.peek() !== BREAK) return INDEFINITE
    this.at += 1
    return DONE
  }

  leave(): void {
    this.depth -= 1
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
      if (left < 0 && this.peek() === BREAK) {
        if (left === MAP_VALUE) throw this.malformed('a break where a map value belongs')
        this.at += 1
        left = 0
        continue
      }
      if (left > 0 && this.depth + stack.length < this.maxDepth) {
        left = this.#passTrivial(left)
        if (left === 0) continue
      }
      left = left > 0 ? left - 1 : left === MAP_KEY ? MAP_VALUE : left === MAP_VALUE ? MAP_KEY : left
      const inner = this.skipHead()
      if (inner === 0) continue
      stack.push(left)
      if (this.depth + stack.length > this.maxDepth) throw this.malformed(`more than ${this.maxDepth} levels`)
      left = inner
    }
  }

  /** Passes over items of one byte, up to `left` of them; gives how many are left. */
  #passTrivial(left: number): number {
    const { source, end } = this
    let at = this.at
    let rest = left
    while (rest > 0 && at < end && TRIVIAL[source[at] as number] === 1) {
      at += 1
      rest -= 1
    }
    this.at = at
    return rest
  }

  malformed(what: string): ExecutionDataError {
    return new ExecutionDataError('cbor-malformed', `${what}, at byte ${this.at}`, { details: { at: this.at } })
  }

  mismatch(): ExecutionDataError {
    return this.malformed('an item of another type than the field')
  }

  /** The input ended within the item; told apart so that a broken frame can be named as the cause. */
  protected truncated(): ExecutionDataError {
    return new ExecutionDataError('cbor-malformed', 'the bytes end within the item', { details: { truncated: true } })
  }

  protected peek(): number {
    if (this.at >= this.end) throw this.truncated()
    return this.source[this.at] as number
  }

  protected head(): void {
    const byte = this.peek()
    this.at += 1
    this.major = byte >>> 5
    const info = byte & 31
    this.info = info
    this.value = info
    if (info >= 24) this.longHead(info)
  }

  protected longHead(info: number): void {
    if (info === 31) {
      if (this.major < BYTES || this.major === TAG) throw this.malformed('an indefinite length where none can be')
      if (this.major === SIMPLE) throw this.malformed('a break outside of an indefinite container')
      return
    }
    if (info > 27) throw this.malformed(`additional information ${info} is not defined`)
    const size = 1 << (info - 24)
    const at = this.at
    if (at + size > this.end) throw this.truncated()
    this.at = at + size
    if (size === 8) {
      this.high = this.buffer.readUInt32BE(at)
      this.low = this.buffer.readUInt32BE(at + 4)
      this.value = this.high * 4_294_967_296 + this.low
    } else {
      this.value =
        size === 1
          ? (this.source[at] as number)
          : size === 2
            ? this.buffer.readUInt16BE(at)
            : this.buffer.readUInt32BE(at)
    }
    if (this.major === SIMPLE && info === 24 && this.value < 32)
      throw this.malformed('a simple value in a longer form than its own')
  }

  /** The element count of the head just read; each element takes at least `width` bytes. */
  protected count(width: 1 | 2): number {
    if (this.info === 31) return INDEFINITE
    const count = this.length(width)
    if (count > this.maxElements) throw this.malformed(`more than ${this.maxElements} elements`)
    return count
  }

  /** The length of the head just read, which the bytes that are left can hold. */
  protected length(width = 1): number {
    const length = this.value
    if (length * width > this.end - this.at) {
      if (this.info === 27 && this.high >= 0x8000_0000) throw this.malformed('a length beyond 63 bits')
      throw this.truncated()
    }
    return length
  }

  protected pass(length: number): void {
    this.at += length
  }

  /** Length of the next piece of an indefinite string. */
  protected piece(major: number): number {
    this.head()
    if (this.major !== major || this.info === 31)
      throw this.malformed('a piece of a string that is no string of definite length')
    return this.length()
  }

  /** The bytes of the string whose head was just read, also when nothing is to be built. */
  protected string(major: number): Uint8Array {
    if (this.info !== 31) {
      const length = this.length()
      this.at += length
      return this.source.subarray(this.at - length, this.at)
    }
    const pieces: Uint8Array[] = []
    while (this.peek() !== BREAK) {
      const length = this.piece(major)
      this.at += length
      if (length > 0) pieces.push(this.source.subarray(this.at - length, this.at))
    }
    this.at += 1
    return concatBytes(pieces)
  }

  /** Passes over the tags in front of a field's item, checking the ones that say what must follow. 2 or 3 for a bignum, else 0. */
  protected tags(): number {
    for (;;) {
      this.head()
      const tag = this.value
      const next = this.peek()
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
  protected skipHead(): number {
    this.head()
    switch (this.major) {
      case BYTES:
      case TEXT:
        if (this.info !== 31) {
          this.pass(this.length())
        } else {
          const major = this.major
          while (this.peek() !== BREAK) this.pass(this.piece(major))
          this.at += 1
        }
        return 0
      case ARRAY:
        return this.count(1)
      case MAP: {
        const count = this.count(2)
        return count === INDEFINITE ? MAP_KEY : count * 2
      }
      case TAG:
        return 1
      default:
        return 0
    }
  }
}
