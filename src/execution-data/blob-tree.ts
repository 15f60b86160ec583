import { type Blob, BlobCid, blobOf, type DigestKey, type ExecutionDataId } from '../model/index.ts'
import { sha256Digest } from './cbor/cid-form.ts'
import { ExecutionDataError, limitExceeded } from './errors.ts'
import type { ChunkForm } from './cbor/encode.ts'
import type { ExecutionDataOptions } from './options.ts'
import { serializeChunkSteps, serializeCidList, serializeRoot } from './serializer.ts'
import { runInTurns, runNow, type Steps } from './steps.ts'
import type { BlockExecutionData, ChunkExecutionData, CidBytes } from './types.ts'

/**
 * The blob tree of a block: a root blob that names the top blob of each chunk's tree. A serialized chunk is cut into blobs;
 * while there is more than one, their CIDs are serialized as a list and cut in turn (flow-go `execution_data/store.go`).
 *
 * CAR order, everywhere: root first, then chunk by chunk, each level of a chunk's tree top down in list order, each different
 * blob once.
 */

export interface BlobTreeManifest {
  readonly executionDataId: ExecutionDataId
  /** Every different CID once, in CAR order. */
  readonly cids: readonly BlobCid[]
  /** Sum of the lengths of those blobs. */
  readonly bytes: number
  /** In block order; a chunk that the root names twice stands here twice. */
  readonly chunks: readonly ChunkTree[]
}

export interface ChunkTree {
  /** The top blob's. */
  readonly cid: BlobCid
  /** CIDs of each level, repeats counted, top first; the last level holds the chunk. */
  readonly levels: readonly number[]
}

export interface EncodedBlock {
  readonly executionDataId: ExecutionDataId
  readonly manifest: BlobTreeManifest
  /** In CAR order. A level's blobs are views of one buffer. */
  readonly blobs: readonly Blob[]
}

/** Collects different CIDs in the order they come. */
export class CidCollector {
  readonly cids: BlobCid[] = []
  readonly #seen = new Set<DigestKey>()

  /** True when the CID is new. */
  add(cid: BlobCid): boolean {
    if (this.#seen.has(cid.key)) return false
    this.#seen.add(cid.key)
    this.cids.push(cid)
    return true
  }
}

/** The address behind a CID on the wire. Throws `cid-unusable` for the undefined CID and for hashes other than sha2-256. */
export function blobCidOf(cid: CidBytes): BlobCid {
  const digest = cid === null ? undefined : sha256Digest(cid)
  if (digest === undefined) {
    const what = cid === null ? 'a null CID' : 'a CID with another hash than sha2-256'
    throw new ExecutionDataError('cid-unusable', `${what} names no blob`)
  }
  return BlobCid.fromDigest(digest)
}

type TreeOptions = Pick<ExecutionDataOptions, 'maxBlobBytes' | 'maxChunks'>

/** Encodes a block in steps. Throws `encode-refused`, also when the root would not fit into one blob, and `limit-exceeded`. */
function* encodeBlockSteps(block: BlockExecutionData, options: TreeOptions): Steps<EncodedBlock> {
  if (block.chunks.length > options.maxChunks) throw limitExceeded('maxChunks', block.chunks.length, options.maxChunks)
  const trees: Blob[][][] = []
  const tops: BlobCid[] = []
  for (const chunk of block.chunks) {
    const levels = yield* encodeChunkSteps(chunk, options.maxBlobBytes)
    const [top] = levels[0] as [Blob]
    trees.push(levels)
    tops.push(top.cid)
    yield
  }
  const root = blobOf(serializeRoot({ blockId: block.blockId, chunkIds: tops.map((cid) => cid.toBytes()) }))
  if (root.bytes.length > options.maxBlobBytes) {
    throw new ExecutionDataError('encode-refused', `the root takes ${root.bytes.length} bytes, more than one blob`)
  }
  const order = new CidCollector()
  const blobs = [root, ...trees.flat(2)].filter((blob) => order.add(blob.cid))
  const executionDataId = root.cid.toExecutionDataId()
  const manifest: BlobTreeManifest = {
    executionDataId,
    cids: order.cids,
    bytes: blobs.reduce((sum, blob) => sum + blob.bytes.length, 0),
    chunks: trees.map((levels, i) => ({ cid: tops[i] as BlobCid, levels: levels.map((level) => level.length) }))
  }
  return { executionDataId, manifest, blobs }
}

/** Encodes a block at one go; see `encodeBlockSteps` for errors. */
export function encodeBlock(block: BlockExecutionData, options: TreeOptions): EncodedBlock {
  return runNow(encodeBlockSteps(block, options))
}

/** Encodes a block and lets the event loop turn in between; see `encodeBlockSteps` for errors. */
export function encodeBlockInTurns(
  block: BlockExecutionData,
  options: TreeOptions,
  { signal }: { readonly signal?: AbortSignal } = {}
): Promise<EncodedBlock> {
  return runInTurns(encodeBlockSteps(block, options), signal)
}

/** The levels of a chunk's tree, top first. Throws `encode-refused`. */
export function* encodeChunkSteps(chunk: ChunkExecutionData, maxBlobBytes: number, form?: ChunkForm): Steps<Blob[][]> {
  let level = yield* cutSteps(yield* serializeChunkSteps(chunk, form), maxBlobBytes)
  const levels = [level]
  while (level.length > 1) {
    level = yield* cutSteps(serializeCidList(level.map((blob) => blob.cid.toBytes())), maxBlobBytes)
    levels.unshift(level)
  }
  return levels
}

function* cutSteps(bytes: Uint8Array, maxBlobBytes: number): Steps<Blob[]> {
  const blobs: Blob[] = []
  for (let at = 0; at < bytes.length; at += maxBlobBytes) {
    blobs.push(blobOf(bytes.subarray(at, at + maxBlobBytes)))
    if (blobs.length % 4 === 0) yield
  }
  return blobs
}
