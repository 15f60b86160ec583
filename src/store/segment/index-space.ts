import { BlobCid, DIGEST_LENGTH } from '../../model/index.ts'
import { StoreError } from '../errors.ts'
import type { KeyValueOperation, KeyValueSpace } from '../key-value.ts'

/**
 * The index of the segments in its key-value space, integers big-endian.
 *
 * ```
 * 'c'                 the checkpoint: segment u32, offset u32, count u64, bytes u64
 * 'd' ‖ digest 32     where the record is: segment u32, offset u32, length u32
 * 's' ‖ segment u32   what is live in a segment: bytes of records u64, records u32, and where its last record ends u32
 * ```
 *
 * The index follows the segments and is written now and then, in synced batches that carry the checkpoint: every record
 * before it is indexed or dead. What lies behind is found by a scan.
 */
export interface Location {
  readonly segment: number
  readonly offset: number
  readonly length: number
}

/**
 * The place of a blob whose entry is no place: there is never a segment 0. So it is found damaged like an entry that points
 * somewhere else: by whoever reads the blob next, who drops the entry and has the blob fetched again.
 */
const NOWHERE: Location = Object.freeze({ segment: 0, offset: 0, length: 0 })

const LOCATION_LENGTH = 12

export interface Checkpoint {
  readonly segment: number
  /** Where the next record of that segment begins. */
  readonly offset: number
  readonly count: number
  readonly bytes: number
}

/** What a segment holds; what is neither its head nor live is dead, damaged stretches included. */
export interface SegmentSpace {
  /** Bytes of live records, their heads included. */
  readonly liveBytes: number
  readonly liveRecords: number
  /** Where the last record that was ever indexed ends; a file that is shorter has lost something. */
  readonly end: number
}

const CHECKPOINT_KEY = Buffer.from('c', 'latin1')
const DIGEST_TAG = 0x64
const SEGMENT_TAG = 0x73

/** The entries of all segments. */
export const SEGMENT_ENTRIES = { gte: Uint8Array.of(SEGMENT_TAG), lt: Uint8Array.of(SEGMENT_TAG + 1) } as const

export class SegmentIndex {
  readonly #space: KeyValueSpace

  constructor(space: KeyValueSpace) {
    this.#space = space
  }

  /** Where each record is, in one read of the database. */
  async locateMany(cids: readonly BlobCid[]): Promise<(Location | undefined)[]> {
    const values = await this.#space.getMany(cids.map(digestKeyBytes))
    return values.map((value) => (value === undefined ? undefined : decodeLocation(value)))
  }

  async checkpoint(): Promise<Checkpoint | undefined> {
    const value = await this.#space.get(CHECKPOINT_KEY)
    if (value === undefined) return undefined
    const view = viewOf(value, 24, 'the checkpoint')
    return {
      segment: view.getUint32(0),
      offset: view.getUint32(4),
      count: Number(view.getBigUint64(8)),
      bytes: Number(view.getBigUint64(16))
    }
  }

  /** What each segment holds. One entry a segment, so this stays small. */
  async segments(): Promise<Map<number, SegmentSpace>> {
    const segments = new Map<number, SegmentSpace>()
    for await (const [key, value] of this.#space.entries(SEGMENT_ENTRIES)) {
      const view = viewOf(value, 16, 'a segment')
      const number = viewOf(key, 5, 'a segment').getUint32(1)
      segments.set(number, {
        liveBytes: Number(view.getBigUint64(0)),
        liveRecords: view.getUint32(8),
        end: view.getUint32(12)
      })
    }
    return segments
  }

  /** Every place, in the order of the digests, from a digest on. */
  async *places(from: Uint8Array = new Uint8Array(0)): AsyncGenerator<readonly [BlobCid, Location]> {
    const start = new Uint8Array(1 + from.length)
    start[0] = DIGEST_TAG
    start.set(from, 1)
    for await (const [key, value] of this.#space.entries({ gte: start, lt: Uint8Array.of(DIGEST_TAG + 1) })) {
      if (key.length === DIGEST_LENGTH + 1) yield [BlobCid.fromDigest(key.subarray(1)), decodeLocation(value)]
    }
  }

  async *cids(): AsyncGenerator<BlobCid> {
    for await (const [cid] of this.places()) yield cid
  }

  async write(change: {
    readonly added: Iterable<readonly [BlobCid, Location]>
    readonly removed: Iterable<BlobCid>
    /** `undefined` for a segment that is no more. */
    readonly segments: Iterable<readonly [number, SegmentSpace | undefined]>
    readonly checkpoint: Checkpoint
  }): Promise<void> {
    const operations: KeyValueOperation[] = []
    for (const [cid, location] of change.added) {
      operations.push({ type: 'put', key: digestKeyBytes(cid), value: encodeLocation(location) })
    }
    for (const cid of change.removed) operations.push({ type: 'del', key: digestKeyBytes(cid) })
    for (const [number, held] of change.segments) {
      const key = segmentKey(number)
      operations.push(held === undefined ? { type: 'del', key } : { type: 'put', key, value: encodeSpace(held) })
    }
    operations.push({ type: 'put', key: CHECKPOINT_KEY, value: encodeCheckpoint(change.checkpoint) })
    await this.#space.batch(operations, { sync: true })
  }
}

function digestKeyBytes(cid: BlobCid): Uint8Array {
  const key = new Uint8Array(DIGEST_LENGTH + 1)
  key[0] = DIGEST_TAG
  key.set(cid.digest, 1)
  return key
}

function encodeLocation({ segment, offset, length }: Location): Uint8Array {
  const value = new Uint8Array(LOCATION_LENGTH)
  const view = new DataView(value.buffer)
  view.setUint32(0, segment)
  view.setUint32(4, offset)
  view.setUint32(8, length)
  return value
}

function decodeLocation(value: Uint8Array): Location {
  if (value.length !== LOCATION_LENGTH) return NOWHERE
  const view = viewOf(value, LOCATION_LENGTH, 'a blob')
  return { segment: view.getUint32(0), offset: view.getUint32(4), length: view.getUint32(8) }
}

function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const value = new Uint8Array(24)
  const view = new DataView(value.buffer)
  view.setUint32(0, checkpoint.segment)
  view.setUint32(4, checkpoint.offset)
  view.setBigUint64(8, BigInt(checkpoint.count))
  view.setBigUint64(16, BigInt(checkpoint.bytes))
  return value
}

export function segmentKey(number: number): Uint8Array {
  const key = new Uint8Array(5)
  key[0] = SEGMENT_TAG
  new DataView(key.buffer).setUint32(1, number)
  return key
}

export function encodeSpace(held: SegmentSpace): Uint8Array {
  const value = new Uint8Array(16)
  const view = new DataView(value.buffer)
  view.setBigUint64(0, BigInt(held.liveBytes))
  view.setUint32(8, held.liveRecords)
  view.setUint32(12, held.end)
  return value
}

function viewOf(bytes: Uint8Array, length: number, what: string): DataView {
  if (bytes.length !== length) {
    throw new StoreError('corrupt', `the index entry of ${what} has ${bytes.length} bytes, not ${length}`)
  }
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
