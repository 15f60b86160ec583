import type {
  BlockExecutionData,
  BlockExecutionDataRoot,
  ChunkExecutionData,
  CidBytes,
  Payload,
  TransactionBody,
  TransactionSignature
} from '#src/execution-data/types.ts'
import { BlobCid, type BlockId } from '#src/model/index.ts'
import { type ByteGenerator, generate, hexBytes } from './fixtures.ts'

/** Canonical JSON of the vectors (test/fixtures/README.md), read back into execution data. */

type Bytes = string | ByteGenerator

export interface BlockJson {
  BlockID: string
  ChunkExecutionDatas: ChunkJson[]
}

export interface RootJson {
  BlockID: string
  ChunkExecutionDataIDs: (string | null)[] | null
}

export interface ChunkJson {
  Events: EventJson[] | null
  Collection: { Transactions: (TransactionJson | null)[] | null } | null
  TrieUpdate: { Paths: Bytes[] | null; Payloads: (PayloadJson | null)[] | null; RootHash: Bytes } | null
  TransactionResults: { Failed: boolean; TransactionID: Bytes; ComputationUsed: string }[] | null
}

interface EventJson {
  Type: string
  Payload: Bytes | null
  EventIndex: number
  TransactionID: Bytes
  TransactionIndex: number
}

interface PayloadJson {
  Key: { KeyParts: { Type: number; Value: Bytes | null }[] | null }
  Value: Bytes
}

interface TransactionJson {
  Payer: Bytes
  Script: Bytes | null
  GasLimit: string
  Arguments: (Bytes | null)[] | null
  Authorizers: Bytes[] | null
  ProposalKey: { Address: Bytes; KeyIndex: number; SequenceNumber: string }
  ReferenceBlockID: Bytes
  PayloadSignatures: SignatureJson[] | null
  EnvelopeSignatures: SignatureJson[] | null
}

interface SignatureJson {
  Address: Bytes
  KeyIndex: number
  Signature: Bytes | null
  SignerIndex: number | string
  ExtensionData: Bytes | null
}

const bytes = (value: Bytes): Uint8Array => (typeof value === 'string' ? hexBytes(value) : generate(value))
const nullable = (value: Bytes | null): Uint8Array | null => (value === null ? null : bytes(value))

function list<J, T>(items: J[] | null, read: (item: J) => T): T[] | null {
  return items === null ? null : items.map(read)
}

export function blockFromJson(json: BlockJson): BlockExecutionData {
  return { blockId: json.BlockID as BlockId, chunks: json.ChunkExecutionDatas.map(chunkFromJson) }
}

export function rootFromJson(json: RootJson): BlockExecutionDataRoot {
  return { blockId: json.BlockID as BlockId, chunkIds: cidListFromJson(json.ChunkExecutionDataIDs) }
}

export function cidListFromJson(json: (string | null)[] | null): CidBytes[] | null {
  return list(json, (cid) => (cid === null ? null : (BlobCid.parse(cid) as BlobCid).toBytes()))
}

export function chunkFromJson(json: ChunkJson): ChunkExecutionData {
  return {
    events: list(json.Events, (event) => ({
      type: event.Type,
      payload: nullable(event.Payload),
      eventIndex: event.EventIndex,
      transactionId: bytes(event.TransactionID),
      transactionIndex: event.TransactionIndex
    })),
    collection: json.Collection === null ? null : { transactions: list(json.Collection.Transactions, transaction) },
    trieUpdate:
      json.TrieUpdate === null
        ? null
        : {
            paths: list(json.TrieUpdate.Paths, bytes),
            payloads: list(json.TrieUpdate.Payloads, payload),
            rootHash: bytes(json.TrieUpdate.RootHash)
          },
    transactionResults: list(json.TransactionResults, (result) => ({
      failed: result.Failed,
      transactionId: bytes(result.TransactionID),
      computationUsed: BigInt(result.ComputationUsed)
    }))
  }
}

function payload(json: PayloadJson | null): Payload | null {
  if (json === null) return null
  return {
    keyParts: list(json.Key.KeyParts, (part) => ({ type: part.Type, value: nullable(part.Value) })),
    value: bytes(json.Value)
  }
}

function transaction(json: TransactionJson | null): TransactionBody | null {
  if (json === null) return null
  return {
    payer: bytes(json.Payer),
    script: nullable(json.Script),
    gasLimit: BigInt(json.GasLimit),
    arguments: list(json.Arguments, nullable),
    authorizers: list(json.Authorizers, bytes),
    proposalKey: {
      address: bytes(json.ProposalKey.Address),
      keyIndex: json.ProposalKey.KeyIndex,
      sequenceNumber: BigInt(json.ProposalKey.SequenceNumber)
    },
    referenceBlockId: bytes(json.ReferenceBlockID),
    payloadSignatures: list(json.PayloadSignatures, signature),
    envelopeSignatures: list(json.EnvelopeSignatures, signature)
  }
}

function signature(json: SignatureJson): TransactionSignature {
  return {
    address: bytes(json.Address),
    keyIndex: json.KeyIndex,
    signature: nullable(json.Signature),
    signerIndex: BigInt(json.SignerIndex),
    extensionData: nullable(json.ExtensionData)
  }
}
