import type { BlobCid, DigestKey } from '../../model/index.ts'
import { Answers } from './answers.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH } from './format.ts'
import type { Checkpoint, Location, SegmentIndex, SegmentSpace } from './index-space.ts'

/** Where the next record will be written. */
export interface WritePosition {
  readonly segment: number
  readonly offset: number
}

interface Question {
  readonly cids: Map<DigestKey, BlobCid>
  readonly answers: Promise<ReadonlyMap<DigestKey, Location | undefined>>
}

const NOTHING: SegmentSpace = { liveBytes: 0, liveRecords: 0, end: SEGMENT_HEADER_LENGTH }

/** Bytes of a segment that nothing points to: dead records, and stretches that are no records. */
export const deadBytesOf = ({ liveBytes, end }: SegmentSpace): number => end - SEGMENT_HEADER_LENGTH - liveBytes

/**
 * What is stored where, how much it is and what each segment holds of it: the index, and in front of it the durable
 * records that are not in it yet. Changed by one loop only; read by anyone.
 */
export class Ledger {
  readonly #index: SegmentIndex
  readonly #answers = new Answers()
  /** What the next read of the index is to answer. */
  #question: Question | undefined
  readonly #unindexed = new Map<DigestKey, readonly [BlobCid, Location]>()
  readonly #segments: Map<number, SegmentSpace>
  /** Segments whose entry in the index is not the one here. */
  readonly #changed = new Set<number>()
  #unindexedBytes = 0
  #count: number
  #bytes: number
  #deadBytes = 0

  private constructor(index: SegmentIndex, checkpoint: Checkpoint | undefined, segments: Map<number, SegmentSpace>) {
    this.#index = index
    this.#count = checkpoint?.count ?? 0
    this.#bytes = checkpoint?.bytes ?? 0
    this.#segments = segments
    for (const held of segments.values()) this.#deadBytes += deadBytesOf(held)
  }

  static async open(index: SegmentIndex, checkpoint: Checkpoint | undefined): Promise<Ledger> {
    return new Ledger(index, checkpoint, await index.segments())
  }

  get count(): number {
    return this.#count
  }

  /** Sum of the lengths of the blobs. */
  get bytes(): number {
    return this.#bytes
  }

  get deadBytes(): number {
    return this.#deadBytes
  }

  get unindexed(): number {
    return this.#unindexed.size
  }

  /** Bytes of the records that the next opening would have to scan if the process died now. */
  get unindexedBytes(): number {
    return this.#unindexedBytes
  }

  /** Whether the index is not what is known here. */
  get isAhead(): boolean {
    return this.#unindexed.size > 0 || this.#changed.size > 0
  }

  /** What each segment holds. */
  get segments(): ReadonlyMap<number, SegmentSpace> {
    return this.#segments
  }

  locate(cid: BlobCid): Promise<Location | undefined> {
    if (this.isKnown(cid)) return Promise.resolve(this.located(cid))
    return this.#ask([cid]).then((answers) => this.located(cid) ?? answers.get(cid.key))
  }

  /** Whether `located` is the whole answer: the index need not be asked. */
  isKnown({ key }: BlobCid): boolean {
    return this.#unindexed.has(key) || this.#answers.has(key)
  }

  /** As `locate`, as far as it is in memory; `undefined` where the index has to be asked. */
  located({ key }: BlobCid): Location | undefined {
    return this.#unindexed.get(key)?.[1] ?? this.#answers.get(key)
  }

  /** As `locate` for each: of thousands, a promise for each would cost more than the read. */
  async locateMany(cids: readonly BlobCid[]): Promise<(Location | undefined)[]> {
    const found = cids.map((cid) => this.located(cid))
    const asked = cids.filter((cid) => !this.isKnown(cid))
    if (asked.length === 0) return found
    const answers = await this.#ask(asked)
    return cids.map(({ key }, at) => found[at] ?? answers.get(key))
  }

  /** One read of the index answers all that is asked in a row: each is a job in another thread. */
  #ask(asked: readonly BlobCid[]): Question['answers'] {
    this.#question ??= this.#read()
    const { answers, cids } = this.#question
    for (const cid of asked) cids.set(cid.key, cid)
    return answers
  }

  #read(): Question {
    const cids = new Map<DigestKey, BlobCid>()
    const read = async (): Promise<Map<DigestKey, Location | undefined>> => {
      await Promise.resolve()
      this.#question = undefined
      const { writes } = this.#answers
      const found = await this.#index.locateMany([...cids.values()])
      const answers = new Map([...cids.keys()].map((key, at) => [key, found[at]]))
      for (const [key, location] of answers) this.#answers.keep(key, location, writes)
      return answers
    }
    return { cids, answers: read() }
  }

  /** CIDs of durable blobs, each once. */
  async *cids(): AsyncGenerator<BlobCid> {
    const fresh = new Map(this.#unindexed)
    for (const [cid] of fresh.values()) yield cid
    for await (const cid of this.#index.cids()) if (!fresh.has(cid.key)) yield cid
  }

  /** The first `limit` CIDs of durable blobs behind a digest, in the order of the digests. */
  async cidsAfter(digest: Uint8Array | undefined, limit: number): Promise<BlobCid[]> {
    // Before the index is read: what is written to it meanwhile is in both, never in neither.
    const found = new Map<DigestKey, BlobCid>()
    for (const [key, [cid]] of this.#unindexed) {
      if (digest === undefined || Buffer.compare(cid.digest, digest) > 0) found.set(key, cid)
    }
    let indexed = 0
    for await (const [cid] of this.indexed(digest === undefined ? undefined : Uint8Array.of(...digest, 0))) {
      found.set(cid.key, cid)
      indexed += 1
      if (indexed === limit) break
    }
    return [...found.values()].sort((a, b) => Buffer.compare(a.digest, b.digest)).slice(0, limit)
  }

  /** Places in the index, in the order of the digests, from a digest on. */
  indexed(from?: Uint8Array): AsyncIterable<readonly [BlobCid, Location]> {
    return this.#index.places(from)
  }

  /** A durable record. `replaced` is where the blob was until now; that record is dead from here on. */
  add(cid: BlobCid, location: Location, replaced: Location | undefined): void {
    this.#unindexed.set(cid.key, [cid, location])
    this.#unindexedBytes += recordBytes(location)
    this.#set(location.segment, plus(this.#spaceOf(location.segment), location))
    if (replaced === undefined) {
      this.#count += 1
      this.#bytes += location.length
    } else {
      this.#set(replaced.segment, minus(this.#spaceOf(replaced.segment), replaced))
    }
  }

  /** The segment's file is gone, or is no longer looked at. Nothing may be live in it. */
  retire(segment: number): void {
    this.#set(segment, undefined)
  }

  /** Nothing in the index points into the segment, whatever the sums say: they may be off where entries were damaged. */
  settle(segment: number): void {
    const held = this.#segments.get(segment)
    if (held !== undefined) this.#set(segment, { liveBytes: 0, liveRecords: 0, end: held.end })
  }

  /** The segment's file ends here: no record behind it is live any more. */
  limit(segment: number, end: number): void {
    const held = this.#segments.get(segment)
    if (held !== undefined && end < held.end) this.#set(segment, { ...held, end: Math.max(end, SEGMENT_HEADER_LENGTH) })
  }

  /**
   * Writes what is not indexed yet and takes the given blobs out, all in one synced batch. When it rejects nothing has
   * changed. Everything before `position` must be durable.
   */
  async write(position: WritePosition, removed: ReadonlyMap<BlobCid, Location> = new Map()): Promise<void> {
    const segments = new Map([...this.#changed].map((number) => [number, this.#segments.get(number)] as const))
    let removedBytes = 0
    for (const location of removed.values()) {
      const { segment } = location
      segments.set(segment, minus(segments.get(segment) ?? this.#spaceOf(segment), location))
      removedBytes += location.length
    }
    const gone = new Set([...removed.keys()].map((cid) => cid.key))
    const added = [...this.#unindexed.values()].filter(([cid]) => !gone.has(cid.key))
    const count = this.#count - removed.size
    const bytes = this.#bytes - removedBytes
    const checkpoint = { ...position, count, bytes }
    const changing = [...gone, ...added.map(([{ key }]) => key)]
    this.#answers.changing(changing)
    try {
      await this.#index.write({ added, removed: removed.keys(), segments, checkpoint })
    } finally {
      this.#answers.changing(changing)
    }
    this.#unindexed.clear()
    this.#unindexedBytes = 0
    for (const [number, held] of segments) this.#set(number, held)
    this.#changed.clear()
    this.#count = count
    this.#bytes = bytes
  }

  #spaceOf(segment: number): SegmentSpace {
    return this.#segments.get(segment) ?? NOTHING
  }

  #set(segment: number, held: SegmentSpace | undefined): void {
    this.#deadBytes += deadBytesOf(held ?? NOTHING) - deadBytesOf(this.#spaceOf(segment))
    if (held === undefined) this.#segments.delete(segment)
    else this.#segments.set(segment, held)
    this.#changed.add(segment)
  }
}

const recordBytes = ({ length }: Location): number => RECORD_HEADER_LENGTH + length

function plus(held: SegmentSpace, location: Location): SegmentSpace {
  const bytes = recordBytes(location)
  return {
    liveBytes: held.liveBytes + bytes,
    liveRecords: held.liveRecords + 1,
    end: Math.max(held.end, location.offset + bytes)
  }
}

/** Never below nothing: an index entry that was damaged may claim a length that its segment does not have. */
function minus(held: SegmentSpace, location: Location): SegmentSpace {
  return {
    liveBytes: Math.max(0, held.liveBytes - recordBytes(location)),
    liveRecords: Math.max(0, held.liveRecords - 1),
    end: held.end
  }
}
