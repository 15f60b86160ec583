import { type Blob, BlobCid, type BlockId, blobOf, type DigestKey, type ExecutionDataId } from '../model/index.ts'
import { blobCidOf, encodeChunkSteps } from './blob-tree.ts'
import type { ChunkForm } from './cbor/encode.ts'
import { type DecodedObject, getBlob, openLevel } from './chunk-reader.ts'
import { type ExecutionDataOptions, MIN_MAX_BLOB_BYTES } from './options.ts'
import { CHUNK_CODES, deserializeSteps, serializeRoot } from './serializer.ts'
import { runInTurns } from './steps.ts'
import { readListLevel, type TreeSource, walkTree } from './tree-walker.ts'
import type { BlockExecutionDataRoot, ChunkExecutionData } from './types.ts'

/**
 * Decodes a whole block, encodes it again and compares blob by blob. What is different says that the producer's encoding is not
 * ours: then its execution data id could not be had from the data.
 *
 * Chunk by chunk, so that no more than one is held. The size at which the producer cut is read off the tree: all blobs of a level
 * but the last have it.
 */

/** Where a block's blobs come from: all of them, or those of a file. */
export interface BlobSource {
  get(cid: BlobCid): Promise<Blob | undefined>
  getSize(cid: BlobCid): Promise<number | undefined>
}

export interface Mismatch {
  /** Position in the block; `null` for the root. */
  readonly chunk: number | null
  /** The blob that did not come out again; `null` when there is one too many. */
  readonly cid: BlobCid | null
  /** What came out in its place; `null` when nothing did. */
  readonly encoded: BlobCid | null
}

export interface RoundTrip {
  readonly blockId: BlockId
  /** Different blobs of the tree, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** Decompressed bytes of the different chunks. */
  readonly decodedBytes: number
  /** Chunks of the version without transaction results. */
  readonly v1Chunks: number
  readonly mismatches: readonly Mismatch[]
}

export interface RoundTripOptions {
  readonly signal?: AbortSignal
  /** Told before and after each of the two halves of the work, to measure them. */
  readonly onPhase?: (phase: 'decode' | 'encode' | 'other') => void
}

/**
 * Throws ExecutionDataError: `blob-missing` and the malformed kinds, as far as the options refuse; rejects with the signal's reason.
 */
export async function checkRoundTrip(
  source: BlobSource,
  options: ExecutionDataOptions,
  { executionDataId, signal, onPhase = () => undefined }: RoundTripOptions & { executionDataId: ExecutionDataId }
): Promise<RoundTrip> {
  const { root, manifest } = await walkTree(wholeTree(source), options, { executionDataId })
  const { blockId, chunkIds } = root as BlockExecutionDataRoot
  const mismatches: Mismatch[] = []
  let decodedBytes = 0
  let v1Chunks = 0
  const done = new Set<DigestKey>()
  for (const [chunk, top] of (chunkIds ?? []).map(blobCidOf).entries()) {
    if (done.has(top.key)) continue
    done.add(top.key)
    const levels = await readLevels(source, options, top)
    const size = await blobSizeOf(source, levels, options)
    onPhase('decode')
    const { code, value, decodedBytes: length } = await decodeLevel(source, options, { levels, signal })
    onPhase('encode')
    const pairs = await closest(levels, formsOf(value, code), (form) =>
      runInTurns(encodeChunkSteps(value, size, form), signal)
    )
    onPhase('other')
    decodedBytes += length
    if (code === 3) v1Chunks += 1
    for (const pair of pairs) mismatches.push({ chunk, ...pair })
  }
  const rootCid = BlobCid.fromExecutionDataId(executionDataId)
  const again = blobOf(serializeRoot({ blockId, chunkIds })).cid
  if (again.key !== rootCid.key) mismatches.push({ chunk: null, cid: rootCid, encoded: again })
  const { cids, bytes } = manifest
  return { blockId, blobs: cids.length, bytes, decodedBytes, v1Chunks, mismatches }
}

/** Forms in which a chunk may have been written: the current one first. */
function formsOf(chunk: ChunkExecutionData, code: 3 | 4): ChunkForm[] {
  const hasNull = chunk.trieUpdate?.payloads?.some((payload) => payload?.value === null) === true
  return hasNull
    ? [
        { code, nullValues: true },
        { code, nullValues: false }
      ]
    : [{ code, nullValues: false }]
}

type Pair = Pick<Mismatch, 'cid' | 'encoded'>

/** What differs from the form that comes nearest. */
async function closest(
  levels: readonly (readonly BlobCid[])[],
  forms: readonly ChunkForm[],
  encode: (form: ChunkForm) => Promise<Blob[][]>
): Promise<Pair[]> {
  let best: Pair[] | undefined
  for (const form of forms) {
    const pairs = different(levels, await encode(form))
    if (best === undefined || pairs.length < best.length) best = pairs
    if (best.length === 0) break
  }
  return best ?? []
}

function different(levels: readonly (readonly BlobCid[])[], encoded: readonly (readonly Blob[])[]): Pair[] {
  const expected = levels.flat()
  const found = encoded.flat()
  const pairs: Pair[] = []
  for (let i = 0; i < Math.max(expected.length, found.length); i += 1) {
    const cid = expected[i] ?? null
    const other = found[i]?.cid ?? null
    if (cid?.key !== other?.key) pairs.push({ cid, encoded: other })
  }
  return pairs
}

/** Every level of a chunk's tree, top first. The tree was walked before, so its bounds are met. */
async function readLevels(source: BlobSource, options: ExecutionDataOptions, top: BlobCid): Promise<BlobCid[][]> {
  const levels: BlobCid[][] = []
  for (let level = [top]; ; ) {
    levels.push(level)
    const { isChunk } = await openLevel(source, level)
    if (isChunk) return levels
    level = readListLevel(await sliceLevel(source, level), options)
  }
}

async function sliceLevel(source: BlobSource, level: readonly BlobCid[]): Promise<Uint8Array[]> {
  const slices: Uint8Array[] = []
  for (const cid of level) slices.push((await getBlob(source, cid)).bytes)
  return slices
}

/** Where the producer cut: the length of a level's first blob when there are several; else nothing was cut, or by no size that could be. */
async function blobSizeOf(
  source: BlobSource,
  levels: readonly (readonly BlobCid[])[],
  options: ExecutionDataOptions
): Promise<number> {
  let size = 0
  for (const level of levels) {
    if (level.length > 1) size = Math.max(size, (await source.getSize(level[0] as BlobCid)) ?? 0)
  }
  return size < MIN_MAX_BLOB_BYTES ? options.maxBlobBytes : size
}

/** A chunk with its place in the block's tree. */
export type DecodedChunkTree = DecodedObject & {
  readonly cid: BlobCid
  /** CIDs of each level, repeats counted, top first. */
  readonly levels: readonly number[]
}

export interface OpenedBlock {
  readonly blockId: BlockId
  /** In the block's order, one at a time; one that the root names twice comes twice. To be iterated once. */
  readonly chunks: AsyncIterable<DecodedChunkTree>
}

/** Opens a block whose tree is whole, to be decoded chunk by chunk. Errors as of `checkRoundTrip`, in both steps. */
export async function openBlock(
  source: BlobSource,
  options: ExecutionDataOptions,
  { executionDataId, signal }: Pick<RoundTripOptions, 'signal'> & { readonly executionDataId: ExecutionDataId }
): Promise<OpenedBlock> {
  const { root } = await walkTree(wholeTree(source), options, { executionDataId })
  const { blockId, chunkIds } = root as BlockExecutionDataRoot
  const chunks = async function* (): AsyncGenerator<DecodedChunkTree, void, undefined> {
    for (const cid of (chunkIds ?? []).map(blobCidOf)) {
      const levels = await readLevels(source, options, cid)
      const object = await decodeLevel(source, options, { levels, signal })
      yield { ...object, cid, levels: levels.map((level) => level.length) }
    }
  }
  return { blockId, chunks: chunks() }
}

/** A tree of which every blob is asked for, so that the first that is missing ends the walk. */
function wholeTree(source: BlobSource): TreeSource {
  return {
    read: async (cid, look) => look((await getBlob(source, cid)).bytes),
    size: async (cid) => (await getBlob(source, cid)).bytes.length,
    abandon: () => undefined
  }
}

async function decodeLevel(
  source: BlobSource,
  options: ExecutionDataOptions,
  { levels, signal }: { readonly levels: readonly (readonly BlobCid[])[]; readonly signal: AbortSignal | undefined }
): Promise<DecodedObject> {
  const slices = await sliceLevel(source, levels.at(-1) ?? [])
  const object = await runInTurns(deserializeSteps(slices, { ...options, expected: CHUNK_CODES }), signal)
  return object as DecodedObject
}
