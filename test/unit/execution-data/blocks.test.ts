import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BlockExecutionData, blockToJson, encodeBlock, writeCar } from '#src/execution-data/index.ts'
import { defaultExecutionDataOptions } from '#src/execution-data/options.ts'
import { BlobCid, type ExecutionDataId } from '#src/model/index.ts'
import { blockFromJson } from './content.ts'
import { readBytes, readJson, readText, sha256Hex } from './fixtures.ts'
import { bench, carBlobs, executionDataStore, sealed, storeOf } from './support.ts'

interface ChunkVector {
  cid: string
  levels: number[]
  transactions?: number
  events?: number
  registers?: number
  cborBytes: number
}

interface BlockVector {
  name: string
  file: string
  maxBlobSize: number
  blockId: string
  executionDataId: ExecutionDataId
  rootCid: string
  blobs: number
  bytes: number
  decodedSha256: string
  carSha256: string
  chunks: ChunkVector[]
}

const blocks = readJson<(BlockVector & { content?: unknown })[]>('blocks/manifest.json').map((vector) => ({
  ...vector,
  file: `blocks/${vector.name}.car`
}))
const chain = readText('chain/blocks.jsonl')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Omit<BlockVector, 'chunks'> & { height: number; chunkList: ChunkVector[] })
  .map((vector) => ({
    ...vector,
    name: String(vector.height),
    file: `chain/${vector.file}`,
    maxBlobSize: 1_048_576,
    chunks: vector.chunkList
  }))

async function checkEncoding(block: BlockExecutionData, vector: BlockVector): Promise<void> {
  const encoded = encodeBlock(block, { ...defaultExecutionDataOptions, maxBlobBytes: vector.maxBlobSize })
  assert.equal(encoded.executionDataId, vector.executionDataId)
  assert.equal(encoded.blobs.length, vector.blobs)
  assert.equal(encoded.manifest.bytes, vector.bytes)
  checkManifest(encoded.manifest, vector)
  const pieces = await Array.fromAsync(writeCar(BlobCid.fromExecutionDataId(encoded.executionDataId), encoded.blobs))
  assert.equal(sha256Hex(Buffer.concat(pieces)), vector.carSha256)
}

function checkManifest(manifest: ReturnType<typeof encodeBlock>['manifest'], vector: BlockVector): void {
  assert.equal(manifest.cids[0]?.toString(), vector.rootCid)
  assert.deepEqual(
    manifest.chunks.map(({ cid, levels }) => ({ cid: cid.toString(), levels })),
    vector.chunks.map(({ cid, levels }) => ({ cid, levels }))
  )
}

/** Store, downloader and CAR file of a block. */
async function checkReading(vector: BlockVector): Promise<BlockExecutionData> {
  assert.equal(sha256Hex(readBytes(vector.file)), vector.carSha256)
  const blobs = await carBlobs(vector.file)
  assert.equal(blobs.length, vector.blobs)
  const { blockstore, download, fetched, stored } = bench(blobs)
  const manifest = await download(sealed(vector.executionDataId, vector.blockId))
  checkManifest(manifest, vector)
  assert.equal(manifest.bytes, vector.bytes)
  assert.deepEqual(
    manifest.cids.map(String),
    blobs.map((blob) => String(blob.cid)),
    'CAR order'
  )
  assert.equal(fetched.length, vector.blobs)
  assert.equal(stored.length, vector.blobs)
  const store = executionDataStore(blockstore)
  const pieces = await Array.fromAsync(writeCar(blobs[0]?.cid as BlobCid, store.readTree(vector.executionDataId)))
  assert.equal(sha256Hex(Buffer.concat(pieces)), vector.carSha256)
  assert.deepEqual(await store.checkTree(vector.executionDataId), { complete: true, manifest })
  const content = await store.checkContent(manifest)
  const block = await store.readBlock(vector.executionDataId)
  assert.equal(sha256Hex(JSON.stringify(blockToJson(block))), vector.decodedSha256)
  assert.equal(content.chunks, block.chunks.length)
  assert.equal(
    content.events,
    block.chunks.reduce((sum, chunk) => sum + (chunk.events?.length ?? 0), 0)
  )
  return block
}

describe('blocks', () => {
  for (const vector of blocks) {
    test(`${vector.name}: content gives the blobs`, {
      skip: vector.name === 'v1-chunk' && 'can be decoded only'
    }, async () => {
      await checkEncoding(blockFromJson(readJson(`blocks/${vector.name}.json`)), vector)
    })
    test(`${vector.name}: blobs give the content`, async () => {
      const block = await checkReading(vector)
      if (vector.name !== 'v1-chunk') await checkEncoding(block, vector)
    })
  }
})

describe('the chain', () => {
  for (const vector of chain) {
    test(`block ${vector.height}: decoded and encoded again, bit for bit`, async () => {
      await checkEncoding(await checkReading(vector), vector)
    })
  }

  test('counts are those of the blocks', async () => {
    for (const vector of chain.slice(0, 20)) {
      const store = executionDataStore(await storeOf(await carBlobs(vector.file)))
      const check = await store.checkTree(vector.executionDataId)
      assert.ok(check.complete)
      const { transactions, events, registers, decodedBytes } = await store.checkContent(check.manifest)
      const sum = (key: 'transactions' | 'events' | 'registers' | 'cborBytes'): number =>
        vector.chunks.reduce((total, chunk) => total + (chunk[key] ?? 0), 0)
      assert.deepEqual(
        { transactions, events, registers, decodedBytes },
        {
          transactions: sum('transactions'),
          events: sum('events'),
          registers: sum('registers'),
          decodedBytes: sum('cborBytes')
        }
      )
    }
  })
})
