import { fromHex } from '../../util/index.ts'
import { ExecutionDataError } from '../errors.ts'
import type {
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
} from '../types.ts'
import {
  CHUNK,
  COLLECTION,
  EVENT,
  KEY,
  KEY_PART,
  PAYLOAD,
  PROPOSAL_KEY,
  RESULT,
  ROOT,
  type Shape,
  SIGNATURE,
  TRANSACTION,
  TRIE_UPDATE
} from './shape.ts'
import { runNow, type Steps } from '../steps.ts'
import { CborWriter } from './writer.ts'

/** The core-deterministic encoding of the objects that blobs hold, as flow-go's `model/encoding/cbor` writes it. */

const EMPTY = new Uint8Array(0)
const UINT16 = 0xffff
const UINT32 = 0xffff_ffff

/** How a chunk is written. Anything but the current form only to repeat what an older producer wrote. */
export interface ChunkForm {
  /** 4, or 3: without transaction results. */
  readonly code: 3 | 4
  /** Null values of trie payloads stay null; otherwise they become empty, as flow-go has it since #8307. */
  readonly nullValues: boolean
}

export const CURRENT_FORM: ChunkForm = Object.freeze({ code: 4, nullValues: false })

/** Bytes written between two pauses: some 5 ms. */
const PAUSE_BYTES = 524_288

/** A chunk at one go. */
export function encodeChunk(chunk: ChunkExecutionData, form: ChunkForm = CURRENT_FORM): Uint8Array {
  return runNow(encodeChunkSteps(chunk, form)).finish()
}

/** A chunk with pauses (yields) within its five long lists. */
export function* encodeChunkSteps(chunk: ChunkExecutionData, form: ChunkForm = CURRENT_FORM): Steps<CborWriter> {
  const writer = new CborWriter()
  writer.map(form.code)
  key(writer, CHUNK, 0)
  yield* longList(writer, chunk.events, writeEvent)
  key(writer, CHUNK, 1)
  yield* collectionSteps(writer, chunk.collection)
  key(writer, CHUNK, 2)
  yield* trieUpdateSteps(writer, chunk.trieUpdate, form)
  if (form.code === 4) {
    key(writer, CHUNK, 3)
    yield* longList(writer, chunk.transactionResults, writeResult)
  }
  return writer
}

export function encodeRoot(root: BlockExecutionDataRoot): Uint8Array {
  const blockId = fromHex(root.blockId, 32)
  if (blockId === undefined) throw new ExecutionDataError('encode-refused', 'a block id is 64 hex digits')
  const writer = new CborWriter()
  writer.map(2)
  key(writer, ROOT, 0)
  writer.bytes(blockId)
  key(writer, ROOT, 1)
  list(writer, root.chunkIds, writeCid)
  return writer.finish()
}

export function encodeCidList(cids: readonly CidBytes[] | null): Uint8Array {
  const writer = new CborWriter()
  list(writer, cids, writeCid)
  return writer.finish()
}

function key(writer: CborWriter, shape: Shape, field: number): void {
  writer.raw(shape.encoded[field] as Uint8Array)
}

function list<T>(writer: CborWriter, items: readonly T[] | null, write: (writer: CborWriter, item: T) => void): void {
  if (items === null) return writer.null()
  writer.array(items.length)
  for (const item of items) write(writer, item)
}

function* longList<T>(
  writer: CborWriter,
  items: readonly T[] | null,
  write: (writer: CborWriter, item: T) => void
): Steps<void> {
  if (items === null) return writer.null()
  writer.array(items.length)
  let pauseAt = writer.length + PAUSE_BYTES
  for (const item of items) {
    write(writer, item)
    if (writer.length < pauseAt) continue
    pauseAt = writer.length + PAUSE_BYTES
    yield
  }
}

/** The undefined CID is an empty byte string (go-cid `MarshalBinary`). */
function writeCid(writer: CborWriter, cid: CidBytes): void {
  writer.bytes(cid ?? EMPTY)
}

function writeBytes(writer: CborWriter, bytes: Uint8Array | null): void {
  writer.bytes(bytes)
}

function writeAddress(writer: CborWriter, address: Uint8Array): void {
  writer.fixed(address, 8)
}

function writeIdentifier(writer: CborWriter, id: Uint8Array): void {
  writer.fixed(id, 32)
}

function writeEvent(writer: CborWriter, event: Event): void {
  writer.map(5)
  key(writer, EVENT, 0)
  writer.text(event.type)
  key(writer, EVENT, 1)
  writer.bytes(event.payload)
  key(writer, EVENT, 2)
  writer.uint(event.eventIndex, UINT32)
  key(writer, EVENT, 3)
  writer.fixed(event.transactionId, 32)
  key(writer, EVENT, 4)
  writer.uint(event.transactionIndex, UINT32)
}

function writeResult(writer: CborWriter, result: LightTransactionResult): void {
  writer.map(3)
  key(writer, RESULT, 0)
  writer.bool(result.failed)
  key(writer, RESULT, 1)
  writer.fixed(result.transactionId, 32)
  key(writer, RESULT, 2)
  writer.uint64(result.computationUsed)
}

function* collectionSteps(writer: CborWriter, collection: Collection | null): Steps<void> {
  if (collection === null) return writer.null()
  writer.map(1)
  key(writer, COLLECTION, 0)
  yield* longList(writer, collection.transactions, writeTransaction)
}

function writeTransaction(writer: CborWriter, transaction: TransactionBody | null): void {
  if (transaction === null) return writer.null()
  writer.map(9)
  key(writer, TRANSACTION, 0)
  writer.fixed(transaction.payer, 8)
  key(writer, TRANSACTION, 1)
  writer.bytes(transaction.script)
  key(writer, TRANSACTION, 2)
  writer.uint64(transaction.gasLimit)
  key(writer, TRANSACTION, 3)
  list(writer, transaction.arguments, writeBytes)
  key(writer, TRANSACTION, 4)
  list(writer, transaction.authorizers, writeAddress)
  key(writer, TRANSACTION, 5)
  writeProposalKey(writer, transaction)
  key(writer, TRANSACTION, 6)
  writer.fixed(transaction.referenceBlockId, 32)
  key(writer, TRANSACTION, 7)
  list(writer, transaction.payloadSignatures, writeSignature)
  key(writer, TRANSACTION, 8)
  list(writer, transaction.envelopeSignatures, writeSignature)
}

function writeProposalKey(writer: CborWriter, { proposalKey }: TransactionBody): void {
  writer.map(3)
  key(writer, PROPOSAL_KEY, 0)
  writer.fixed(proposalKey.address, 8)
  key(writer, PROPOSAL_KEY, 1)
  writer.uint(proposalKey.keyIndex, UINT32)
  key(writer, PROPOSAL_KEY, 2)
  writer.uint64(proposalKey.sequenceNumber)
}

function writeSignature(writer: CborWriter, signature: TransactionSignature): void {
  writer.map(5)
  key(writer, SIGNATURE, 0)
  writer.fixed(signature.address, 8)
  key(writer, SIGNATURE, 1)
  writer.uint(signature.keyIndex, UINT32)
  key(writer, SIGNATURE, 2)
  writer.bytes(signature.signature)
  key(writer, SIGNATURE, 3)
  writer.int64(signature.signerIndex)
  key(writer, SIGNATURE, 4)
  writer.bytes(signature.extensionData)
}

function* trieUpdateSteps(writer: CborWriter, update: TrieUpdate | null, form: ChunkForm): Steps<void> {
  if (update === null) return writer.null()
  writer.map(3)
  key(writer, TRIE_UPDATE, 0)
  yield* longList(writer, update.paths, writeIdentifier)
  key(writer, TRIE_UPDATE, 1)
  yield* longList(writer, update.payloads, form.nullValues ? writePayload : writePayloadWithValue)
  key(writer, TRIE_UPDATE, 2)
  writer.fixed(update.rootHash, 32)
}

function writePayloadWithValue(writer: CborWriter, payload: Payload | null): void {
  writePayload(writer, payload?.value === null ? { ...payload, value: EMPTY } : payload)
}

function writePayload(writer: CborWriter, payload: Payload | null): void {
  if (payload === null) return writer.null()
  writer.map(2)
  key(writer, PAYLOAD, 0)
  writer.map(1)
  key(writer, KEY, 0)
  list(writer, payload.keyParts, writeKeyPart)
  key(writer, PAYLOAD, 1)
  writer.bytes(payload.value)
}

function writeKeyPart(writer: CborWriter, part: { type: number; value: Uint8Array | null }): void {
  writer.map(2)
  key(writer, KEY_PART, 0)
  writer.uint(part.type, UINT16)
  key(writer, KEY_PART, 1)
  writer.bytes(part.value)
}
