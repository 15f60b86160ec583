import type { Logger } from '../log/logger.ts'
import type { Height } from '../model/index.ts'
import type { Blockstore } from '../store/blockstore.ts'
import type { LevelTracker } from '../tracker/index.ts'
import type { Clock } from '../util/index.ts'
import type { PrunerMetrics } from './metrics.ts'

/** What else the node is doing. */
export interface NodeLoad {
  /** Blobs that wait to be sent, fetched or written. */
  readonly queue: number
  /** From 0 (there is room) to 1 (the disk is full). */
  readonly diskPressure: number
}

/** Gives space back in bounded steps; see `SegmentBlockstore.reclaim`. */
export type ReclaimPort = (budget: { readonly maxBytes: number; readonly unlinkOnly?: boolean }) => Promise<{
  readonly copiedBytes: number
  readonly freedBytes: number
  readonly more: boolean
}>

export interface PrunerComponents {
  readonly tracker: Pick<
    LevelTracker,
    | 'prunedTo'
    | 'lowest'
    | 'highest'
    | 'blocks'
    | 'cidsAt'
    | 'latestHeightOf'
    | 'prune'
    | 'sweepLeft'
    | 'freeLoose'
    | 'markLoose'
  >
  readonly store: Pick<Blockstore, 'deleteMany' | 'stats' | 'keys' | 'getSize'>
  readonly reclaim: ReclaimPort
  /** The highest height that is done with, so that it may go; `undefined` while none is. */
  readonly doneWith: () => Height | undefined
  readonly load: () => NodeLoad
  readonly metrics: PrunerMetrics
  readonly logger: Logger
  readonly clock: Clock
}
