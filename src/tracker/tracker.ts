import type { BlobCid, BlockId, ExecutionDataId, Height, SealedBlock } from '../model/index.ts'

export interface TrackedBlock {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  /** When it was tracked, Unix ms by the clock of then. */
  readonly trackedAtMs: number
}

/**
 * Which CIDs belong to which height. A height is tracked with all its CIDs in one atomic, synced batch, after its blobs are
 * durable; the consecutive height moves only over tracked heights.
 */
export interface Tracker {
  /**
   * Idempotent for the same block. Tracking another block at a tracked height replaces it, and a block of a pruned height is not
   * tracked. Resolves when durable. While something is pruned it waits, and pruning waits for it.
   */
  track(block: SealedBlock, cids: readonly BlobCid[]): Promise<void>
  isTracked(height: Height): Promise<boolean>
  blockAt(height: Height): Promise<TrackedBlock | undefined>
  blockById(blockId: BlockId): Promise<TrackedBlock | undefined>
  /** The CIDs of a height, in no particular order. */
  cidsAt(height: Height): AsyncIterable<BlobCid>
  /** Tracked blocks of [from, to], ascending. */
  blocks(from: Height, to: Height): AsyncIterable<TrackedBlock>
  /** The latest height that refers to the blob. */
  latestHeightOf(cid: BlobCid): Promise<Height | undefined>
  /** Lowest and highest tracked height, `undefined` while there is none. */
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  /** Heights up to and including this one are pruned, `undefined` before the first pruning. */
  readonly prunedTo: Height | undefined
}
