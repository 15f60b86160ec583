import type { BackoffOptions } from '../util/index.ts'

export interface AnnouncementLogOptions {
  /** Heights below the newest that stay replayable: what a node that was down may miss and still find here. */
  readonly retentionHeights: number
  /** Bytes of announcements kept, the oldest go first: bounds the disk when hints are long. */
  readonly retentionBytes: number
}

/** Defaults: {@link defaultProviderOptions}. */
export interface ProviderOptions {
  readonly log: AnnouncementLogOptions
  /** Pause before the store is asked again whether a tree is complete, when no ingested blob says so earlier. */
  readonly recheck: BackoffOptions
  /** Bytes that one `ingest` gathers for one group commit: the most it holds in memory, but for one blob. */
  readonly ingestBatchBytes: number
  /** `ingest` calls at a time; more are refused. Times `ingestBatchBytes`: memory that ingesting may take. */
  readonly maxIngests: number
  /** A tree that is incomplete for so long, ms, is a stall. */
  readonly stallAfterMs: number
  /** A lasting stall is logged this often, ms. */
  readonly stallLogEveryMs: number
  /** `stop` gives up waiting after this time, ms. */
  readonly stopTimeoutMs: number
}

const MIB = 1024 * 1024

export const defaultProviderOptions: ProviderOptions = Object.freeze({
  // A day of Flow's chain (one block in 0.8 s); with hints of 50 CIDs some 180 MiB.
  log: Object.freeze({ retentionHeights: 100_000, retentionBytes: 256 * MIB }),
  recheck: Object.freeze({ initialMs: 200, maxMs: 5_000, jitter: 0.2 }),
  ingestBatchBytes: 4 * MIB,
  maxIngests: 4,
  stallAfterMs: 30_000,
  stallLogEveryMs: 60_000,
  stopTimeoutMs: 5_000
})

/** Says what would break, one sentence a fault; empty when the options fit each other. */
export function validateProviderOptions(options: ProviderOptions): string[] {
  const counts = [
    ['log.retentionHeights', options.log.retentionHeights, 'no announcement could be replayed'],
    ['log.retentionBytes', options.log.retentionBytes, 'no announcement could be replayed'],
    ['ingestBatchBytes', options.ingestBatchBytes, 'no blob could be put'],
    ['maxIngests', options.maxIngests, 'no blob could be put'],
    ['stallAfterMs', options.stallAfterMs, 'every block would count as a stall'],
    ['stallLogEveryMs', options.stallLogEveryMs, 'a stall would flood the log'],
    ['stopTimeoutMs', options.stopTimeoutMs, 'running work could not end in order']
  ] as const
  const faults = counts
    .filter(([, value]) => !(Number.isSafeInteger(value) && value > 0))
    .map(([name, value, effect]) => `provider option '${name}' is ${value}, not a positive integer: ${effect}`)
  const { initialMs, maxMs, jitter } = options.recheck
  if (!(initialMs > 0) || maxMs < initialMs) {
    faults.push("provider option 'recheck' needs 0 < initialMs <= maxMs: the store would be asked without pause")
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    faults.push(`provider option 'recheck.jitter' is ${jitter}: a share lies between 0 and 1`)
  }
  return faults
}
