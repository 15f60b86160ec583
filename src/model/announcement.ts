import type { BlobCid } from './blob-cid.ts'
import type { BlockId, ExecutionDataId, Height } from './identifiers.ts'

/** An execution node's statement that a block's execution data exists; signed with its network key. */
export interface Announcement {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  /** Unix ms by the announcer's clock. */
  readonly announcedAtMs: number
  /** CIDs of the blob tree, root first; empty when the tree is too large to list. At most `MAX_HINT_CIDS`. */
  readonly hint: readonly BlobCid[]
}

/** An announcement with the bytes that were signed (kept to be replayed verbatim) and the DER signature over them. */
export interface SignedAnnouncement extends Announcement {
  readonly signedBytes: Uint8Array
  readonly signature: Uint8Array
}
