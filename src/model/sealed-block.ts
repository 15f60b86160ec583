import type { BlobCid } from './blob-cid.ts'
import type { BlockId, ExecutionDataId, Height, PeerIdText } from './identifiers.ts'

/** What the feed gives: a sealed block whose execution data is to be fetched. */
export interface SealedBlock {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  /** A hint: the CIDs of the whole blob tree, root first. Not to be believed before the tree is walked. */
  readonly hint?: readonly BlobCid[]
  /** Execution nodes known to hold the tree, first announcer first. */
  readonly origins?: readonly PeerIdText[]
  /** When the announcer says it announced, Unix ms. Only for latency figures, and only of live announcements. */
  readonly announcedAtMs?: number
  /** True when this came as a live announcement, false for a replay, a file or another feed. */
  readonly live?: boolean
}

/** Two sealed blocks say the same when height, block and execution data agree. */
export function sameSeal(a: SealedBlock, b: SealedBlock): boolean {
  return a.height === b.height && a.blockId === b.blockId && a.executionDataId === b.executionDataId
}
