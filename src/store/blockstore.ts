import type { Blob, BlobCid } from '../model/index.ts'

/**
 * Where blobs live. Every implementation and decorator honours every method (one compliance suite runs over all of them).
 * Presence and size never load bytes.
 */
export interface Blockstore {
  has(cid: BlobCid): Promise<boolean>
  /** Length of the blob's bytes, or `undefined` when it is not here. */
  getSize(cid: BlobCid): Promise<number | undefined>
  /** `undefined` when it is not here, or when what is here does not hash to the CID any more (it is then dropped and counted). */
  get(cid: BlobCid): Promise<Blob | undefined>
  /**
   * Resolves when the blob is durable. From the moment of the call, before anything is awaited, `get`, `has` and `getSize` answer
   * for it, so that it can be served while the disk works. Putting what is already there is cheap and changes nothing.
   */
  put(blob: Blob): Promise<void>
  /** As `put` for each, in one group commit. */
  putMany(blobs: readonly Blob[]): Promise<void>
  /** Resolves, when they are gone for good, with how many were there and the sum of their lengths. */
  deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats>
  /** Every CID once, in no particular order; blobs put or deleted meanwhile may or may not appear. */
  keys(): AsyncIterable<BlobCid>
  /** Number of blobs and sum of their lengths. Kept up to date, costs nothing. */
  stats(): BlockstoreStats
}

export interface BlockstoreStats {
  readonly count: number
  readonly bytes: number
}
