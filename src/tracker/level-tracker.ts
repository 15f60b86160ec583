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

interface Bounds {
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  readonly prunedTo: Height | undefined
}

/**
 * The tracker over a key-value space (records in `records.ts`).
 *
 * Invariants: a height is tracked wholly or not at all, since all its records are one synced batch; jobs run one after the
 * other, so that what one has read another cannot change; a blob's references are exactly the tracked heights that list it.
 */
export class LevelTracker implements Tracker {
  readonly #components: LevelTrackerComponents
  readonly #options: TrackerOptions
  #bounds: Bounds
  #lastJob: Promise<unknown> = Promise.resolve()

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
    const job = this.#lastJob.then(() => this.#track(block, cids))
    this.#lastJob = job.catch(() => undefined)
    return job
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

  async #track(block: SealedBlock, cids: readonly BlobCid[]): Promise<void> {
    const { clock, metrics, space } = this.#components
    const startedAt = clock.now()
    const unique = [...new Map(cids.map((cid) => [cid.key, cid])).values()]
    const { maxCidsPerBlock } = this.#options
    if (unique.length > maxCidsPerBlock) {
      throw new TrackerError(
        'too-many-cids',
        `block ${block.blockId} at height ${block.height} has ${unique.length} blobs, more than ${maxCidsPerBlock}`
      )
    }
    const before = await this.blockAt(block.height)
    const listed = before === undefined ? [] : await this.#listAt(block.height)
    if (before !== undefined && isSame(before, block) && isSameSet(listed, unique)) {
      metrics.tracked.inc({ result: 'repeated' })
      return
    }
    await space.batch([...removal(before, listed), ...insertion(block, unique)], { sync: true })
    this.#extend(block.height)
    metrics.tracked.inc({ result: before === undefined ? 'new' : 'replaced' })
    metrics.trackSeconds.observe((clock.now() - startedAt) / 1000)
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
function removal(block: TrackedBlock | undefined, cids: readonly BlobCid[]): KeyValueOperation[] {
  if (block === undefined) return []
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
