import type { BlobCid, DigestKey } from '../../model/index.ts'
import { RECORD_HEADER_LENGTH } from './format.ts'
import type { Checkpoint, DeadSpace, Location, SegmentIndex } from './index-space.ts'

/** Where the next record will be written. */
export interface WritePosition {
  readonly segment: number
  readonly offset: number
}

const NOTHING: DeadSpace = { bytes: 0, records: 0 }

/**
 * What is stored where, how much it is and how much of the segments is dead: the index, and in front of it the durable
 * records that are not in it yet. Changed by one loop only; read by anyone.
 */
export class Ledger {
  readonly #index: SegmentIndex
  readonly #unindexed = new Map<DigestKey, readonly [BlobCid, Location]>()
  readonly #dead: Map<number, DeadSpace>
  readonly #changedDead = new Set<number>()
  #unindexedBytes = 0
  #count: number
  #bytes: number
  #deadBytes = 0

  private constructor(index: SegmentIndex, checkpoint: Checkpoint | undefined, dead: Map<number, DeadSpace>) {
    this.#index = index
    this.#count = checkpoint?.count ?? 0
    this.#bytes = checkpoint?.bytes ?? 0
    this.#dead = dead
    for (const { bytes } of dead.values()) this.#deadBytes += bytes
  }

  static async open(index: SegmentIndex, checkpoint: Checkpoint | undefined): Promise<Ledger> {
    return new Ledger(index, checkpoint, await index.deadSpace())
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

  deadOf(segment: number): DeadSpace {
    return this.#dead.get(segment) ?? NOTHING
  }

  async locate(cid: BlobCid): Promise<Location | undefined> {
    return this.#unindexed.get(cid.key)?.[1] ?? this.#index.locate(cid)
  }

  /** CIDs of durable blobs, each once. */
  async *cids(): AsyncGenerator<BlobCid> {
    const fresh = new Map(this.#unindexed)
    for (const [cid] of fresh.values()) yield cid
    for await (const cid of this.#index.cids()) if (!fresh.has(cid.key)) yield cid
  }

  /** A durable record. `replaced` is where the blob was until now; that record is dead from here on. */
  add(cid: BlobCid, location: Location, replaced: Location | undefined): void {
    this.#unindexed.set(cid.key, [cid, location])
    this.#unindexedBytes += RECORD_HEADER_LENGTH + location.length
    if (replaced === undefined) {
      this.#count += 1
      this.#bytes += location.length
    } else {
      this.bury(replaced)
    }
  }

  /** A record that nothing points to. */
  bury(location: Location): void {
    this.#setDead(location.segment, plus(this.deadOf(location.segment), location))
    this.#changedDead.add(location.segment)
  }

  /**
   * Writes what is not indexed yet and takes the given blobs out, all in one synced batch. When it rejects nothing has
   * changed. Everything before `position` must be durable.
   */
  async write(position: WritePosition, removed: ReadonlyMap<BlobCid, Location> = new Map()): Promise<void> {
    const dead = new Map([...this.#changedDead].map((number) => [number, this.deadOf(number)] as const))
    let removedBytes = 0
    for (const location of removed.values()) {
      dead.set(location.segment, plus(dead.get(location.segment) ?? this.deadOf(location.segment), location))
      removedBytes += location.length
    }
    const gone = new Set([...removed.keys()].map((cid) => cid.key))
    const added = [...this.#unindexed.values()].filter(([cid]) => !gone.has(cid.key))
    const count = this.#count - removed.size
    const bytes = this.#bytes - removedBytes
    await this.#index.write({ added, removed: removed.keys(), dead, checkpoint: { ...position, count, bytes } })
    this.#unindexed.clear()
    this.#unindexedBytes = 0
    this.#changedDead.clear()
    for (const [number, space] of dead) this.#setDead(number, space)
    this.#count = count
    this.#bytes = bytes
  }

  #setDead(segment: number, space: DeadSpace): void {
    this.#deadBytes += space.bytes - this.deadOf(segment).bytes
    this.#dead.set(segment, space)
  }
}

function plus(dead: DeadSpace, location: Location): DeadSpace {
  return { bytes: dead.bytes + RECORD_HEADER_LENGTH + location.length, records: dead.records + 1 }
}
