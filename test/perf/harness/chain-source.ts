import { createReadStream } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  defaultExecutionDataOptions,
  type EncodedBlock,
  encodeBlockInTurns,
  writeCar
} from '#src/execution-data/index.ts'
import { syntheticBlock } from '#src/lab/workload/index.ts'
import { BlobCid, type BlockId, type Height } from '#src/model/index.ts'

const GENUINE = fileURLToPath(new URL('../../fixtures/chain/blocks.jsonl', import.meta.url))
const FIRST_HEIGHT = 2_000_000
const SEED = 1

export interface MadeChain {
  /** A CAR for each block. */
  readonly cars: string
  readonly blockList: string
  readonly first: Height
  readonly last: Height
  readonly blocks: number
  readonly blobs: number
  readonly bytes: number
}

/**
 * Synthetic blocks with the chunks of the genuine chain's, over and over: as many, and as long when serialized. Every byte of them
 * is new, so no blob comes twice.
 */
export async function* chainBlocks(count: number): AsyncGenerator<{
  readonly height: Height
  readonly blockId: BlockId
  readonly block: EncodedBlock
}> {
  const shapes = await genuineShapes()
  for (let at = 0; at < count; at += 1) {
    const height = FIRST_HEIGHT + at
    const content = syntheticBlock({ seed: SEED, height, chunkBytes: shapes[at % shapes.length] ?? [] })
    yield { height, blockId: content.blockId, block: await encodeBlockInTurns(content, defaultExecutionDataOptions) }
  }
}

/** Writes such a chain as CAR files and a block list. */
export async function makeChain(directory: string, count: number): Promise<MadeChain> {
  const cars = join(directory, 'cars')
  const blockList = join(directory, 'blocks.jsonl')
  await mkdir(cars, { recursive: true })
  const lines: string[] = []
  const sum = { blobs: 0, bytes: 0 }
  for await (const { height, blockId, block } of chainBlocks(count)) {
    const { executionDataId, blobs, manifest } = block
    const file = await open(join(cars, `${height}.car`), 'w')
    for await (const part of writeCar(BlobCid.fromExecutionDataId(executionDataId), blobs)) await file.write(part)
    await file.close()
    lines.push(`${JSON.stringify({ height, blockId, executionDataId })}\n`)
    sum.blobs += manifest.cids.length
    sum.bytes += manifest.bytes
  }
  await writeFile(blockList, lines.join(''))
  return { cars, blockList, first: FIRST_HEIGHT, last: FIRST_HEIGHT + count - 1, blocks: count, ...sum }
}

/** Of each block of the genuine chain, the lengths of its chunks. */
async function genuineShapes(): Promise<number[][]> {
  const shapes: number[][] = []
  for await (const line of createInterface({ input: createReadStream(GENUINE) })) {
    const { chunkList } = JSON.parse(line) as { chunkList: { serializedBytes: number }[] }
    shapes.push(chunkList.map(({ serializedBytes }) => serializedBytes))
  }
  return shapes
}
