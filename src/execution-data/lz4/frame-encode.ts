import { Buffer } from 'node:buffer'
import { BlockEncoder, blockBound } from './block-encode.ts'
import { concatBytes } from '../../util/index.ts'
import { Xxh32 } from './xxh32.ts'

/** Plain bytes of one block: block size code 7. */
const BLOCK_BYTES = 4_194_304
/** Bytes compressed between two pauses: some 5 ms. */
const PAUSE_BYTES = 524_288
/** Magic, FLG (version 1, independent blocks, content checksum), BD (4 MiB) and header checksum: always the same. */
const HEADER = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9]

function writeWord(target: Uint8Array, at: number, value: number): void {
  target[at] = value & 255
  target[at + 1] = (value >>> 8) & 255
  target[at + 2] = (value >>> 16) & 255
  target[at + 3] = value >>> 24
}

/**
 * The frame flow-go's compressor writes for what the pieces hold together (`network/compressor/lz4Compressor.go`: pierrec/lz4 defaults,
 * everything in one write), with the bytes of `prefix` in front. Freshly allocated; pauses (yields) every few ms. The pieces are taken out
 * of their list as they are done with.
 */
export function* encodeFrameSteps(
  pieces: Uint8Array[],
  prefix: readonly number[]
): Generator<undefined, Uint8Array, undefined> {
  const blocks = new BlockCutter(pieces, BLOCK_BYTES)
  const checksum = new Xxh32()
  const parts: Uint8Array[] = [Uint8Array.from([...prefix, ...HEADER])]
  for (let block = blocks.next(); block !== undefined; block = blocks.next()) {
    checksum.update(block)
    yield
    const target = allocate(blockBound(block.length) + 4)
    const encoder = new BlockEncoder(block, target, 4)
    while (!encoder.advance(PAUSE_BYTES)) yield
    const end = encoder.finish()
    if (end < 0) target.set(block, 4)
    const length = end < 0 ? block.length : end - 4
    writeWord(target, 0, end < 0 ? length | 0x80000000 : length)
    // What is kept is no longer than it has to be.
    parts.push(target.slice(0, 4 + length))
    yield
  }
  const tail = new Uint8Array(8)
  writeWord(tail, 4, checksum.digest())
  parts.push(tail)
  return concatBytes(parts)
}

function allocate(size: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(size)
  return new Uint8Array(buffer.buffer, buffer.byteOffset, size)
}

/** Cuts pieces of any length into blocks of one. A block lies in one piece, or is joined in a buffer that the next one uses again. */
class BlockCutter {
  readonly #pieces: Uint8Array[]
  readonly #size: number
  #joined: Uint8Array | undefined
  #at = 0

  constructor(pieces: Uint8Array[], size: number) {
    this.#pieces = pieces
    this.#size = size
  }

  next(): Uint8Array | undefined {
    const first = this.#pieces[0]
    if (first === undefined) return undefined
    const whole = first.length - this.#at
    if (whole > this.#size || (whole > 0 && this.#pieces.length === 1)) return this.#take(Math.min(whole, this.#size))
    // no longer than what there is: a block of 4 MiB is more than most chunks
    this.#joined ??= allocate(Math.min(this.#size, this.#left()))
    let filled = 0
    const { length } = this.#joined
    while (filled < length && this.#pieces.length > 0) {
      const part = this.#take(length - filled)
      this.#joined.set(part, filled)
      filled += part.length
    }
    return filled === 0 ? undefined : this.#joined.subarray(0, filled)
  }

  #left(): number {
    let left = -this.#at
    for (const piece of this.#pieces) left += piece.length
    return left
  }

  /** Up to so many bytes of the first piece, which goes when nothing of it is left. */
  #take(most: number): Uint8Array {
    const first = this.#pieces[0] as Uint8Array
    const part = first.subarray(this.#at, this.#at + most)
    this.#at += part.length
    if (this.#at === first.length) {
      this.#pieces.shift()
      this.#at = 0
    }
    return part
  }
}

/** As `encodeFrameSteps`, at one go. */
export function encodeFrame(plain: Uint8Array, prefix: readonly number[] = []): Uint8Array {
  const steps = encodeFrameSteps([plain], prefix)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
