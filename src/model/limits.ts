/**
 * Limits that the data itself sets, shared by every room. A room's own limits stand in its `options.ts`.
 */

/** Largest blob flow-go makes or accepts, bytes (`execution_data.DefaultMaxBlobSize`). */
export const MAX_BLOB_BYTES = 1_048_576

/**
 * Largest block the exchange takes from a peer, bytes: bitswap requires 2 MiB to be supported
 * (ipfs/specs `src/bitswap-protocol.md`), more is never announced here.
 */
export const MAX_BLOCK_BYTES = 2_097_152

/**
 * Most CIDs an announcement lists: 4,096 × 32 bytes are 128 KiB, the tree of some 4 GiB of execution data. A larger
 * tree is announced without a hint and fetched level by level.
 */
export const MAX_HINT_CIDS = 4_096
