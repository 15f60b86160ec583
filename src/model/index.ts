/** The words of the domain: types and pure constructors, known to every room. */
export type { Announcement, SignedAnnouncement } from './announcement.ts'
export {
  type Blob,
  blobFromHashed,
  blobOf,
  type DigestApart,
  digestApart,
  verifyBlob,
  verifyBlobApart
} from './blob.ts'
export { BlobCid, CID_LENGTH, DIGEST_LENGTH, type DigestKey, digestKey } from './blob-cid.ts'
export {
  type BlockId,
  type ExecutionDataId,
  type Height,
  type NodeId,
  type PeerIdText,
  parseBlockId,
  parseExecutionDataId,
  parseHeight,
  parseNodeId
} from './identifiers.ts'
export { MAX_BLOB_BYTES, MAX_BLOCK_BYTES, MAX_HINT_CIDS } from './limits.ts'
export type { NodeIdentity } from './node-identity.ts'
export { isRole, NODE_ROLES, type NodeRole, type Role } from './role.ts'
export { type SealedBlock, sameSeal } from './sealed-block.ts'
