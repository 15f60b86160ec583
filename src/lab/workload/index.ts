import { hash } from 'node:crypto'
import {
  type BlockExecutionData,
  type ChunkExecutionData,
  type Event,
  type LightTransactionResult,
  type Payload,
  serializeChunk,
  type TransactionBody
} from '../../execution-data/index.ts'
import { type BlockId, type Height, MAX_BLOB_BYTES } from '../../model/index.ts'
import type { Rng } from '../../util/index.ts'
import { RandomBytes } from './random-bytes.ts'

/**
 * Blocks of execution data made of nothing but a seed, for loads that no recorded chain has. They are encoded as any other block; their
 * event payloads and register values are random bytes, so that serialized sizes are as asked whatever compression does.
 *
 * By `sizeBytes`: a system chunk and up to twelve collections with transactions, events and register writes; the sum of all blobs
 * comes out within a fifth of the size from 16 KiB on. By `chunkBytes`: the same kind of chunks, one for each size. By `blobSize` and
 * `blobsPerBlock`: one chunk a blob, each chunk one event that fills a single blob to exactly that size; the block has those blobs
 * and a root.
 */

export type SyntheticBlockOptions = {
  readonly seed: number
  readonly height: Height
  /** Id of the block before; only makes the block's own id depend on it. */
  readonly parent?: BlockId
} & (
  | { /** Sum of the block's blobs, bytes; about. */ readonly sizeBytes: number }
  | { /** Serialized length of each chunk, bytes; about. */ readonly chunkBytes: readonly number[] }
  | {
      /** 512 to 1,048,576 bytes. */
      readonly blobSize: number
      /** 1 or more; a root has room for some 29,000. */
      readonly blobsPerBlock: number
    }
)

/** Least size of a filled blob: what is around the payload takes some 250 bytes. */
const MIN_BLOB_BYTES = 512
/**
 * Payload lengths tried on both sides of the first guess: the head of a length may jump by two bytes, and the compressor finds a match
 * more or less in what follows the payload.
 */
const NEIGHBOURS = 40
/**
 * Bytes of a register value behind the payload, tried in turn: where the compressor looks depends on the distance from the start, so that
 * only moving what stands behind the payload changes what it finds there.
 */
const MAX_PADDING = 48
/** Serialized bytes that a collection has at most: as on a busy network. */
const CHUNK_BYTES = 262_144
const MAX_COLLECTIONS = 12
/** Serialized bytes for each event and register write. */
const ITEM_BYTES = 1_024
/** Measured: what is around the payloads of a small chunk, one transaction, one event and one register, compressed. */
const CHUNK_OVERHEAD = 330
const TRANSACTION_OVERHEAD = 190
const EVENT_OVERHEAD = 30
const REGISTER_OVERHEAD = 62

const SCRIPT = new TextEncoder().encode(
  'import FungibleToken from 0xf233dcee88fe0abd\ntransaction(amount: UFix64, to: Address) {\n  prepare(signer: auth(Storage) &Account) {}\n  execute {}\n}\n'
)

/** Throws a RangeError for sizes that cannot be. The same options give the same block. */
export function syntheticBlock(options: SyntheticBlockOptions): BlockExecutionData {
  const name = `synthetic ${options.seed} ${options.height} ${options.parent ?? ''}`
  const random = new RandomBytes(name)
  const blockId = hash('sha256', name, 'hex') as BlockId
  if ('sizeBytes' in options) return { blockId, chunks: mixedChunks(options.sizeBytes, random) }
  if ('chunkBytes' in options) return { blockId, chunks: options.chunkBytes.map((bytes) => mixedChunk(bytes, random)) }
  const { blobSize, blobsPerBlock } = options
  if (!Number.isInteger(blobSize) || blobSize < MIN_BLOB_BYTES || blobSize > MAX_BLOB_BYTES) {
    throw new RangeError(`a blob size is ${MIN_BLOB_BYTES} to ${MAX_BLOB_BYTES} bytes, not ${blobSize}`)
  }
  if (!Number.isInteger(blobsPerBlock) || blobsPerBlock < 1) throw new RangeError('blobs per block must be 1 or more')
  return { blockId, chunks: filledChunks(blobSize, blobsPerBlock, random) }
}

/** A block size of 4 KiB to 3 MiB: half are below some 36 KiB, one in ten is above 1 MiB. */
export function mixedSize(rng: Rng): number {
  return Math.round(4_096 * 768 ** (rng.next() ** 1.6))
}

function mixedChunks(sizeBytes: number, random: RandomBytes): ChunkExecutionData[] {
  if (!Number.isFinite(sizeBytes) || sizeBytes < 1) throw new RangeError('a block size must be 1 byte or more')
  const system = Math.min(4_096, sizeBytes / 4)
  const collections = Math.max(1, Math.min(MAX_COLLECTIONS, Math.ceil(sizeBytes / CHUNK_BYTES)))
  const each = (sizeBytes - system) / collections
  const chunks: ChunkExecutionData[] = []
  for (let i = 0; i < collections; i += 1) chunks.push(mixedChunk(each, random))
  chunks.push(mixedChunk(system, random))
  return chunks
}

function mixedChunk(sizeBytes: number, random: RandomBytes): ChunkExecutionData {
  const room = Math.max(0, sizeBytes - CHUNK_OVERHEAD)
  const items = Math.max(1, Math.min(512, Math.floor(room / (2 * ITEM_BYTES))))
  const count = Math.max(1, Math.min(items, Math.floor(items / 4)))
  const overhead = count * TRANSACTION_OVERHEAD + items * (EVENT_OVERHEAD + REGISTER_OVERHEAD)
  const payload = Math.max(8, Math.round((room - overhead) / (2 * items)))
  const transactionIds = Array.from({ length: count }, () => random.take(32))
  const events: Event[] = []
  const paths: Uint8Array[] = []
  const payloads: Payload[] = []
  for (let i = 0; i < items; i += 1) {
    const transactionIndex = Math.floor((i * count) / items)
    events.push({
      type: `A.${'1654653399040a61'}.FlowToken.${i % 2 === 0 ? 'TokensWithdrawn' : 'TokensDeposited'}`,
      payload: random.take(payload),
      eventIndex: i,
      transactionId: transactionIds[transactionIndex] as Uint8Array,
      transactionIndex
    })
    paths.push(random.take(32))
    payloads.push({
      keyParts: [
        { type: 0, value: random.take(8) },
        { type: 2, value: new Uint8Array([36, 0, 0, 0, 0, 0, 0, i >> 8, i & 255]) }
      ],
      value: random.take(payload)
    })
  }
  return {
    events,
    collection: { transactions: transactionIds.map(() => transaction(random)) },
    trieUpdate: { paths, payloads, rootHash: random.take(32) },
    transactionResults: transactionIds.map((id) => result(id, random))
  }
}

function transaction(random: RandomBytes): TransactionBody {
  const payer = random.take(8)
  return {
    payer,
    script: SCRIPT,
    gasLimit: 9_999n,
    arguments: [random.take(24)],
    authorizers: [payer],
    proposalKey: { address: payer, keyIndex: 0, sequenceNumber: BigInt(random.integer(100_000)) },
    referenceBlockId: random.take(32),
    payloadSignatures: [],
    envelopeSignatures: [
      { address: payer, keyIndex: 0, signature: random.take(64), signerIndex: 0n, extensionData: null }
    ]
  }
}

function result(transactionId: Uint8Array, random: RandomBytes): LightTransactionResult {
  return { failed: random.integer(7) === 0, transactionId, computationUsed: BigInt(random.integer(10_000)) }
}

/** Chunks of one event each, whose serialized form has exactly `blobSize` bytes. */
function filledChunks(blobSize: number, count: number, random: RandomBytes): ChunkExecutionData[] {
  const chunks: ChunkExecutionData[] = []
  let guess: number | undefined
  while (chunks.length < count) {
    const fields = {
      bytes: random.take(blobSize),
      transactionId: random.take(32),
      path: random.take(32),
      rootHash: random.take(32)
    }
    const excess = (length: number, padding: number): number =>
      serializeChunk(eventChunk(fields, length, padding)).length - blobSize
    guess ??= blobSize - excess(blobSize, 0)
    const { length, padding } = fit(guess, blobSize, excess)
    chunks.push(eventChunk(fields, length, padding))
    guess = length + padding
  }
  return chunks
}

interface EventFields {
  readonly bytes: Uint8Array
  readonly transactionId: Uint8Array
  readonly path: Uint8Array
  readonly rootHash: Uint8Array
}

function eventChunk(fields: EventFields, length: number, padding: number): ChunkExecutionData {
  const { bytes, transactionId, path, rootHash } = fields
  const type = 'A.0123456789abcdef.Synthetic.Filled'
  const payload = bytes.subarray(padding, padding + length)
  return {
    events: [{ type, payload, eventIndex: 0, transactionId, transactionIndex: 0 }],
    collection: { transactions: [] },
    trieUpdate: { paths: [path], payloads: [{ keyParts: null, value: bytes.subarray(0, padding) }], rootHash },
    transactionResults: []
  }
}

/** The payload length nearest to `guess`, and the padding, with which nothing is in excess. */
function fit(
  guess: number,
  blobSize: number,
  excess: (length: number, padding: number) => number
): { length: number; padding: number } {
  for (let padding = 0; padding <= MAX_PADDING; padding += 1) {
    for (let distance = 0; distance <= NEIGHBOURS; distance += 1) {
      for (const length of distance === 0
        ? [guess - padding]
        : [guess - padding - distance, guess - padding + distance]) {
        if (length >= 0 && length + padding <= blobSize && excess(length, padding) === 0) return { length, padding }
      }
    }
  }
  throw new RangeError(`no chunk of exactly ${blobSize} bytes was found`)
}
