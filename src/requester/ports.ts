import type { WantState } from '../exchange/exchange.ts'
import type { SealedBlockFeed } from '../feed/feed.ts'
import type { Logger } from '../log/logger.ts'
import type { BlobCid, ExecutionDataId, Height, SealedBlock } from '../model/index.ts'
import type { Tracker } from '../tracker/tracker.ts'
import type { Clock, Rng } from '../util/index.ts'
import type { RequesterMetrics } from './metrics.ts'

/** What the requester needs to know of a downloaded blob tree. */
export interface TreeManifest {
  readonly executionDataId: ExecutionDataId
  /** Every blob of the tree. */
  readonly cids: readonly BlobCid[]
  /** Sum of the blobs' lengths. */
  readonly bytes: number
}

/** Heights by name that survive the process. `set` resolves when the disk has it. */
export interface ProgressStore {
  get(name: string): Promise<Height | undefined>
  set(name: string, height: Height): Promise<void>
}

/**
 * What an error of `download` or `decode` means:
 * - `malformed`: the data is wrong for whoever fetches it; asking again cannot help
 * - `transient`: not here yet, timed out, cancelled; asked again for ever, with back-off
 * - `gone`: every peer that could be asked says it has it no more; asked again as well, but reported as unobtainable
 * - `fatal`: the node itself is broken (a full disk, a closed database); the requester fails
 */
export type FailureKind = 'malformed' | 'transient' | 'gone' | 'fatal'

/**
 * Fetches, verifies and stores the whole blob tree of a block. What the store has already is not fetched again. Resolves when
 * every blob is durable; rejects with the signal's reason, or with an error that `classify` tells apart.
 */
export type DownloadPort<M extends TreeManifest> = (
  block: SealedBlock,
  options: { readonly signal: AbortSignal }
) => Promise<M>

/**
 * What may be begun now: everything, only the lowest missing heights (memory is short: nothing is fetched far ahead of need), or
 * nothing (the disk is full). What runs goes on.
 */
export type Fetching = 'all' | 'lowest' | 'none'

/** `M` is the downloader's own manifest, which `decode` gets back whole. */
export interface RequesterComponents<M extends TreeManifest = TreeManifest> {
  readonly feed: Pick<SealedBlockFeed, 'blocks' | 'settled' | 'release' | 'highest' | 'lowestOffered' | 'awaitHighest'>
  readonly tracker: Pick<Tracker, 'track' | 'blockAt' | 'blocks' | 'highest' | 'prunedTo'>
  readonly progress: ProgressStore
  readonly download: DownloadPort<M>
  /** Structural check of what was stored: the tree decodes, and belongs to the block. */
  readonly decode: (manifest: M, options: { readonly signal: AbortSignal }) => Promise<void>
  readonly classify: (error: unknown) => FailureKind
  /** The CIDs that a running or waiting download of the height lacks, the most wanted first; empty when none is known. */
  readonly missing: (height: Height) => readonly BlobCid[]
  readonly wantState: (cid: BlobCid) => WantState | undefined
  /** Asked before each download; everything may be begun where it is left out. */
  readonly fetching?: () => Fetching
  readonly metrics: RequesterMetrics
  readonly logger: Logger
  readonly clock: Clock
  readonly rng: Rng
}

/**
 * Is called once a height, in order, and awaited before the next. A height may come again after a crash. When it rejects, the
 * same height is given to it again after a pause. The signal aborts when the node stops.
 */
export type BlockListener = (block: SealedBlock, options: { readonly signal: AbortSignal }) => Promise<void> | void
