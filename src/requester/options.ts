import type { Height } from '../model/index.ts'
import type { BackoffOptions } from '../util/index.ts'

/** Defaults: {@link defaultRequesterOptions}. */
export interface RequesterOptions {
  /**
   * Where a node without progress begins: a height, or so many below the newest that the feed gives. Undefined:
   * `defaultWindowHeights` below it. Progress from an earlier run wins, with a line in the log when a height differs from it.
   */
  readonly startHeight: Height | { readonly latestMinus: number } | undefined
  /** Heights below the newest at which a fresh node begins when it is not told where. */
  readonly defaultWindowHeights: number
  /**
   * Time between hearing of a first height and deciding where to begin, ms: lets more than one source say what it offers, so
   * that the first to connect does not decide alone. Not used with a start height.
   */
  readonly startSettleMs: number

  /** Heights above the consecutive one that may be known, running or held: bounds the table of heights. */
  readonly maxSearchAhead: number
  /** Bytes held or running above the consecutive height: bounds what a stuck height lets pile up on the disk unacknowledged. */
  readonly maxAheadBytes: number
  /**
   * Bytes that running downloads may be expected to bring at once, estimated from the hints and from what blocks turned out to
   * be: bounds memory in flight. The lowest missing height runs in any case, so one block may exceed it.
   */
  readonly maxInFlightBytes: number
  /** CIDs of hints kept for heights that wait (about 300 bytes each): above it the feed is read no further than the slots need. */
  readonly maxHintCids: number
  /** Downloads at a time. One slot is kept for the lowest missing height, so that no number of stuck ones stops the sync. */
  readonly concurrency: number
  /**
   * Heights from the lowest missing one on that are fetched while memory is short. One alone costs a round trip and a sync of the disk
   * each, and a loaded node then falls behind its chain.
   */
  readonly lowestHeights: number
  /** A live announcement within so many heights of the newest goes before older ones: few hold its blobs yet, and many will ask. */
  readonly hotHeights: number

  /** Time of the first try to fetch a height, ms; doubles with each try. It frees the slot: the exchange changes peers by itself. */
  readonly attemptTimeoutMs: number
  /** Longest time of one try, ms: enough for the largest tree over a slow line. */
  readonly maxAttemptTimeoutMs: number
  /** Pause before a height is tried again, and before a listener that failed is called again. */
  readonly retry: BackoffOptions
  /** When the lowest missing height is not there after this time, ms, the quorum is asked whether the first announcer was right. */
  readonly settleWatchAfterMs: number
  /** How long no source may offer a height before it counts as unobtainable, ms: sources come and go while a node starts. */
  readonly unobtainableAfterMs: number
  /**
   * How long a quorum is waited for at a height that no source offers any more, ms; then the block that is tracked is handed on,
   * with a warning. Otherwise a node that was down for long, or was filled by an import, would never notify again.
   */
  readonly unsettledAfterMs: number

  /** The consecutive height stands still for so long, ms, though the feed is ahead: a stall. */
  readonly stallAfterMs: number
  /** A lasting stall is logged this often, ms. */
  readonly stallLogEveryMs: number
  /** Period of the housekeeping: retries that fall due, gaps, stalls; ms. */
  readonly tickMs: number
  /** Heights behind the feed up to which the node counts as ready. */
  readonly readyLagHeights: number
  /** Heights whose notification may be repeated after a crash: the notified height is saved while listeners go on, at most so far behind. */
  readonly maxUnsavedNotifications: number
  /** Halted heights that `status` lists (lowest first); their number is told in any case. */
  readonly maxReportedHalts: number
  /**
   * Least time between two synced writes of a height, ms. A node counts a height as consecutive once it is written, so that one follows so
   * much later; 0: the next write begins when the last has ended.
   */
  readonly checkpointEveryMs: number
  /** `stop` gives up waiting for workers after this time, ms. */
  readonly stopTimeoutMs: number
}

const MIB = 1024 * 1024

export const defaultRequesterOptions: RequesterOptions = Object.freeze({
  startHeight: undefined,
  // About a quarter of an hour of Flow's chain.
  defaultWindowHeights: 1_000,
  startSettleMs: 2_000,
  // As flow-go (`execution_data_requester.go`, DefaultMaxSearchAhead).
  maxSearchAhead: 5_000,
  maxAheadBytes: 1_024 * MIB,
  // Half of what the budget gives to receiving, since estimates may be short by a factor.
  maxInFlightBytes: 32 * MIB,
  // 16,384 × 300 bytes are 5 MiB.
  maxHintCids: 16_384,
  // A block without a hint takes three round trips: at 30 ms these are some 1,700 blocks a second. Bytes have a bound of their own.
  concurrency: 160,
  // Some MiB of a chain as busy as it has ever been; four heights a round trip keep up with any.
  lowestHeights: 4,
  hotHeights: 64,
  attemptTimeoutMs: 60_000,
  maxAttemptTimeoutMs: 600_000,
  retry: Object.freeze({ initialMs: 500, maxMs: 30_000, jitter: 0.2 }),
  settleWatchAfterMs: 500,
  unobtainableAfterMs: 10_000,
  unsettledAfterMs: 300_000,
  stallAfterMs: 15_000,
  stallLogEveryMs: 60_000,
  tickMs: 250,
  readyLagHeights: 20,
  maxUnsavedNotifications: 64,
  maxReportedHalts: 32,
  checkpointEveryMs: 0,
  stopTimeoutMs: 5_000
})

const COUNTS = [
  ['maxSearchAhead', 'nothing could be fetched'],
  ['maxAheadBytes', 'nothing but the lowest height could be fetched'],
  ['maxInFlightBytes', 'nothing but the lowest height could be fetched'],
  ['maxHintCids', 'the feed would be read one height at a time'],
  ['concurrency', 'nothing could be fetched'],
  ['lowestHeights', 'nothing could be fetched while memory is short'],
  ['attemptTimeoutMs', 'every try would time out at once'],
  ['stallAfterMs', 'every height would count as a stall'],
  ['stallLogEveryMs', 'a stall would flood the log'],
  ['tickMs', 'the housekeeping would take the whole processor'],
  ['maxUnsavedNotifications', 'no listener could be called'],
  ['stopTimeoutMs', 'running work could not end in order'],
  ['unsettledAfterMs', 'the quorum would not be waited for']
] as const

const NOT_NEGATIVE = [
  'defaultWindowHeights',
  'startSettleMs',
  'hotHeights',
  'unobtainableAfterMs',
  'checkpointEveryMs'
] as const

/** Says what would break, one sentence a fault; empty when the options fit each other. */
export function validateRequesterOptions(options: RequesterOptions): string[] {
  const faults = COUNTS.filter(([name]) => !(Number.isSafeInteger(options[name]) && options[name] > 0)).map(
    ([name, effect]) => `requester option '${name}' is ${options[name]}, not a positive integer: ${effect}`
  )
  const start = options.startHeight
  const number = typeof start === 'object' ? start.latestMinus : start
  if (number !== undefined && !(Number.isSafeInteger(number) && number >= 0)) {
    faults.push(`requester option 'startHeight' (${number}) is not an integer of 0 or more: no such height exists`)
  }
  for (const name of NOT_NEGATIVE) {
    if (!(options[name] >= 0)) faults.push(`requester option '${name}' is ${options[name]}: it cannot be negative`)
  }
  if (options.maxAttemptTimeoutMs < options.attemptTimeoutMs) {
    faults.push(
      "requester option 'maxAttemptTimeoutMs' is below 'attemptTimeoutMs': tries would become shorter, not longer"
    )
  }
  if (!(options.retry.initialMs > 0) || options.retry.maxMs < options.retry.initialMs) {
    faults.push(
      "requester option 'retry' needs 0 < initialMs <= maxMs: a missing height would be asked for without pause"
    )
  }
  if (!(options.retry.jitter >= 0 && options.retry.jitter <= 1)) {
    faults.push(`requester option 'retry.jitter' is ${options.retry.jitter}: a share lies between 0 and 1`)
  }
  return faults
}
