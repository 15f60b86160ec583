import { Buffer } from 'node:buffer'
import { BlockEncoder, blockBound } from './block-encode.ts'
import { xxh32Steps } from './xxh32.ts'

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
 * The frame flow-go's compressor writes for `plain` (`network/compressor/lz4Compressor.go`: pierrec/lz4 defaults, everything in
 * one write), with the bytes of `prefix` in front. Freshly allocated; pauses (yields) every few ms.
 */
export function* encodeFrameSteps(
  plain: Uint8Array,
  prefix: readonly number[]
): Generator<undefined, Uint8Array, undefined> {
  const blocks = Math.ceil(plain.length / BLOCK_BYTES)
  const lastBlock = Math.min(plain.length, BLOCK_BYTES)
  const head = prefix.length + HEADER.length
  const capacity = head + plain.length + blocks * 4 + (blockBound(lastBlock) - lastBlock) + 8
  const buffer = Buffer.allocUnsafeSlow(capacity)
  const target = new Uint8Array(buffer.buffer, buffer.byteOffset, capacity)
  target.set(prefix)
  target.set(HEADER, prefix.length)
  let at = head
  for (let from = 0; from < plain.length; from += BLOCK_BYTES) {
    const block = plain.subarray(from, from + BLOCK_BYTES)
    const encoder = new BlockEncoder(block, target, at + 4)
    while (!encoder.advance(PAUSE_BYTES)) yield
    const end = encoder.finish()
    if (end < 0) {
      writeWord(target, at, block.length | 0x80000000)
      target.set(block, at + 4)
      at += 4 + block.length
    } else {
      writeWord(target, at, end - at - 4)
      at = end
    }
    yield
  }
  writeWord(target, at, 0)
  writeWord(target, at + 4, yield* xxh32Steps(plain))
  at += 8
  return at * 4 < capacity * 3 ? target.slice(0, at) : target.subarray(0, at)
}

/** As `encodeFrameSteps`, at one go. */
export function encodeFrame(plain: Uint8Array, prefix: readonly number[] = []): Uint8Array {
  const steps = encodeFrameSteps(plain, prefix)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}
