import {
  type BlobCid,
  type BlockId,
  BlobCid as Cid,
  DIGEST_LENGTH,
  type ExecutionDataId,
  type Height
} from '../model/index.ts'
import { toHex } from '../util/index.ts'
import { TrackerError } from './errors.ts'
import type { TrackedBlock } from './tracker.ts'

/**
 * The tracker's records, integers big-endian so that keys sort by height.
 *
 * ```
 * 01 02                            pruned height u64
 * 01 03                            a sweep under way: to which height u64, how many heights u64, phase u8, the key where it goes on
 * 01 04                            a sweep that came to its end: to which height u64
 * 02 ‖ digest 32 ‖ height u64      this height refers to this blob, which several do; the last of a blob's is its latest
 * 03 ‖ height u64 ‖ part u32       digests of the height's blobs, up to 1,024 a part
 * 04 ‖ height u64                  block id 32 ‖ execution data id 32 ‖ when it was tracked, Unix ms u64
 * 05 ‖ block id 32                 height u64
 * 06 ‖ digest 32                   a blob that may be nobody's any more: when that was seen, Unix ms u64
 * 07 ‖ digest 32                   the only height that refers to this blob, u64; or nothing: see its records 02
 * ```
 *
 * flow-go (`module/executiondatasync/tracker/storage.go`) keeps one latest height per blob and nothing else: that cannot be lowered
 * again when a height's block is replaced.
 */
const HEIGHT_LENGTH = 8
const DIGESTS_PER_PART = 1024
const BLOCK_LENGTH = 64 + HEIGHT_LENGTH

export const PRUNED_KEY = Uint8Array.of(1, 2)
export const SWEEP_KEY = Uint8Array.of(1, 3)
export const SWEPT_KEY = Uint8Array.of(1, 4)

const SWEEP_PHASES = ['owners', 'references', 'lists', 'blocks'] as const
const SWEEP_HEAD = 2 * HEIGHT_LENGTH + 1

/** Where a sweep stands. */
export interface SweepRecord {
  readonly to: Height
  readonly heights: number
  readonly phase: (typeof SWEEP_PHASES)[number]
  /** The first key that it has not looked at. */
  readonly from: Uint8Array
}

export function encodeSweep({ to, heights, phase, from }: SweepRecord): Uint8Array {
  const bytes = new Uint8Array(SWEEP_HEAD + from.length)
  bytes.set(heightBytes(to))
  bytes.set(heightBytes(heights), HEIGHT_LENGTH)
  bytes[SWEEP_HEAD - 1] = SWEEP_PHASES.indexOf(phase)
  bytes.set(from, SWEEP_HEAD)
  return bytes
}

export function decodeSweep(bytes: Uint8Array): SweepRecord {
  const phase = SWEEP_PHASES[bytes[SWEEP_HEAD - 1] ?? SWEEP_PHASES.length]
  if (phase === undefined) throw corrupt('a sweep', bytes)
  return { to: readHeight(bytes), heights: readHeight(bytes, HEIGHT_LENGTH), phase, from: bytes.slice(SWEEP_HEAD) }
}

export function heightBytes(height: Height): Uint8Array {
  const bytes = new Uint8Array(HEIGHT_LENGTH)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(height))
  return bytes
}

export function readHeight(bytes: Uint8Array, at = 0): Height {
  if (bytes.length < at + HEIGHT_LENGTH) throw corrupt('a height', bytes)
  const height = Number(new DataView(bytes.buffer, bytes.byteOffset + at, HEIGHT_LENGTH).getBigUint64(0))
  if (!Number.isSafeInteger(height)) throw corrupt('a height', bytes)
  return height
}

export function referenceKey(cid: BlobCid, height: Height): Uint8Array {
  return key(2, cid.digest, heightBytes(height))
}

export const ownerKey = (cid: BlobCid): Uint8Array => key(7, cid.digest)

/** Owners of all blobs. */
export const ALL_OWNERS = { gte: Uint8Array.of(7), lt: Uint8Array.of(8) } as const

export const cidOfOwner = (ownerRecordKey: Uint8Array): BlobCid => Cid.fromDigest(ownerRecordKey.subarray(1))

/** All references to a blob that several heights refer to. */
export function referencesOf(cid: BlobCid): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: key(2, cid.digest), lt: key(2, cid.digest, new Uint8Array(HEIGHT_LENGTH + 1).fill(255)) }
}

export const heightOfReference = (reference: Uint8Array): Height => readHeight(reference, 1 + DIGEST_LENGTH)

export function listKey(height: Height, part: number): Uint8Array {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, part)
  return key(3, heightBytes(height), number)
}

/** All parts of a height's list. */
export function listOf(height: Height): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: key(3, heightBytes(height)), lt: key(3, heightBytes(height + 1)) }
}

export const heightOfList = (listRecordKey: Uint8Array): Height => readHeight(listRecordKey, 1)

/** Behind the last list of a height. */
export const listsEnd = (height: Height): Uint8Array => key(3, heightBytes(height + 1))

/** All references to a blob from heights above one. */
export function referencesAbove(cid: BlobCid, height: Height): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { ...referencesOf(cid), gte: referenceKey(cid, height + 1) }
}

/** All references to all such blobs. */
export const ALL_REFERENCES = { gte: Uint8Array.of(2), lt: Uint8Array.of(3) } as const

export const cidOfReference = (reference: Uint8Array): BlobCid =>
  Cid.fromDigest(reference.subarray(1, 1 + DIGEST_LENGTH))

/** All blobs that may be nobody's. */
export const LOOSE = { gte: Uint8Array.of(6), lt: Uint8Array.of(7) } as const

export const looseKey = (cid: BlobCid): Uint8Array => key(6, cid.digest)

export const looseCid = (looseRecordKey: Uint8Array): BlobCid => Cid.fromDigest(looseRecordKey.subarray(1))

/** The values of a height's list, in the order of their parts. */
export function encodeList(cids: readonly BlobCid[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0; at < cids.length; at += DIGESTS_PER_PART) {
    const slice = cids.slice(at, at + DIGESTS_PER_PART)
    const part = new Uint8Array(slice.length * DIGEST_LENGTH)
    slice.forEach((cid, index) => part.set(cid.digest, index * DIGEST_LENGTH))
    parts.push(part)
  }
  return parts
}

export function decodeListPart(value: Uint8Array): BlobCid[] {
  if (value.length % DIGEST_LENGTH !== 0) throw corrupt('a list of blobs', value)
  return Array.from({ length: value.length / DIGEST_LENGTH }, (_, at) =>
    Cid.fromDigest(value.subarray(at * DIGEST_LENGTH, (at + 1) * DIGEST_LENGTH))
  )
}

export const blockKey = (height: Height): Uint8Array => key(4, heightBytes(height))

/** Blocks of [from, to]. */
export function blocksBetween(from: Height, to: Height): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: blockKey(from), lt: key(4, heightBytes(to), new Uint8Array(1)) }
}

/** Blocks of all heights. */
export const ALL_BLOCKS = { gte: Uint8Array.of(4), lt: Uint8Array.of(5) } as const

export const heightOfBlock = (blockRecordKey: Uint8Array): Height => readHeight(blockRecordKey, 1)

export function encodeBlock(block: TrackedBlock): Uint8Array {
  const ids = Buffer.from(block.blockId + block.executionDataId, 'hex')
  return new Uint8Array(Buffer.concat([ids, heightBytes(block.trackedAtMs)]))
}

export function decodeBlock(height: Height, value: Uint8Array): TrackedBlock {
  if (value.length !== BLOCK_LENGTH) throw corrupt('a block', value)
  return {
    height,
    blockId: toHex(value.subarray(0, 32)) as BlockId,
    executionDataId: toHex(value.subarray(32, 64)) as ExecutionDataId,
    trackedAtMs: readHeight(value, 64)
  }
}

export const blockIdKey = (blockId: BlockId): Uint8Array => key(5, Buffer.from(blockId, 'hex'))

function key(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 1
  for (const part of parts) length += part.length
  const bytes = new Uint8Array(length)
  bytes[0] = tag
  let at = 1
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

function corrupt(what: string, bytes: Uint8Array): TrackerError {
  return new TrackerError('corrupt', `the tracker's record of ${what} is damaged (${bytes.length} bytes)`)
}
