import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultExecutionDataOptions, deserialize, encodeBlock } from '#src/execution-data/index.ts'
import { mixedSize, syntheticBlock } from '#src/lab/workload/index.ts'
import type { BlockId } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'

const encode = (block: ReturnType<typeof syntheticBlock>): ReturnType<typeof encodeBlock> =>
  encodeBlock(block, defaultExecutionDataOptions)

describe('synthetic blocks', () => {
  test('are the same for the same seed, and others for another', () => {
    const options = { seed: 1, height: 10, sizeBytes: 20_000 }
    const id = (change: object): string => encode(syntheticBlock({ ...options, ...change })).executionDataId
    assert.equal(id({}), id({}))
    const ids = [
      id({}),
      id({ seed: 2 }),
      id({ height: 11 }),
      id({ sizeBytes: 21_000 }),
      id({ parent: 'aa'.repeat(32) as BlockId })
    ]
    assert.equal(new Set(ids).size, ids.length)
  })

  test('come out at about the size asked for', () => {
    for (const kib of [16, 20, 36, 64, 100, 250, 300, 1000, 3000, 9000]) {
      const sizeBytes = kib * 1024
      const { manifest } = encode(syntheticBlock({ seed: 3, height: kib, sizeBytes }))
      const ratio = manifest.bytes / sizeBytes
      assert.ok(ratio > 0.8 && ratio < 1.2, `${kib} KiB: ${manifest.bytes} bytes`)
    }
    for (const sizeBytes of [1, 1000, 4096]) {
      const { manifest } = encode(syntheticBlock({ seed: 3, height: 1, sizeBytes }))
      assert.ok(manifest.bytes < 6000, `${sizeBytes}: ${manifest.bytes} bytes`)
    }
  })

  test('are valid execution data', () => {
    const block = syntheticBlock({ seed: 4, height: 1, sizeBytes: 300_000 })
    const { blobs, manifest } = encode(block)
    const decoded = blobs.slice(1).map((blob) => {
      const object = deserialize([blob.bytes], { ...defaultExecutionDataOptions, expected: [4] })
      assert.ok(object.code === 4)
      return object.value
    })
    assert.deepEqual(encode({ blockId: block.blockId, chunks: decoded }).manifest, manifest)
    for (const chunk of decoded) {
      assert.equal(chunk.trieUpdate?.paths?.length, chunk.trieUpdate?.payloads?.length)
      assert.equal(chunk.collection?.transactions?.length, chunk.transactionResults?.length)
    }
  })

  test('have blobs of exactly the size asked for', () => {
    for (const blobSize of [512, 513, 700, 1024, 4096, 10_000, 65_536, 65_790, 65_800, 262_144, 1_048_575, 1_048_576]) {
      const { blobs } = encode(syntheticBlock({ seed: 5, height: blobSize, blobSize, blobsPerBlock: 3 }))
      assert.deepEqual(
        blobs.slice(1).map((blob) => blob.bytes.length),
        [blobSize, blobSize, blobSize]
      )
    }
    for (let blobSize = 512; blobSize < 1100; blobSize += 7) {
      const { blobs } = encode(syntheticBlock({ seed: 6, height: blobSize, blobSize, blobsPerBlock: 1 }))
      assert.equal(blobs[1]?.bytes.length, blobSize)
    }
  })

  test('refuse what cannot be', () => {
    const wrong = [
      { blobSize: 511, blobsPerBlock: 1 },
      { blobSize: 1_048_577, blobsPerBlock: 1 },
      { blobSize: 1024, blobsPerBlock: 0 },
      { sizeBytes: 0 },
      { sizeBytes: Number.NaN }
    ]
    for (const options of wrong) assert.throws(() => syntheticBlock({ seed: 1, height: 1, ...options }), RangeError)
  })

  test('mixed sizes lie between 4 KiB and 3 MiB, half of them below some tens of KiB', () => {
    const rng = seededRng(1)
    const sizes = Array.from({ length: 10_000 }, () => mixedSize(rng)).sort((a, b) => a - b)
    assert.ok((sizes[0] as number) >= 4096 && (sizes.at(-1) as number) <= 3 << 20)
    const median = sizes[5000] as number
    assert.ok(median > 20_000 && median < 60_000, `median ${median}`)
    assert.ok((sizes[9500] as number) > 1 << 20)
  })
})
