import {
  chunkToJson,
  type DecodedChunkTree,
  defaultExecutionDataOptions,
  type Json,
  openBlock
} from '../execution-data/index.ts'
import type { BlobCid, BlockId, ExecutionDataId } from '../model/index.ts'
import { readCarBlobs } from './blob-files.ts'

/** One block of a CAR file. */
export interface InspectedBlock {
  readonly executionDataId: ExecutionDataId
  readonly rootCid: BlobCid
  readonly blockId: BlockId
  /** Different blobs of the file, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** In order, one at a time; to be iterated once. Throws ExecutionDataError of the malformed kinds. */
  readonly chunks: AsyncIterable<InspectedChunk>
}

/** A chunk without its decoded objects: its content stands in `content`, in the canonical form of the golden vectors. */
export type InspectedChunk = Omit<DecodedChunkTree, 'value'> & { readonly content: Json }

/**
 * Reads a CAR file whole and opens the blocks that its roots name, one after the other. Throws as `readCarBlobs`, and ExecutionDataError
 * `blob-missing` and the malformed kinds.
 */
export async function* inspectCar(
  source: AsyncIterable<Uint8Array>,
  { strict, signal }: { readonly strict: boolean; readonly signal: AbortSignal }
): AsyncGenerator<InspectedBlock, void, undefined> {
  const options = { ...defaultExecutionDataOptions, strict }
  const car = await readCarBlobs(source)
  for (const rootCid of car.roots) {
    const executionDataId = rootCid.toExecutionDataId()
    const { blockId, chunks } = await openBlock(car, options, { executionDataId, signal })
    yield { executionDataId, rootCid, blockId, blobs: car.size, bytes: car.bytes, chunks: withContent(chunks) }
  }
}

async function* withContent(chunks: AsyncIterable<DecodedChunkTree>): AsyncGenerator<InspectedChunk, void, undefined> {
  for await (const { value, ...chunk } of chunks) yield { ...chunk, content: chunkToJson(value) }
}
