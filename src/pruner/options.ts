const MIB = 1024 * 1024

/** How much is kept; what exceeds any of these goes, oldest heights first. Nothing set: nothing goes. */
export interface Retention {
  /** The newest so many heights stay. */
  readonly heights?: number
  /** Heights tracked within this time stay, ms. */
  readonly ageMs?: number
  /** Heights go while the blobs have more bytes than this. */
  readonly bytes?: number
}

export interface PrunerOptions {
  readonly retention: Retention
  /** By age and bytes at least so many heights stay: a clock that was set wrong must not empty a node. */
  readonly minHeights: number
  /** How long one step should take, ms; the size of steps follows. */
  readonly stepMs: number
  /** Most references of one step: they are held in memory, and tracking waits for the step. */
  readonly maxStepBlobs: number
  /** References that a step has however long it takes: each waits for the disk twice, and smaller ones would do little else. */
  readonly minStepBlobs: number
  /** Bytes of blobs that one step deletes, by their average size; where a rate is set, no more than it allows in a second. */
  readonly stepFreedBytes: number
  /** Most bytes that one step of compaction reads and writes. */
  readonly stepBytes: number
  /** Most bytes of blobs deleted in a second; 0: no limit. */
  readonly bytesPerSecond: number
  /** Share of the time that pruning takes when nothing else has to be done. */
  readonly idleShare: number
  /** Share of the time that pruning takes however busy the node is; it rises to `idleShare` with backlog and a filling disk. */
  readonly busyShare: number
  /** The node counts as busy when a pause of the pruner ends this much late, ms. */
  readonly busyLagMs: number
  /** The node counts as busy with so many blobs waiting to be sent, fetched or written. */
  readonly busyQueue: number
  /** Longest pause between two steps, ms: with the shortest step this is the guaranteed rate. */
  readonly maxPauseMs: number
  /** How often it is looked whether there is something to do, ms. */
  readonly lookMs: number
  /** A blob that nobody seems to own is left alone for so long: a download may be about to track it. */
  readonly looseAfterMs: number
}

export const defaultPrunerOptions: PrunerOptions = Object.freeze({
  retention: Object.freeze({}),
  minHeights: 100,
  stepMs: 10,
  maxStepBlobs: 2_048,
  minStepBlobs: 256,
  stepFreedBytes: 64 * MIB,
  stepBytes: 4 * MIB,
  bytesPerSecond: 0,
  idleShare: 0.5,
  busyShare: 0.02,
  busyLagMs: 10,
  busyQueue: 64,
  maxPauseMs: 1_000,
  lookMs: 1_000,
  looseAfterMs: 600_000
})

/** Says what would break, one sentence a fault; empty when the options are fine. */
export function validatePrunerOptions(options: PrunerOptions): string[] {
  const { retention, idleShare, busyShare, bytesPerSecond, minHeights, ...positive } = options
  const faults: string[] = []
  for (const [name, value] of Object.entries(positive)) {
    if (!(Number.isFinite(value) && value > 0)) faults.push(`${name} must be above 0, not ${value}`)
  }
  for (const [name, value] of Object.entries({ ...retention, bytesPerSecond, minHeights })) {
    if (!(Number.isSafeInteger(value) && value >= 0)) faults.push(`${name} must be a whole number, not ${value}`)
  }
  if (!(busyShare > 0 && busyShare <= idleShare && idleShare <= 1)) {
    faults.push(`busyShare ${busyShare} and idleShare ${idleShare}: above 0, the first not above the second, at most 1`)
  }
  return faults
}
