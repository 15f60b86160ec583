import type { BlockId } from '../model/index.ts'

/**
 * Execution data as flow-go decodes it (`module/executiondatasync/execution_data`, `model/flow`, `ledger`). Names are
 * flow-go's field names in camel case. `null` and empty are different things on the wire (`f6` against `80` or `40`) and
 * give different ids, therefore both exist here. 64-bit numbers are bigint. Byte strings of a decoded object are views into
 * one buffer, or shared constants: never write to them, and copy what is to outlive the rest.
 */

/** All execution data of one chain block; never serialized as such. */
export interface BlockExecutionData {
  readonly blockId: BlockId
  /** One for each collection, and the system chunk as the last. */
  readonly chunks: readonly ChunkExecutionData[]
}

/** The root blob's content. */
export interface BlockExecutionDataRoot {
  readonly blockId: BlockId
  /** CIDs in their binary form; `null` for a CID that is none (flow-go's `cid.Undef`). */
  readonly chunkIds: readonly CidBytes[] | null
}

/** A binary CID of version 0 or 1 as it stood on the wire, checked for form, or `null` for the undefined CID. */
export type CidBytes = Uint8Array | null

export interface ChunkExecutionData {
  readonly events: readonly Event[] | null
  readonly collection: Collection | null
  readonly trieUpdate: TrieUpdate | null
  readonly transactionResults: readonly LightTransactionResult[] | null
}

export interface Collection {
  readonly transactions: readonly (TransactionBody | null)[] | null
}

export interface TransactionBody {
  /** 8 bytes. */
  readonly payer: Uint8Array
  readonly script: Uint8Array | null
  readonly gasLimit: bigint
  /** JSON-Cadence arguments. */
  readonly arguments: readonly (Uint8Array | null)[] | null
  /** 8 bytes each. */
  readonly authorizers: readonly Uint8Array[] | null
  readonly proposalKey: ProposalKey
  /** 32 bytes. */
  readonly referenceBlockId: Uint8Array
  readonly payloadSignatures: readonly TransactionSignature[] | null
  readonly envelopeSignatures: readonly TransactionSignature[] | null
}

export interface ProposalKey {
  /** 8 bytes. */
  readonly address: Uint8Array
  /** 32 bits. */
  readonly keyIndex: number
  readonly sequenceNumber: bigint
}

export interface TransactionSignature {
  /** 8 bytes. */
  readonly address: Uint8Array
  /** 32 bits. */
  readonly keyIndex: number
  readonly signature: Uint8Array | null
  /** Signed 64 bits; 0 or more in real data. */
  readonly signerIndex: bigint
  readonly extensionData: Uint8Array | null
}

export interface Event {
  /** For instance `A.1654653399040a61.FlowToken.TokensDeposited`. */
  readonly type: string
  /** The Cadence value in CCF. */
  readonly payload: Uint8Array | null
  /** 32 bits. */
  readonly eventIndex: number
  /** 32 bytes. */
  readonly transactionId: Uint8Array
  /** 32 bits. */
  readonly transactionIndex: number
}

/** The registers a chunk wrote. `paths` and `payloads` belong together by position; their lengths are not checked here. */
export interface TrieUpdate {
  /** 32 bytes each. */
  readonly paths: readonly Uint8Array[] | null
  readonly payloads: readonly (Payload | null)[] | null
  /** State commitment the chunk starts from, 32 bytes. */
  readonly rootHash: Uint8Array
}

export interface Payload {
  /** A register id is exactly [type 0 owner, type 2 register key]; `null` is the empty key. */
  readonly keyParts: readonly KeyPart[] | null
  /** The register's value; both empty and null are a deleted register. Null is what flow-go wrote before it made it empty (#8307). */
  readonly value: Uint8Array | null
}

export interface KeyPart {
  /** 16 bits: 0 owner, 2 register key. */
  readonly type: number
  /** Null on the wire is read as empty; a null given here is written as null. */
  readonly value: Uint8Array | null
}

export interface LightTransactionResult {
  readonly failed: boolean
  /** 32 bytes. */
  readonly transactionId: Uint8Array
  readonly computationUsed: bigint
}

/** What a chunk or a block holds, counted. */
export interface ContentCounts {
  readonly transactions: number
  readonly events: number
  /** Register writes (trie payloads). */
  readonly registers: number
  readonly results: number
}
