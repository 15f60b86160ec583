import { Buffer } from 'node:buffer'
import { concatBytes } from '../../util/index.ts'
import { ExecutionDataError } from '../errors.ts'

/** Bytes of the first piece; each further one has twice as many, up to the largest. */
const FIRST_BYTES = 4096
const LARGEST_PIECE = 1_048_576

/**
 * Appends core-deterministic CBOR (RFC 8949 §4.2.1) in pieces, so that nothing is copied before the end. Throws `encode-refused` for what
 * has no encoding.
 */
export class CborWriter {
  readonly #pieces: Uint8Array[] = []
  #piecesLength = 0
  #bytes = new Uint8Array(FIRST_BYTES)
  #text: Buffer = Buffer.from(this.#bytes.buffer)
  #at = 0

  get length(): number {
    return this.#piecesLength + this.#at
  }

  /** What was written, in one buffer. */
  finish(): Uint8Array {
    return this.#pieces.length === 0 ? this.#bytes.subarray(0, this.#at) : concatBytes(this.pieces())
  }

  /** What was written, in pieces. */
  pieces(): Uint8Array[] {
    return [...this.#pieces, this.#bytes.subarray(0, this.#at)]
  }

  /** Bytes that are CBOR already. */
  raw(encoded: Uint8Array): void {
    const at = this.#reserve(encoded.length)
    if (encoded.length > 64) this.#bytes.set(encoded, at)
    else for (let i = 0; i < encoded.length; i += 1) this.#bytes[at + i] = encoded[i] as number
  }

  null(): void {
    this.#byte(0xf6)
  }

  bool(value: boolean): void {
    this.#byte(value ? 0xf5 : 0xf4)
  }

  map(pairs: number): void {
    this.#byte(0xa0 + pairs)
  }

  array(length: number): void {
    this.#head(0x80, length)
  }

  /** Null is `f6`. */
  bytes(value: Uint8Array | null): void {
    if (value === null) return this.null()
    this.#head(0x40, value.length)
    this.raw(value)
  }

  /** A byte string of a fixed array; refuses any other length. */
  fixed(value: Uint8Array, length: number): void {
    if (value.length !== length) throw refused(`${length} bytes are due, not ${value.length}`)
    this.bytes(value)
  }

  text(value: string): void {
    if (!value.isWellFormed()) throw refused('text with a lone surrogate')
    const length = Buffer.byteLength(value)
    this.#head(0x60, length)
    const at = this.#reserve(length)
    this.#text.write(value, at, length)
  }

  /** An integer of 0 to `max`. */
  uint(value: number, max: number): void {
    if (!Number.isInteger(value) || value < 0 || value > max) throw refused(`${value} is not an integer of 0 to ${max}`)
    this.#head(0, value)
  }

  uint64(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw refused(`${value} has more than 64 bits`)
    this.#bigHead(0, value)
  }

  int64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw refused(`${value} has more than 64 bits`)
    if (value < 0n) this.#bigHead(0x20, -1n - value)
    else this.#bigHead(0, value)
  }

  #byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  #bigHead(major: number, value: bigint): void {
    if (value <= 0xffff_ffffn) return this.#head(major, Number(value))
    const at = this.#reserve(9)
    this.#bytes[at] = major | 27
    this.#text.writeBigUInt64BE(value, at + 1)
  }

  #head(major: number, value: number): void {
    if (value < 24) {
      this.#byte(major | value)
    } else if (value < 0x100) {
      const at = this.#reserve(2)
      this.#bytes[at] = major | 24
      this.#bytes[at + 1] = value
    } else if (value < 0x1_0000) {
      const at = this.#reserve(3)
      this.#bytes[at] = major | 25
      this.#text.writeUInt16BE(value, at + 1)
    } else {
      const at = this.#reserve(5)
      this.#bytes[at] = major | 26
      this.#text.writeUInt32BE(value, at + 1)
    }
  }

  /** Makes room and gives where it begins. May begin another piece: call it before naming `#bytes`. */
  #reserve(length: number): number {
    if (this.#at + length > this.#bytes.length) this.#nextPiece(length)
    const at = this.#at
    this.#at = at + length
    return at
  }

  #nextPiece(least: number): void {
    this.#pieces.push(this.#bytes.subarray(0, this.#at))
    this.#piecesLength += this.#at
    const buffer = Buffer.allocUnsafeSlow(Math.max(least, Math.min(LARGEST_PIECE, this.#bytes.length * 2)))
    this.#bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
    this.#text = buffer
    this.#at = 0
  }
}

function refused(message: string): ExecutionDataError {
  return new ExecutionDataError('encode-refused', message)
}
