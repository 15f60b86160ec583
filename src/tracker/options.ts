export interface TrackerOptions {
  /**
   * Most different blobs of one block. They are held in memory and written in one batch; 262,144 blobs of 1 MiB are 256 GiB
   * of execution data, a thousand times the largest block there is.
   */
  readonly maxCidsPerBlock: number
  /** Blobs of the heights that are written in one batch, unless one height alone has more: some 100 bytes each. */
  readonly maxGroupCids: number
  /** Blocks kept in memory after they were tracked, some 300 bytes each: as many as may wait for the listeners at a time, and more. */
  readonly recentBlocks: number
  /**
   * So many heights at once, where they are a quarter of all, are pruned in the order of the keys: it reads the owner of every blob, those
   * of kept heights too. Of fewer the index is small enough for any order.
   */
  readonly sweepHeights: number
}

export const defaultTrackerOptions: TrackerOptions = Object.freeze({
  maxCidsPerBlock: 262_144,
  maxGroupCids: 8_192,
  recentBlocks: 256,
  sweepHeights: 1_000
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateTrackerOptions(options: TrackerOptions): string[] {
  return Object.entries(options)
    .filter(([, value]) => !(Number.isSafeInteger(value) && value >= 1))
    .map(([name, value]) => `${name} must be a positive integer, not ${value}: no block could be tracked`)
}
