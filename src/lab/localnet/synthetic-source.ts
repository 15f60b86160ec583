import { createHash } from 'node:crypto'
import { defaultExecutionDataOptions, encodeBlock, encodeBlockInTurns, writeCar } from '../../execution-data/index.ts'
import { BlobCid, type BlockId, type Height, MAX_BLOB_BYTES } from '../../model/index.ts'
import { concatBytes, seededRng } from '../../util/index.ts'
import type { LocalnetOptions } from '../options.ts'
import { mixedSize, type SyntheticBlockOptions, syntheticBlock } from '../workload/index.ts'
import type { BlockSource, SourceBlock } from './source.ts'

/** Where a chain that is all synthetic begins. */
export const SYNTHETIC_FIRST_HEIGHT = 1_000_000

export interface SyntheticShape extends Pick<LocalnetOptions, 'seed' | 'blobSize' | 'blobsPerBlock'> {
  /** About the length of each chunk: much cheaper to make than blobs of an exact size. */
  readonly chunkBytes?: readonly number[]
  /** Each block is encoded in one turn of the event loop: where that is full, a block in hundreds of turns takes seconds. */
  readonly atOnce?: boolean
}

/** Blocks that are not all alike: the shape of the n-th. */
type VaryingShape = { readonly seed: number; readonly shapeOf: (at: number) => Omit<SyntheticShape, 'seed'> }

/** Blocks without end, made of the seed alone: of mixed sizes, or all of the blobs that `shape` asks for. */
export function syntheticSource(shape: SyntheticShape | VaryingShape, firstHeight: Height): BlockSource {
  return {
    name: 'synthetic',
    firstHeight,
    total: undefined,
    async *blocks() {
      const rng = seededRng(shape.seed)
      let parent: BlockId | undefined
      for (let height = firstHeight; ; height += 1) {
        const place = { seed: shape.seed, height, ...(parent === undefined ? {} : { parent }) }
        const now = shaped(shape, height - firstHeight)
        const block = await makeBlock({ ...place, ...sizeOf(now, () => mixedSize(rng)) }, now.atOnce === true)
        parent = block.blockId
        yield block
      }
    }
  }
}

type SyntheticSize =
  | { readonly sizeBytes: number }
  | { readonly chunkBytes: readonly number[] }
  | { readonly blobSize: number; readonly blobsPerBlock: number }

const shaped = (shape: SyntheticShape | VaryingShape, at: number): Omit<SyntheticShape, 'seed'> =>
  'shapeOf' in shape ? shape.shapeOf(at) : shape

function sizeOf(
  { blobSize, blobsPerBlock, chunkBytes }: Omit<SyntheticShape, 'seed'>,
  mixed: () => number
): SyntheticSize {
  if (chunkBytes !== undefined) return { chunkBytes }
  if (blobSize === undefined && blobsPerBlock === undefined) return { sizeBytes: mixed() }
  return { blobSize: blobSize ?? MAX_BLOB_BYTES, blobsPerBlock: blobsPerBlock ?? 1 }
}

async function makeBlock(options: SyntheticBlockOptions, atOnce: boolean): Promise<SourceBlock> {
  const content = syntheticBlock(options)
  const { executionDataId, blobs, manifest } = atOnce
    ? encodeBlock(content, defaultExecutionDataOptions)
    : await encodeBlockInTurns(content, defaultExecutionDataOptions)
  const parts: Uint8Array[] = []
  for await (const part of writeCar(BlobCid.fromExecutionDataId(executionDataId), blobs)) parts.push(part)
  const car = concatBytes(parts)
  return {
    height: options.height,
    blockId: content.blockId,
    executionDataId,
    blobs: manifest.cids.length,
    bytes: manifest.bytes,
    carSha256: createHash('sha256').update(car).digest('hex'),
    car
  }
}
