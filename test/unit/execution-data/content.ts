import { BlobCid, type BlockId } from '#src/model/index.ts'
import type {
  BlockExecutionData,
  BlockExecutionDataRoot,
  ChunkExecutionData,
  CidBytes,
  Payload,
  TransactionBody,
  TransactionSignature
} from '#src/execution-data/types.ts'
import { type ByteGenerator, generate, hexBytes } from './fixtures.ts'

/** Canonical JSON of the vectors, read back into execution data. */

// biome-ignore lint: the vectors are data of a known form
type Data = any

const bytes = (value: string | ByteGenerator): Uint8Array =>
  typeof value === 'string' ? hexBytes(value) : generate(value)
const nullable = (value: string | ByteGenerator | null): Uint8Array | null => (value === null ? null : bytes(value))

function list<T>(items: Data[] | null, read: (item: Data) => T): T[] | null {
  return items === null ? null : items.map(read)
}

export function blockFromJson(json: Data): BlockExecutionData {
  return { blockId: json.BlockID as BlockId, chunks: json.ChunkExecutionDatas.map(chunkFromJson) }
}

export function rootFromJson(json: Data): BlockExecutionDataRoot {
  return { blockId: json.BlockID as BlockId, chunkIds: cidListFromJson(json.ChunkExecutionDataIDs) }
}

export function cidListFromJson(json: Data): CidBytes[] | null {
  return list(json, (cid) => (cid === null ? null : (BlobCid.parse(cid) as BlobCid).toBytes()))
}

export function chunkFromJson(json: Data): ChunkExecutionData {
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

function payload(json: Data): Payload | null {
  if (json === null) return null
  return {
    keyParts: list(json.Key.KeyParts, (part) => ({ type: part.Type, value: nullable(part.Value) })),
    value: bytes(json.Value)
  }
}

function transaction(json: Data): TransactionBody | null {
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

function signature(json: Data): TransactionSignature {
  return {
    address: bytes(json.Address),
    keyIndex: json.KeyIndex,
    signature: nullable(json.Signature),
    signerIndex: BigInt(json.SignerIndex),
    extensionData: nullable(json.ExtensionData)
  }
}
