export interface TrackerOptions {
  /**
   * Most different blobs of one block. They are held in memory and written in one batch; 262,144 blobs of 1 MiB are 256 GiB
   * of execution data, a thousand times the largest block there is.
   */
  readonly maxCidsPerBlock: number
}

export const defaultTrackerOptions: TrackerOptions = Object.freeze({ maxCidsPerBlock: 262_144 })

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validateTrackerOptions({ maxCidsPerBlock }: TrackerOptions): string[] {
  return Number.isSafeInteger(maxCidsPerBlock) && maxCidsPerBlock >= 1
    ? []
    : [`maxCidsPerBlock must be a positive integer, not ${maxCidsPerBlock}: no block could be tracked`]
}
