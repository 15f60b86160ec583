import { toHex } from '../../util/index.ts'
import type {
  BlockExecutionDataRoot,
  ChunkExecutionData,
  CidBytes,
  Collection,
  ContentCounts,
  Event,
  LightTransactionResult,
  Payload,
  TransactionBody,
  TrieUpdate
} from '../types.ts'
import type { BlockId } from '../../model/index.ts'
import { cidForm } from './cid-form.ts'
import {
  Fields,
  readEvent,
  readIdentifier,
  readList,
  readPayload,
  readResult,
  readTransaction
} from './decode-parts.ts'
import { DONE, NIL } from './cursor.ts'
import type { CborReader } from './reader.ts'
import { CHUNK, CID, COLLECTION, ROOT, TRIE_UPDATE } from './shape.ts'

/**
 * The three objects that blobs hold. A chunk is read in steps: its decoder pauses (yields) between elements of its five long
 * lists whenever `pauseBytes` have been read, so that a large chunk does not hold the event loop.
 */

export interface DecodedChunk {
  /** Its lists are empty when nothing was to be built. */
  readonly chunk: ChunkExecutionData
  readonly counts: ContentCounts
}

interface Progress {
  readonly pauseBytes: number
  pauseAt: number
  transactions: number
  events: number
  registers: number
  results: number
}

type Steps<T> = Generator<undefined, T, undefined>

/** A chunk of code 3 or 4; null is the chunk with four null fields. */
export function* readChunkSteps(reader: CborReader, pauseBytes: number): Steps<DecodedChunk> {
  const progress: Progress = { pauseBytes, pauseAt: pauseBytes, transactions: 0, events: 0, registers: 0, results: 0 }
  let events: Event[] | null = null
  let collection: Collection | null = null
  let trieUpdate: TrieUpdate | null = null
  let transactionResults: LightTransactionResult[] | null = null
  const fields = new Fields(reader, CHUNK)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) events = yield* listSteps(reader, readEvent, { progress, counter: 'events' })
    else if (field === 1) collection = yield* collectionSteps(reader, progress)
    else if (field === 2) trieUpdate = yield* trieUpdateSteps(reader, progress)
    else transactionResults = yield* listSteps(reader, readResult, { progress, counter: 'results' })
  }
  const { transactions, events: eventCount, registers, results } = progress
  return {
    chunk: { events, collection, trieUpdate, transactionResults },
    counts: { transactions, events: eventCount, registers, results }
  }
}

type Counter = 'transactions' | 'events' | 'registers' | 'results'

function* listSteps<T>(
  reader: CborReader,
  read: (reader: CborReader) => T,
  state: { readonly progress: Progress; readonly counter?: Counter }
): Steps<T[] | null> {
  const { progress, counter } = state
  let left = reader.open(4)
  if (left === NIL) return null
  const list: T[] = []
  let count = 0
  while ((left = reader.step(left)) !== DONE) {
    reader.countItem()
    count += 1
    const item = read(reader)
    if (reader.materialize) list.push(item)
    if (reader.at >= progress.pauseAt) {
      progress.pauseAt = reader.at + progress.pauseBytes
      yield
    }
  }
  reader.leave()
  if (counter !== undefined) progress[counter] = count
  return list
}

function* collectionSteps(reader: CborReader, progress: Progress): Steps<Collection | null> {
  if (reader.takeNull()) return null
  let transactions: (TransactionBody | null)[] | null = null
  const fields = new Fields(reader, COLLECTION)
  while (fields.next() >= 0) {
    transactions = yield* listSteps(reader, readTransaction, { progress, counter: 'transactions' })
  }
  return { transactions }
}

function* trieUpdateSteps(reader: CborReader, progress: Progress): Steps<TrieUpdate | null> {
  if (reader.takeNull()) return null
  let paths: Uint8Array[] | null = null
  let payloads: (Payload | null)[] | null = null
  let rootHash: Uint8Array = new Uint8Array(32)
  const fields = new Fields(reader, TRIE_UPDATE)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) paths = yield* listSteps(reader, readIdentifier, { progress })
    else if (field === 1) payloads = yield* listSteps(reader, readPayload, { progress, counter: 'registers' })
    else rootHash = reader.fixed(32)
  }
  return { paths, payloads, rootHash }
}

/** The root; null is the root of the zero block id with a null list. */
export function readRoot(reader: CborReader): BlockExecutionDataRoot {
  let blockId: Uint8Array = new Uint8Array(32)
  let chunkIds: CidBytes[] | null = null
  const fields = new Fields(reader, ROOT)
  for (let field = fields.next(); field >= 0; field = fields.next()) {
    if (field === 0) blockId = reader.fixed(32)
    else chunkIds = readCidList(reader)
  }
  return { blockId: toHex(blockId) as BlockId, chunkIds }
}

export function readCidList(reader: CborReader): CidBytes[] | null {
  return readList(reader, readCid)
}

function readCid(reader: CborReader): CidBytes {
  if (reader.atMap()) {
    const fields = new Fields(reader, CID)
    fields.next()
    return null
  }
  const bytes = reader.byteString()
  if (bytes === null) return null
  const problem = cidForm(bytes)
  if (problem !== undefined) throw reader.malformed(problem)
  return bytes
}
