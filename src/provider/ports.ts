import type { SealedBlockFeed } from '../feed/feed.ts'
import type { Logger } from '../log/logger.ts'
import type { Announcement, Blob, BlobCid, ExecutionDataId, SignedAnnouncement } from '../model/index.ts'
import type { Tracker } from '../tracker/tracker.ts'
import type { Clock, Rng } from '../util/index.ts'
import type { AnnouncementArchive } from './announcement-log.ts'
import type { ProviderMetrics } from './metrics.ts'

/** A blob tree that is complete in the store. */
export interface TreeManifest {
  readonly executionDataId: ExecutionDataId
  /** Every blob, root first. */
  readonly cids: readonly BlobCid[]
  /** Sum of the blobs' lengths. */
  readonly bytes: number
  readonly chunks: readonly unknown[]
}

/** Either the tree, or what is missing as far as can be seen: below a missing list nothing is known. */
export type TreeCheck = { readonly manifest: TreeManifest } | { readonly missing: readonly BlobCid[] }

export interface ProviderComponents {
  readonly feed: Pick<SealedBlockFeed, 'blocks' | 'release' | 'highest' | 'lowestOffered' | 'awaitHighest'>
  readonly tracker: Pick<Tracker, 'track' | 'prunedTo'>
  readonly checkTree: (id: ExecutionDataId, options: { readonly signal: AbortSignal }) => Promise<TreeCheck>
  /** Resolves when the blobs are durable, in one group commit. */
  readonly putBlobs: (blobs: readonly Blob[]) => Promise<void>
  /** The store answers for these now: peers that wait for them get them. */
  readonly notifyNewBlobs: (cids: readonly BlobCid[]) => void
  readonly sign: (announcement: Announcement) => SignedAnnouncement | Promise<SignedAnnouncement>
  /** Sends to every peer that listens, without waiting for any. */
  readonly publish: (announcement: SignedAnnouncement) => void | Promise<void>
  readonly log: AnnouncementArchive
  readonly metrics: ProviderMetrics
  readonly logger: Logger
  readonly clock: Clock
  readonly rng: Rng
}
