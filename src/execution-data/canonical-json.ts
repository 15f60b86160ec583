import { CID } from 'multiformats/cid'
import { toHex } from '../util/index.ts'
import type {
  BlockExecutionData,
  BlockExecutionDataRoot,
  ChunkExecutionData,
  CidBytes,
  Collection,
  Event,
  LightTransactionResult,
  Payload,
  TransactionBody,
  TransactionSignature,
  TrieUpdate
} from './types.ts'

/**
 * Execution data as plain JSON in one canonical form, the one of the golden vectors: flow-go's field names in the order of the
 * wire, bytes as lower-case hex, null for nil, 64-bit numbers as decimal text (a signer index only beyond 2^53 − 1). The
 * text of `JSON.stringify` can be hashed and compared across languages.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

const hex = (bytes: Uint8Array | null): Json => (bytes === null ? null : toHex(bytes))

function list<T>(items: readonly T[] | null, json: (item: T) => Json): Json {
  return items === null ? null : items.map(json)
}

export function blockToJson(block: BlockExecutionData): Json {
  return { BlockID: block.blockId, ChunkExecutionDatas: block.chunks.map(chunkToJson) }
}

export function rootToJson(root: BlockExecutionDataRoot): Json {
  return { BlockID: root.blockId, ChunkExecutionDataIDs: cidListToJson(root.chunkIds) }
}

export function cidListToJson(cids: readonly CidBytes[] | null): Json {
  return list(cids, (cid) => (cid === null ? null : CID.decode(cid).toString()))
}

export function chunkToJson(chunk: ChunkExecutionData): Json {
  return {
    Events: list(chunk.events, eventToJson),
    Collection: collectionToJson(chunk.collection),
    TrieUpdate: trieUpdateToJson(chunk.trieUpdate),
    TransactionResults: list(chunk.transactionResults, resultToJson)
  }
}

function eventToJson(event: Event): Json {
  return {
    Type: event.type,
    Payload: hex(event.payload),
    EventIndex: event.eventIndex,
    TransactionID: toHex(event.transactionId),
    TransactionIndex: event.transactionIndex
  }
}

function resultToJson(result: LightTransactionResult): Json {
  return {
    Failed: result.failed,
    TransactionID: toHex(result.transactionId),
    ComputationUsed: result.computationUsed.toString()
  }
}

function collectionToJson(collection: Collection | null): Json {
  return collection === null ? null : { Transactions: list(collection.transactions, transactionToJson) }
}

function transactionToJson(transaction: TransactionBody | null): Json {
  if (transaction === null) return null
  const { proposalKey } = transaction
  return {
    Payer: toHex(transaction.payer),
    Script: hex(transaction.script),
    GasLimit: transaction.gasLimit.toString(),
    Arguments: list(transaction.arguments, hex),
    Authorizers: list(transaction.authorizers, hex),
    ProposalKey: {
      Address: toHex(proposalKey.address),
      KeyIndex: proposalKey.keyIndex,
      SequenceNumber: proposalKey.sequenceNumber.toString()
    },
    ReferenceBlockID: toHex(transaction.referenceBlockId),
    PayloadSignatures: list(transaction.payloadSignatures, signatureToJson),
    EnvelopeSignatures: list(transaction.envelopeSignatures, signatureToJson)
  }
}

function signatureToJson(signature: TransactionSignature): Json {
  const index = Number(signature.signerIndex)
  return {
    Address: toHex(signature.address),
    KeyIndex: signature.keyIndex,
    Signature: hex(signature.signature),
    SignerIndex: Number.isSafeInteger(index) ? index : signature.signerIndex.toString(),
    ExtensionData: hex(signature.extensionData)
  }
}

function trieUpdateToJson(update: TrieUpdate | null): Json {
  if (update === null) return null
  return {
    Paths: list(update.paths, hex),
    Payloads: list(update.payloads, payloadToJson),
    RootHash: toHex(update.rootHash)
  }
}

function payloadToJson(payload: Payload | null): Json {
  if (payload === null) return null
  return {
    Key: { KeyParts: list(payload.keyParts, (part) => ({ Type: part.type, Value: hex(part.value) })) },
    Value: payload.value === null ? '' : toHex(payload.value)
  }
}
