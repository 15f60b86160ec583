import type { Height } from '../model/index.ts'
import type { LatencySummary } from './latency-sketch.ts'
import type { NotificationWait } from './notifier.ts'

/**
 * Why the consecutive height stands still:
 * - `missing`: blobs are asked for and do not come
 * - `malformed`: the data is wrong; it is not asked for again
 * - `unobtainable`: no source offers the height any more
 * - `not-announced`: the feed has not given the height yet
 */
export type StallReason = 'missing' | 'malformed' | 'unobtainable' | 'not-announced'

/** Ready for JSON: what is not known is null. */
export interface Stall {
  readonly height: Height
  /** `Qm…` of a blob that is missing. */
  readonly cid: string | null
  readonly askedPeers: number
  readonly lastAnswerMsAgo: number | null
  readonly nextTryMs: number | null
  readonly reason: StallReason
  readonly remedy: string
  /** How long the consecutive height has stood still though the feed was ahead. */
  readonly sinceMs: number
}

export interface Halt {
  readonly height: Height
  readonly executionDataId: string
  readonly message: string
  readonly sinceMs: number
  /** The quorum agrees that this is the block. */
  readonly confirmed: boolean
}

export interface RequesterStatus {
  /** Highest height the feed has heard of. */
  readonly feed: Height | undefined
  /** Highest height that is held. */
  readonly highest: Height | undefined
  /** This height and all from the start are verified, stored, tracked and written down. */
  readonly consecutive: Height | undefined
  /** The first height of what is held: the start, or what pruning left. */
  readonly lowest: Height | undefined
  readonly notified: Height | undefined
  /** Heights being fetched now. */
  readonly inProgress: number
  /** The lowest malformed heights; `haltedCount` is their whole number. */
  readonly halted: readonly Halt[]
  readonly haltedCount: number
  /** Missing heights that no source offers any more, beginning with the lowest missing one. */
  readonly unobtainable: { readonly from: Height; readonly to: Height } | null
  readonly stall: Stall | null
  /** What the next notification waits for, when it does. */
  readonly notificationWaitsFor: NotificationWait | null
  /** From a live announcement to the tree being durable and tracked, by the wall clocks of both nodes. */
  readonly announceToStoredMs: LatencySummary
}
