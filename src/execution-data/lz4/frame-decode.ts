import { Buffer } from 'node:buffer'
import { concatBytes } from '../../util/index.ts'
import { ExecutionDataError, limitExceeded } from '../errors.ts'
import type { DecodeOptions } from '../options.ts'
import { expandBlock, measureBlock } from './block-decode.ts'
import { SliceCursor } from './slice-cursor.ts'
import { xxh32 } from './xxh32.ts'

/**
 * LZ4 frames (github.com/lz4/lz4 `doc/lz4_Frame_format.md`), as tolerant as flow-go's reader: any version, reserved bits, a wrong
 * content size, linked blocks, empty blocks, legacy frames, skippable frames in front. One frame is read.
 *
 * First every block is located and measured and every bound checked, then the output is allocated once, then filled. Blocks that
 * lie within one input slice are read in place. When a later block is broken, what stands before it is still given, with the
 * failure: the reader of the content needs it only when it runs out of bytes.
 */

export type Lz4Options = Pick<
  DecodeOptions,
  'strict' | 'ratioFreeBytes' | 'maxRatio' | 'maxFrameBlocks' | 'pauseBytes'
> & {
  readonly maxOutputBytes: number
  /** Name of the option behind `maxOutputBytes`, for the error. */
  readonly outputLimit: string
  /** Told the exact output length before it is allocated; may throw to refuse it. */
  readonly onAllocate?: (bytes: number) => void
}

export interface DecodedFrame {
  /** Freshly allocated. */
  readonly bytes: Uint8Array
  /** Why there are no more bytes, when the frame did not end as it should. */
  readonly failure: ExecutionDataError | undefined
  /** True when it was read to its very end, checksum and all, and the input goes on: only looked for in strict mode. */
  readonly followed: boolean
}

interface Header {
  readonly legacy: boolean
  readonly independent: boolean
  readonly blockChecksums: boolean
  readonly contentChecksum: boolean
  readonly contentSize: number | undefined
  readonly blockMax: number
}

interface Block {
  readonly parts: readonly Uint8Array[]
  readonly stored: boolean
  readonly size: number
}

interface Plan {
  readonly header: Header | undefined
  readonly blocks: Block[]
  size: number
  failure: ExecutionDataError | undefined
}

const MAGIC = 0x184d2204
const LEGACY_MAGIC = 0x184c2102
const LEGACY_BLOCK_MAX = 8_388_608
const BLOCK_MAX = [65_536, 262_144, 1_048_576, 4_194_304]
/** Skippable frames taken in front of a frame: no producer writes any, and each costs a step. */
const MAX_SKIPPABLE = 64

function broken(message: string): ExecutionDataError {
  return new ExecutionDataError('lz4-malformed', message)
}

/** Reads the frame at the beginning of `slices`; pauses (yields) after the block with which `pauseBytes` of output
 * were measured or filled: a turn of the event loop costs more than a small chunk. Throws `lz4-malformed` and `limit-exceeded`. */
export function* decodeFrameSteps(
  slices: readonly Uint8Array[],
  options: Lz4Options
): Generator<undefined, DecodedFrame, undefined> {
  const cursor = new SliceCursor(slices)
  const plan = yield* locateBlocks(cursor, options)
  if (options.strict && plan.failure !== undefined) throw plan.failure
  options.onAllocate?.(plan.size)
  const bytes = allocate(plan.size)
  let at = 0
  let pauseAt = options.pauseBytes
  for (const block of plan.blocks) {
    const start = plan.header?.independent === false ? 0 : at
    const next = block.stored
      ? copyParts(block.parts, bytes, at)
      : expandBlock(block.parts[0] as Uint8Array, bytes, { at, start })
    if (next < 0) {
      plan.failure = broken('a match reaches before the start of its window')
      break
    }
    at = next
    if (at < pauseAt) continue
    pauseAt = at + options.pauseBytes
    yield
  }
  const complete = at === plan.size
  if (options.strict) checkStrict(plan, bytes, { cursor, complete })
  return {
    bytes: complete ? bytes : bytes.subarray(0, at),
    failure: plan.failure,
    followed: options.strict && !cursor.ended
  }
}

/** As `decodeFrameSteps`, at one go. */
export function decodeFrame(slices: readonly Uint8Array[], options: Lz4Options): DecodedFrame {
  const steps = decodeFrameSteps(slices, options)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

function allocate(size: number): Uint8Array {
  const buffer = Buffer.allocUnsafeSlow(size)
  return new Uint8Array(buffer.buffer, buffer.byteOffset, size)
}

function copyParts(parts: readonly Uint8Array[], target: Uint8Array, at: number): number {
  let offset = at
  for (const part of parts) {
    target.set(part, offset)
    offset += part.length
  }
  return offset
}

function* locateBlocks(cursor: SliceCursor, options: Lz4Options): Generator<undefined, Plan, undefined> {
  const header = readHeader(cursor)
  const plan: Plan = { header, blocks: [], size: 0, failure: undefined }
  let pauseAt = options.pauseBytes
  if (header === undefined) return plan
  for (;;) {
    const block = readBlock(cursor, header)
    if (block === undefined) return plan
    if (block instanceof ExecutionDataError) {
      plan.failure = block
      return plan
    }
    plan.size += block.size
    if (plan.size > options.maxOutputBytes) throw limitExceeded(options.outputLimit, plan.size, options.maxOutputBytes)
    if (plan.size > options.ratioFreeBytes && plan.size > options.maxRatio * cursor.position) {
      throw limitExceeded('maxRatio', Math.floor(plan.size / cursor.position), options.maxRatio)
    }
    plan.blocks.push(block)
    if (plan.blocks.length > options.maxFrameBlocks) {
      throw limitExceeded('maxFrameBlocks', plan.blocks.length, options.maxFrameBlocks)
    }
    if (plan.size < pauseAt) continue
    pauseAt = plan.size + options.pauseBytes
    yield
  }
}

/** `undefined` when the input ends before a frame begins. */
function readHeader(cursor: SliceCursor): Header | undefined {
  for (let skipped = 0; ; skipped += 1) {
    if (cursor.ended) return undefined
    const magic = cursor.word()
    if (magic === undefined) throw broken('the input ends within the magic number')
    if (magic === MAGIC) return readDescriptor(cursor)
    if (magic === LEGACY_MAGIC) {
      return {
        legacy: true,
        independent: true,
        blockChecksums: false,
        contentChecksum: false,
        contentSize: undefined,
        blockMax: LEGACY_BLOCK_MAX
      }
    }
    if (magic >>> 8 !== 0x184d2a) throw broken('not an LZ4 frame')
    if (skipped >= MAX_SKIPPABLE) throw broken(`more than ${MAX_SKIPPABLE} skippable frames`)
    const length = cursor.word()
    if (length === undefined || cursor.take(length) === undefined) return undefined
  }
}

function readDescriptor(cursor: SliceCursor): Header | undefined {
  if (cursor.ended) return undefined
  const fixed = cursor.take(2)
  if (fixed === undefined) throw broken('the input ends within the frame descriptor')
  const flags = concatBytes(fixed)
  const flg = flags[0] as number
  const bd = flags[1] as number
  const size = (flg & 8) === 0 ? [] : cursor.take(8)
  const checksum = size === undefined ? undefined : cursor.byte()
  if (size === undefined || checksum === undefined) throw broken('the input ends within the frame descriptor')
  const sizeBytes = concatBytes(size)
  if (((xxh32(concatBytes([flags, sizeBytes])) >>> 8) & 255) !== checksum) throw broken('wrong header checksum')
  const blockMax = BLOCK_MAX[((bd >>> 4) & 7) - 4]
  if (blockMax === undefined) throw broken('block size code that is not defined')
  return {
    legacy: false,
    independent: (flg & 32) !== 0,
    blockChecksums: (flg & 16) !== 0,
    contentChecksum: (flg & 4) !== 0,
    contentSize: sizeBytes.length === 0 ? undefined : littleEndian(sizeBytes),
    blockMax
  }
}

function littleEndian(bytes: Uint8Array): number {
  let value = 0
  for (let i = bytes.length - 1; i >= 0; i -= 1) value = value * 256 + (bytes[i] as number)
  return value
}

/** The next block, `undefined` at the end mark, or what is wrong with it. */
function readBlock(cursor: SliceCursor, header: Header): Block | ExecutionDataError | undefined {
  if (header.legacy && cursor.ended) return undefined
  const word = cursor.word()
  if (word === undefined) return broken('the input ends without an end mark')
  if (word === 0 && !header.legacy) return undefined
  const stored = !header.legacy && word >>> 31 === 1
  const length = header.legacy ? word : word & 0x7fffffff
  if (length > header.blockMax) return broken('a block is larger than the frame allows')
  const parts = cursor.take(length)
  if (parts === undefined) return broken('the input ends within a block')
  const joined = parts.length === 1 || stored ? parts : [concatBytes(parts, length)]
  if (header.blockChecksums) {
    const expected = cursor.word()
    if (expected === undefined) return broken('the input ends within a block checksum')
    if (expected !== xxh32(joined.length === 1 ? (joined[0] as Uint8Array) : concatBytes(joined, length))) {
      return broken('wrong block checksum')
    }
  }
  const size = stored ? length : measureBlock(joined[0] as Uint8Array, header.blockMax)
  return size < 0 ? broken('a block does not decompress') : { parts: joined, stored, size }
}

function checkStrict(plan: Plan, bytes: Uint8Array, state: { cursor: SliceCursor; complete: boolean }): void {
  if (plan.failure !== undefined) throw plan.failure
  const { header } = plan
  if (header === undefined) throw broken('no frame')
  if (header.contentSize !== undefined && header.contentSize !== bytes.length) throw broken('wrong content size')
  if (header.contentChecksum && state.cursor.word() !== xxh32(bytes)) throw broken('wrong content checksum')
}
