import type { BlobCid, BlockId, Height, SealedBlock } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import type { Clock } from '../util/index.ts'
import { TrackerError } from './errors.ts'
import type { TrackerMetrics } from './metrics.ts'
import { defaultTrackerOptions, type TrackerOptions } from './options.ts'
import {
  ALL_BLOCKS,
  blockIdKey,
  blockKey,
  blocksBetween,
  decodeBlock,
  decodeListPart,
  encodeBlock,
  encodeList,
  heightBytes,
  heightOfBlock,
  heightOfReference,
  listKey,
  listOf,
  PRUNED_KEY,
  readHeight,
  referenceKey,
  referencesOf
} from './records.ts'
import type { TrackedBlock, Tracker } from './tracker.ts'

export interface LevelTrackerComponents {
  /** Where the records live; nothing else may. */
  readonly space: KeyValueSpace
  readonly clock: Clock
  readonly metrics: TrackerMetrics
}

interface Job {
  readonly block: SealedBlock
  readonly cids: readonly BlobCid[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Change {
  readonly result: 'new' | 'replaced'
  readonly operations: readonly KeyValueOperation[]
}

interface Bounds {
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  readonly prunedTo: Height | undefined
}

/**
 * The tracker over a key-value space (records in `records.ts`).
 *
 * What comes while a batch is being written is written together in the next: one sync for as many heights as wait.
 *
 * Invariants: a height is tracked wholly or not at all, since all its records are in one synced batch; one group is written at a
 * time and has a height once, so that what a job has read no other can change; a blob's references are exactly the tracked
 * heights that list it.
 */
export class LevelTracker implements Tracker {
  readonly #components: LevelTrackerComponents
  readonly #options: TrackerOptions
  #bounds: Bounds
  /** Bounded by whoever calls: a requester has as many heights in work as it has slots. */
  readonly #waiting: Job[] = []
  #writing = false

  private constructor(components: LevelTrackerComponents, options: TrackerOptions, bounds: Bounds) {
    this.#components = components
    this.#options = options
    this.#bounds = bounds
    this.#publish()
  }

  /** Reads the bounds. Throws TrackerError `corrupt`, and what the space throws. */
  static async open(components: LevelTrackerComponents, options: Partial<TrackerOptions> = {}): Promise<LevelTracker> {
    const pruned = await components.space.get(PRUNED_KEY)
    const bounds = {
      lowest: await edge(components.space, false),
      highest: await edge(components.space, true),
      prunedTo: pruned === undefined ? undefined : readHeight(pruned)
    }
    return new LevelTracker(components, { ...defaultTrackerOptions, ...options }, bounds)
  }

  get lowest(): Height | undefined {
    return this.#bounds.lowest
  }

  get highest(): Height | undefined {
    return this.#bounds.highest
  }

  get prunedTo(): Height | undefined {
    return this.#bounds.prunedTo
  }

  /** Rejects with TrackerError `too-many-cids`, and with what the space throws; nothing has changed then. */
  track(block: SealedBlock, cids: readonly BlobCid[]): Promise<void> {
    const unique = [...new Map(cids.map((cid) => [cid.key, cid])).values()]
    const { maxCidsPerBlock } = this.#options
    if (unique.length > maxCidsPerBlock) {
      const what = `block ${block.blockId} at height ${block.height} has ${unique.length} blobs`
      return Promise.reject(new TrackerError('too-many-cids', `${what}, more than ${maxCidsPerBlock}`))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ block, cids: unique, resolve, reject })
      if (!this.#writing) void this.#writeGroups()
    })
  }

  async isTracked(height: Height): Promise<boolean> {
    return (await this.#components.space.get(blockKey(height))) !== undefined
  }

  async blockAt(height: Height): Promise<TrackedBlock | undefined> {
    const value = await this.#components.space.get(blockKey(height))
    return value === undefined ? undefined : decodeBlock(height, value)
  }

  async blockById(blockId: BlockId): Promise<TrackedBlock | undefined> {
    const value = await this.#components.space.get(blockIdKey(blockId))
    if (value === undefined) return undefined
    const block = await this.blockAt(readHeight(value))
    // Replaced between the two reads.
    return block?.blockId === blockId ? block : undefined
  }

  async *cidsAt(height: Height): AsyncGenerator<BlobCid> {
    for await (const [, value] of this.#components.space.entries(listOf(height))) yield* decodeListPart(value)
  }

  async *blocks(from: Height, to: Height): AsyncGenerator<TrackedBlock> {
    if (from > to) return
    for await (const [key, value] of this.#components.space.entries(blocksBetween(from, to))) {
      yield decodeBlock(heightOfBlock(key), value)
    }
  }

  async latestHeightOf(cid: BlobCid): Promise<Height | undefined> {
    const last = { ...referencesOf(cid), reverse: true, limit: 1 }
    for await (const [key] of this.#components.space.entries(last)) return heightOfReference(key)
    return undefined
  }

  async #writeGroups(): Promise<void> {
    this.#writing = true
    for (let group = this.#takeGroup(); group.length > 0; group = this.#takeGroup()) await this.#write(group)
    this.#writing = false
  }

  /** What waits, up to `maxGroupCids` and each height once. */
  #takeGroup(): Job[] {
    const heights = new Set<Height>()
    let cids = 0
    let taken = 0
    for (const job of this.#waiting) {
      cids += job.cids.length
      if (heights.has(job.block.height) || (taken > 0 && cids > this.#options.maxGroupCids)) break
      heights.add(job.block.height)
      taken += 1
    }
    return this.#waiting.splice(0, taken)
  }

  async #write(group: readonly Job[]): Promise<void> {
    const { clock, metrics, space } = this.#components
    const startedAt = clock.now()
    try {
      const before = await this.#blocksAt(group.map(({ block }) => block.height))
      const changes = await Promise.all(group.map((job, at) => this.#changeOf(job, before[at])))
      const operations = changes.flatMap((change) => change?.operations ?? [])
      if (operations.length > 0) await space.batch(operations, { sync: true })
      for (const [at, { block }] of group.entries()) {
        const change = changes[at]
        metrics.tracked.inc({ result: change?.result ?? 'repeated' })
        if (change === undefined) continue
        this.#extend(block.height)
        metrics.trackSeconds.observe((clock.now() - startedAt) / 1000)
      }
      for (const { resolve } of group) resolve()
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  /** What tracking the block changes; `undefined` when it is tracked just so. */
  async #changeOf({ block, cids }: Job, before: TrackedBlock | undefined): Promise<Change | undefined> {
    if (before === undefined) return { result: 'new', operations: insertion(block, cids) }
    const listed = await this.#listAt(block.height)
    if (isSame(before, block) && isSameSet(listed, cids)) return undefined
    return { result: 'replaced', operations: [...removal(before, listed), ...insertion(block, cids)] }
  }

  async #blocksAt(heights: readonly Height[]): Promise<(TrackedBlock | undefined)[]> {
    const values = await this.#components.space.getMany(heights.map(blockKey))
    return values.map((value, at) => (value === undefined ? undefined : decodeBlock(heights[at] as Height, value)))
  }

  async #listAt(height: Height): Promise<BlobCid[]> {
    const cids: BlobCid[] = []
    for await (const cid of this.cidsAt(height)) cids.push(cid)
    return cids
  }

  #extend(height: Height): void {
    const { lowest = height, highest = height, prunedTo } = this.#bounds
    this.#bounds = { lowest: Math.min(lowest, height), highest: Math.max(highest, height), prunedTo }
    this.#publish()
  }

  #publish(): void {
    const { lowest, highest } = this.#bounds
    if (lowest !== undefined) this.#components.metrics.lowestHeight.set(lowest)
    if (highest !== undefined) this.#components.metrics.highestHeight.set(highest)
  }
}

async function edge(space: KeyValueSpace, reverse: boolean): Promise<Height | undefined> {
  for await (const [key] of space.entries({ ...ALL_BLOCKS, reverse, limit: 1 })) return heightOfBlock(key)
  return undefined
}

/** Takes away what a height has; comes before the insertion in one batch, where the later operation on a key counts. */
function removal(block: TrackedBlock, cids: readonly BlobCid[]): KeyValueOperation[] {
  const { height, blockId } = block
  const keys = [
    blockKey(height),
    blockIdKey(blockId),
    ...cids.map((cid) => referenceKey(cid, height)),
    ...encodeList(cids).map((_, part) => listKey(height, part))
  ]
  return keys.map((key) => ({ type: 'del', key }))
}

function insertion(block: SealedBlock, cids: readonly BlobCid[]): KeyValueOperation[] {
  const { height, blockId } = block
  const entries: (readonly [Uint8Array, Uint8Array])[] = [
    [blockKey(height), encodeBlock(block)],
    [blockIdKey(blockId), heightBytes(height)],
    ...cids.map((cid) => [referenceKey(cid, height), new Uint8Array(0)] as const),
    ...encodeList(cids).map((value, part) => [listKey(height, part), value] as const)
  ]
  return entries.map(([key, value]) => ({ type: 'put', key, value }))
}

function isSame(tracked: TrackedBlock, block: SealedBlock): boolean {
  return tracked.blockId === block.blockId && tracked.executionDataId === block.executionDataId
}

function isSameSet(a: readonly BlobCid[], b: readonly BlobCid[]): boolean {
  const keys = new Set(a.map((cid) => cid.key))
  return a.length === b.length && b.every((cid) => keys.has(cid.key))
}
