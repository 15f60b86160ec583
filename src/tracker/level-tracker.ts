import type { BlobCid, BlockId, Height, SealedBlock } from '../model/index.ts'
import type { KeyValueOperation, KeyValueSpace } from '../store/key-value.ts'
import type { Clock } from '../util/index.ts'
import { type Bounds, isLargePart, readBounds } from './bounds.ts'
import { insertion, isSame, isSameSet, removal, without } from './changes.ts'
import { TrackerError } from './errors.ts'
import type { TrackerMetrics } from './metrics.ts'
import { defaultTrackerOptions, type TrackerOptions } from './options.ts'
import {
  blockIdKey,
  blockKey,
  blocksBetween,
  decodeBlock,
  decodeListPart,
  heightBytes,
  heightOfBlock,
  listOf,
  listsEnd,
  looseKey,
  PRUNED_KEY,
  readHeight
} from './records.ts'
import { latestOf, OwnerChanges } from './references.ts'
import {
  judgePruneBatch,
  type LooseRequest,
  type LooseStep,
  PRUNE_START,
  type PruneRequest,
  type PruneStep,
  readLoose,
  readPruneBatch,
  settleOperations,
  unreferenced
} from './pruning.ts'
import { RecentBlocks } from './recent-blocks.ts'
import { Sweeper } from './sweep.ts'
import type { TrackedBlock, Tracker } from './tracker.ts'

export interface LevelTrackerComponents {
  /** Where the records live; nothing else may. */
  readonly space: KeyValueSpace
  readonly clock: Clock
  readonly metrics: TrackerMetrics
  /**
   * Whether a blob is stored; asked before a block is tracked once something was pruned in this process. Without it nothing is
   * asked, for whoever prunes nothing.
   */
  readonly isStored?: (cid: BlobCid) => Promise<boolean>
  /** Whether the last run did not end in order: of what it wrote without a sync, some may be missing and what came later be there. */
  readonly unclean?: boolean
}

interface Job {
  readonly block: SealedBlock
  readonly cids: readonly BlobCid[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Change {
  readonly result: 'new' | 'replaced' | 'pruned' | 'gone'
  readonly operations: readonly KeyValueOperation[]
  /** Blobs that the height refers to no more, and those that it refers to from here on. */
  readonly left?: readonly BlobCid[]
  readonly taken?: readonly BlobCid[]
  /** What stands at the height from then on. */
  readonly tracked?: TrackedBlock
}

/**
 * The tracker over a key-value space (records in `records.ts`).
 *
 * What comes while a batch is being written is written together in the next: one sync for as many heights as wait.
 *
 * Pruning: the pruned height is written first and synced; then blobs that no later height refers to are deleted, then the records.
 * A crash in between leaves records of pruned heights, which nobody is told of and the next step takes away. A large part of all
 * heights goes in the order of the keys (`sweep.ts`).
 *
 * Invariants: a height is tracked wholly or not at all, since all its records are in one synced batch; groups and steps of pruning run
 * one after the other and a group has a height once, so that what one has read another cannot change (tracking and pruning exclude each
 * other); a blob's references are exactly the tracked heights that list it, and those of pruned heights that are not gone yet;
 * a block is not tracked when one of its blobs was deleted since it was downloaded.
 */
export class LevelTracker implements Tracker {
  readonly #components: LevelTrackerComponents
  readonly #options: TrackerOptions
  #bounds: Bounds
  /** Bounded by whoever calls: a requester has as many heights in work as it has slots. */
  readonly #waiting: Job[] = []
  #writing = false
  #turns = 0
  #lastTurn: Promise<void> = Promise.resolve()
  #cursor = PRUNE_START
  #looseCursor: Uint8Array | undefined
  #hasFreed = false
  readonly #recent: RecentBlocks
  readonly #sweeper: Sweeper

  private constructor(
    components: LevelTrackerComponents,
    options: TrackerOptions,
    { bounds, sweeper }: { readonly bounds: Bounds; readonly sweeper: Sweeper }
  ) {
    this.#components = components
    this.#options = options
    this.#bounds = bounds
    this.#sweeper = sweeper
    this.#recent = new RecentBlocks(options.recentBlocks)
    this.#publish()
  }

  /** Reads the bounds. Throws TrackerError `corrupt`, and what the space throws. */
  static async open(components: LevelTrackerComponents, options: Partial<TrackerOptions> = {}): Promise<LevelTracker> {
    const bounds = await readBounds(components.space)
    const sweeper = await Sweeper.open(components)
    return new LevelTracker(components, { ...defaultTrackerOptions, ...options }, { bounds, sweeper })
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

  /** Heights up to the pruned one that are about as much work as what a sweep has left. */
  get sweepLeft(): number {
    return this.#sweeper.heightsLeft
  }

  /** Rejects with TrackerError `too-many-cids` or `blobs-gone`, and with what the space throws; nothing has changed then. */
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

  /**
   * One bounded step of pruning up to a height; what an earlier run left comes first. `free` is called while nothing is tracked. Rejects as it
   * does, and with what the space throws; the next step goes on.
   */
  prune(request: PruneRequest): Promise<PruneStep> {
    return this.#inTurn(() => this.#prune(request))
  }

  /** Notes blobs that may be nobody's, to be looked at by `freeLoose`. */
  markLoose(cids: readonly BlobCid[]): Promise<void> {
    return this.#inTurn(async () => {
      await this.#components.space.batch(this.#looseOperations(cids), { sync: false })
      this.#components.metrics.loose.inc({ outcome: 'marked' }, cids.length)
    })
  }

  /** One bounded step through the blobs marked as loose: those that no height refers to are deleted, all are unmarked. */
  freeLoose(request: LooseRequest): Promise<LooseStep> {
    return this.#inTurn(() => this.#freeLoose(request))
  }

  async isTracked(height: Height): Promise<boolean> {
    return (await this.blockAt(height)) !== undefined
  }

  async blockAt(height: Height): Promise<TrackedBlock | undefined> {
    if (height <= (this.#bounds.prunedTo ?? -1)) return undefined
    return this.#recent.get(height) ?? (await this.#blocksAt([height]))[0]
  }

  async blockById(blockId: BlockId): Promise<TrackedBlock | undefined> {
    const value = await this.#components.space.get(blockIdKey(blockId))
    if (value === undefined) return undefined
    const block = await this.blockAt(readHeight(value))
    // Replaced between the two reads.
    return block?.blockId === blockId ? block : undefined
  }

  async *cidsAt(height: Height): AsyncGenerator<BlobCid> {
    if (height <= (this.#bounds.prunedTo ?? -1)) return
    for await (const [, value] of this.#components.space.entries(listOf(height))) yield* decodeListPart(value)
  }

  async *blocks(from: Height, to: Height): AsyncGenerator<TrackedBlock> {
    const first = Math.max(from, (this.#bounds.prunedTo ?? -1) + 1)
    if (first > to) return
    for await (const [key, value] of this.#components.space.entries(blocksBetween(first, to))) {
      yield decodeBlock(heightOfBlock(key), value)
    }
  }

  latestHeightOf(cid: BlobCid): Promise<Height | undefined> {
    return latestOf(this.#components.space, cid)
  }

  async #writeGroups(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) await this.#inTurn(() => this.#write(this.#takeGroup()))
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
      const heights = group.map(({ block }) => block.height)
      // Nothing stands above the highest, where a node that follows its chain tracks.
      const isNew = this.#bounds.highest === undefined || Math.min(...heights) > this.#bounds.highest
      const before = isNew ? [] : await this.#blocksAt(heights)
      const changes = await Promise.all(group.map((job, at) => this.#changeOf(job, before[at])))
      const operations = [
        ...changes.flatMap((change) => change?.operations ?? []),
        ...(await this.#ownerOperations(group, changes))
      ]
      if (operations.length > 0) await space.batch(operations, { sync: true })
      for (const [at, job] of group.entries()) this.#settle(job, changes[at])
      metrics.trackSeconds.observe((clock.now() - startedAt) / 1000)
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  async #ownerOperations(
    group: readonly Job[],
    changes: readonly (Change | undefined)[]
  ): Promise<KeyValueOperation[]> {
    const changing = changes.flatMap((change) => [...(change?.left ?? []), ...(change?.taken ?? [])])
    if (changing.length === 0) return []
    const owners = await OwnerChanges.of(this.#components.space, changing)
    for (const [at, { block }] of group.entries()) {
      for (const cid of changes[at]?.left ?? []) owners.remove(cid, block.height)
      for (const cid of changes[at]?.taken ?? []) owners.add(cid, block.height)
    }
    return owners.operations
  }

  #settle({ block, resolve, reject }: Job, change: Change | undefined): void {
    const result = change?.result ?? 'repeated'
    if (change?.tracked !== undefined) this.#recent.add(change.tracked)
    this.#components.metrics.tracked.inc({ result })
    if (result === 'gone') {
      return reject(new TrackerError('blobs-gone', `blobs of height ${block.height} were pruned before it was tracked`))
    }
    if (result === 'new' || result === 'replaced') this.#extend(block.height)
    resolve()
  }

  /** What tracking the block changes; `undefined` when it is tracked just so. */
  async #changeOf({ block, cids }: Job, before: TrackedBlock | undefined): Promise<Change | undefined> {
    if (block.height <= (this.#bounds.prunedTo ?? -1))
      return { result: 'pruned', operations: this.#looseOperations(cids) }
    if ((await this.#countGone(cids)) > 0) return { result: 'gone', operations: [] }
    const { height, blockId, executionDataId } = block
    const trackedAtMs = Math.floor(this.#components.clock.wallNow())
    const tracked = { height, blockId, executionDataId, trackedAtMs }
    const inserted = insertion(tracked, cids)
    if (before === undefined) return { result: 'new', operations: inserted, taken: cids, tracked }
    const listed = await this.#listAt(block.height)
    if (isSame(before, block) && isSameSet(listed, cids)) return undefined
    const loose = this.#looseOperations(without(listed, cids))
    const operations = [...removal(before, listed), ...inserted, ...loose]
    return { result: 'replaced', operations, left: listed, taken: cids, tracked }
  }

  async #blocksAt(heights: readonly Height[]): Promise<(TrackedBlock | undefined)[]> {
    const values = await this.#components.space.getMany(heights.map(blockKey))
    return values.map((value, at) => (value === undefined ? undefined : decodeBlock(heights[at] as Height, value)))
  }

  /** Whatever was pruned since the download found it in the store would be missing for good. */
  async #countGone(cids: readonly BlobCid[]): Promise<number> {
    const { isStored } = this.#components
    if (!this.#hasFreed || isStored === undefined) return 0
    const stored = await Promise.all(cids.map(isStored))
    return stored.filter((is) => !is).length
  }

  async #prune({ to, maxBlobs, inOrder = false, free }: PruneRequest): Promise<PruneStep> {
    const { space } = this.#components
    const target = Math.max(to, this.#bounds.prunedTo ?? -1)
    if (!inOrder && this.#sweeper.to === undefined && isLargePart(this.#bounds, target, this.#options)) {
      const { lowest = target } = this.#bounds
      await this.#setPrunedTo(target, [this.#sweeper.begin(target, target - lowest + 1)])
    }
    if (this.#sweeper.to !== undefined) return this.#sweep(target, { maxBlobs, free })
    const batch = await readPruneBatch(space, { from: this.#cursor, to: target, maxBlobs })
    await this.#setPrunedTo(batch.height)
    const judged = await judgePruneBatch(space, batch)
    if (judged.free.length > 0) {
      this.#hasFreed = true
      await free(judged.free)
    }
    // Not synced: what is lost of it is found and taken away again.
    await space.batch(judged.operations, { sync: false })
    this.#cursor = batch.next ?? { list: listsEnd(target), block: target + 1 }
    return { references: batch.references.length, freed: judged.free.length, more: batch.next !== undefined }
  }

  async #sweep(target: Height, step: Pick<PruneRequest, 'maxBlobs' | 'free'>): Promise<PruneStep> {
    const to = this.#sweeper.to ?? target
    this.#hasFreed = true
    const { done, freed, references } = await this.#sweeper.step(step)
    if (done) this.#cursor = { list: listsEnd(to), block: to + 1 }
    return { references, freed, more: !done || target > to }
  }

  async #setPrunedTo(height: Height, others: readonly KeyValueOperation[] = []): Promise<void> {
    const { lowest, highest, prunedTo } = this.#bounds
    if (height <= (prunedTo ?? -1)) return
    const operation = { type: 'put', key: PRUNED_KEY, value: heightBytes(height) } as const
    await this.#components.space.batch([operation, ...others], { sync: true })
    const isEmpty = highest === undefined || highest <= height
    this.#bounds = {
      lowest: isEmpty ? undefined : Math.max(lowest ?? 0, height + 1),
      highest: isEmpty ? undefined : highest,
      prunedTo: height
    }
    this.#publish()
  }

  async #freeLoose({ markedUntilMs, maxBlobs, free }: LooseRequest): Promise<LooseStep> {
    const { metrics, space } = this.#components
    const { due, next, waiting } = await readLoose(space, { from: this.#looseCursor, markedUntilMs, maxBlobs })
    const nobodys = await unreferenced(space, due)
    if (nobodys.length > 0) {
      this.#hasFreed = true
      await free(nobodys)
    }
    await space.batch(settleOperations(due, nobodys), { sync: false })
    this.#looseCursor = next
    const kept = due.length - nobodys.length
    metrics.loose.inc({ outcome: 'freed' }, nobodys.length)
    metrics.loose.inc({ outcome: 'kept' }, kept)
    return { freed: nobodys.length, kept, more: next !== undefined, waiting: waiting > 0 }
  }

  #looseOperations(cids: readonly BlobCid[]): KeyValueOperation[] {
    const value = heightBytes(Math.max(0, Math.floor(this.#components.clock.wallNow())))
    return cids.map((cid) => ({ type: 'put', key: looseKey(cid), value }))
  }

  /** Runs alone, after what came before; at once when nothing does. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turns === 0 ? run() : this.#lastTurn.then(run)
    this.#turns += 1
    this.#lastTurn = turn
      .catch(() => undefined)
      .then(() => {
        this.#turns -= 1
      })
    return turn
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
