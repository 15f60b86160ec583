import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type EncodedBlock, encodeBlock, type ExecutionDataOptions, isMalformed } from '#src/execution-data/index.ts'
import { defaultExecutionDataOptions } from '#src/execution-data/options.ts'
import type { ChunkExecutionData } from '#src/execution-data/types.ts'
import { type Blob, blobOf, type BlockId } from '#src/model/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import { generate } from './fixtures.ts'
import { bench, sealed, sessionOf, storeOf } from './support.ts'

const BLOCK_ID = 'ab'.repeat(32) as BlockId

function chunkOf(seed: string, len: number): ChunkExecutionData {
  const payload = generate({ gen: 'sha256ctr', seed, len })
  const event = { type: 'flow.Test', payload, eventIndex: 0, transactionId: new Uint8Array(32), transactionIndex: 0 }
  return { events: [event], collection: { transactions: [] }, trieUpdate: null, transactionResults: null }
}

/** Four chunks, each of several levels of blobs of at most 256 bytes. */
function deepBlock(sizes: readonly number[] = [5000, 3000, 100, 9000]): EncodedBlock {
  const chunks = sizes.map((size, i) => chunkOf(`chunk ${i}`, size))
  return encodeBlock({ blockId: BLOCK_ID, chunks }, { ...defaultExecutionDataOptions, maxBlobBytes: 256 })
}

const keys = (cids: readonly { key: string }[]): string[] => cids.map((cid) => cid.key).sort()
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

describe('downloader', () => {
  const block = deepBlock()
  const request = sealed(block.executionDataId, BLOCK_ID)

  test('fetches each blob once, stores it, says so, and resolves with the manifest', async () => {
    const { download, fetched, stored, blockstore, value } = bench(block.blobs)
    assert.deepEqual(await download(request), block.manifest)
    assert.deepEqual(keys(fetched.map(({ cid }) => cid)), keys(block.manifest.cids))
    assert.deepEqual(keys(stored), keys(block.manifest.cids))
    assert.equal(blockstore.stats().bytes, block.manifest.bytes)
    assert.equal(await value('blobs_total', 'source="network"'), block.manifest.cids.length)
    assert.equal(await value('blob_bytes_total', 'source="network"'), block.manifest.bytes)
    assert.equal(await value('downloads_total', 'outcome="ok"'), 1)
    assert.equal(await value('download_duration_seconds_count'), 1)
    assert.equal(await value('refetched_blobs_total'), 0)
  })

  test('takes from the store what is there', async () => {
    const { download, fetched, blockstore, value } = bench(block.blobs)
    const have = block.blobs.filter((_, i) => i % 2 === 0)
    await blockstore.putMany(have)
    assert.deepEqual(await download(request), block.manifest)
    assert.equal(fetched.length, block.blobs.length - have.length)
    assert.equal(await value('blobs_total', 'source="store"'), have.length)
  })

  test('a hint wants all blobs at once, in its order', async () => {
    const { download, fetched, value } = bench(block.blobs)
    const result = download({ ...request, hint: block.manifest.cids })
    await turns(1)
    const atOnce = fetched.length
    assert.deepEqual(await result, block.manifest)
    assert.ok(atOnce >= Math.min(block.blobs.length, defaultExecutionDataOptions.maxHintFetches), `${atOnce} at once`)
    assert.equal(fetched.length, block.blobs.length)
    assert.equal(await value('extra_hint_blobs_total', 'arrived="no"'), 0)
  })

  test('what a hint names beside the tree is neither stored nor in the manifest, and its fetches end', async () => {
    const strangers = Array.from({ length: 20 }, (_, i) => blobOf(new Uint8Array([i, 1, 2])))
    const never = Array.from({ length: 10 }, (_, i) => blobOf(new Uint8Array([i, 9])).cid)
    const { download, fetched, stored, blockstore, value } = bench([...block.blobs, ...strangers])
    const hint = [...never, ...strangers.map((blob) => blob.cid), ...block.manifest.cids]
    assert.deepEqual(await download({ ...request, hint }), block.manifest)
    assert.deepEqual(keys(stored), keys(block.manifest.cids))
    assert.equal(blockstore.stats().count, block.blobs.length)
    for (const { cid, signal } of fetched) {
      if (never.some((stranger) => stranger.key === cid.key)) assert.ok(signal.aborted)
    }
    assert.equal(await value('extra_hint_blobs_total', 'arrived="yes"'), 20)
    assert.equal(await value('extra_hint_blobs_total', 'arrived="no"'), 10)
    assert.equal(await value('extra_hint_bytes_total'), 60)
  })

  test('a hint of blobs that never come does not stop the walk', async () => {
    const never = Array.from({ length: 600 }, (_, i) => blobOf(new Uint8Array([i >> 8, i & 255, 7])).cid)
    const { download } = bench(block.blobs, { maxHintFetches: 16, parallelFetches: 2 })
    assert.deepEqual(await download({ ...request, hint: never }), block.manifest)
  })

  test('a hint is given up when too many bytes are unconfirmed', async () => {
    const strangers = Array.from({ length: 40 }, (_, i) => blobOf(new Uint8Array(1000).fill(i)))
    const slow = { root: block.blobs[0] as Blob }
    let release = (): void => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const asked: string[] = []
    const all = new Map([...block.blobs, ...strangers].map((blob) => [blob.cid.key as string, blob]))
    const { download, value } = bench(
      [],
      { maxUnconfirmedBytes: 10_000, maxHintFetches: 16 },
      {
        openSession: () =>
          sessionOf(async (cid) => {
            asked.push(cid.key)
            if (cid.key === slow.root.cid.key) await gate
            return all.get(cid.key) as Blob
          })
      }
    )
    const result = download({ ...request, hint: strangers.map((blob) => blob.cid) })
    await turns(50)
    assert.ok(asked.length < 20, `${asked.length} asked before the tree was known`)
    release()
    assert.deepEqual(await result, block.manifest)
    assert.ok(asked.length <= 20 + block.blobs.length)
    assert.equal(await value('hints_given_up_total'), 1)
  })

  test('hints that lie at every height cost so much together, and are believed again in time', async () => {
    let now = 0
    const clock = { now: () => now, wallNow: () => now, setTimer: () => ({ cancel() {} }) }
    const strangers = Array.from({ length: 40 }, (_, i) => blobOf(new Uint8Array(1000).fill(i)))
    const hint = strangers.map((blob) => blob.cid)
    const options = { maxFalseHintBytes: 90_000, falseHintBytesPerSecond: 1000 }
    const blocks = Array.from({ length: 12 }, (_, i) => deepBlock([5000 + 100 * i, 3000]))
    const peer = [...blocks.flatMap(({ blobs }) => blobs), ...strangers]
    const { download, fetched, value } = bench(peer, options, { clock })
    const next = async (): Promise<void> => {
      const one = blocks.pop() as EncodedBlock
      assert.deepEqual(await download({ ...sealed(one.executionDataId, BLOCK_ID), hint }), one.manifest)
    }
    const asks = (): number => fetched.filter(({ cid }) => hint.some(({ key }) => key === cid.key)).length
    for (let height = 0; height < 10; height += 1) await next()
    assert.equal(asks(), 3 * strangers.length, 'three of 40,000 bytes each, the last from what was left')
    assert.equal(await value('hints_given_up_total'), 7)
    assert.equal(await value('extra_hint_bytes_total'), 120_000)
    now = 60_000
    await next()
    await next()
    assert.equal(asks(), 4 * strangers.length, 'one more after a minute')
  })

  test('a root of another block is malformed, and only the root is stored', async () => {
    const { download, blockstore, value } = bench(block.blobs)
    await assert.rejects(download(sealed(block.executionDataId, 'cd'.repeat(32))), { code: 'block-mismatch' })
    assert.equal(blockstore.stats().count, 1)
    assert.equal(await value('malformed_total', 'code="block-mismatch"'), 1)
    assert.equal(await value('downloads_total', 'outcome="malformed"'), 1)
  })

  test('an abort ends every fetch with its reason', async () => {
    const { download, fetched, value } = bench(block.blobs.slice(0, 3))
    const controller = new AbortController()
    const result = download({ ...request, hint: block.manifest.cids }, controller.signal)
    result.catch(() => {})
    await turns(10)
    controller.abort(new Error('enough'))
    await assert.rejects(result, { message: 'enough' })
    const pending = fetched.filter(({ cid }) => !block.blobs.slice(0, 3).some((blob) => blob.cid.key === cid.key))
    assert.ok(pending.length > 0 && pending.every(({ signal }) => signal.aborted))
    assert.equal(await value('downloads_total', 'outcome="aborted"'), 1)
    await assert.rejects(download(request, AbortSignal.abort(new Error('before'))), { message: 'before' })
  })

  test('resolves only when all is durable; onStored comes with the put', async () => {
    const order: string[] = []
    const waiting: (() => void)[] = []
    const memory = new MemoryBlockstore()
    const { download } = bench(
      block.blobs,
      {},
      {
        blockstore: {
          get: (cid) => memory.get(cid),
          has: (cid) => memory.has(cid),
          put(blob) {
            order.push('put')
            void memory.put(blob)
            return new Promise((resolve) => waiting.push(resolve))
          }
        },
        onStored: () => order.push('stored')
      }
    )
    let done = false
    const result = download(request).then(() => {
      done = true
    })
    while (waiting.length < block.blobs.length) await turns(1)
    await turns(20)
    assert.equal(done, false)
    assert.deepEqual(
      order,
      block.blobs.flatMap(() => ['put', 'stored'])
    )
    for (const resolve of waiting.slice(1)) resolve()
    await turns(20)
    assert.equal(done, false)
    waiting[0]?.()
    await result
  })

  test('a slow disk holds back the network', async () => {
    const waiting: (() => void)[] = []
    const memory = new MemoryBlockstore()
    const { download, fetched } = bench(
      block.blobs,
      { maxUndurableBytes: 2000, parallelFetches: 2, maxHintFetches: 8 },
      {
        blockstore: {
          get: (cid) => memory.get(cid),
          has: (cid) => memory.has(cid),
          put(blob) {
            void memory.put(blob)
            return new Promise((resolve) => waiting.push(resolve))
          }
        }
      }
    )
    const result = download({ ...request, hint: block.manifest.cids })
    await turns(100)
    assert.ok(fetched.length < 30, `${fetched.length} of ${block.blobs.length} fetched`)
    let done = false
    void result.then(() => {
      done = true
    })
    while (!done) {
      waiting.shift()?.()
      await turns(1)
    }
    await result
  })

  test('an abort is not held up by a store that stands still', async () => {
    const memory = new MemoryBlockstore()
    for (const maxUndurableBytes of [1, 1 << 20]) {
      const stuck = {
        get: memory.get.bind(memory),
        has: memory.has.bind(memory),
        put: () => new Promise<void>(() => {})
      }
      const { download } = bench(block.blobs, { maxUndurableBytes, parallelFetches: 2 }, { blockstore: stuck })
      const controller = new AbortController()
      const result = download({ ...request, hint: block.manifest.cids }, controller.signal)
      result.catch(() => {})
      await turns(100)
      controller.abort(new Error('stop'))
      await assert.rejects(result, { message: 'stop' })
    }
  })

  test('a hint goes on behind blobs that the store has', async () => {
    const { download, fetched, blockstore } = bench(block.blobs, { maxHintFetches: 4, parallelFetches: 1 })
    const have = block.blobs.slice(1, 60)
    await blockstore.putMany(have)
    const result = download({ ...request, hint: block.manifest.cids.slice(1) })
    await turns(2)
    const behind = fetched.filter(({ cid }) => cid.key !== block.manifest.cids[0]?.key)
    assert.ok(behind.length > 0, 'blobs behind those in the store are wanted before the tree is known')
    assert.deepEqual(await result, block.manifest)
    assert.equal(fetched.length, block.blobs.length - have.length)
  })

  test('any root, list or chunk that a peer could seal ends in a manifest or a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 255 }), fc.boolean(), async (at, byte, shorten) => {
        const root = (block.blobs[0] as Blob).bytes
        const bytes = shorten ? root.slice(0, at % root.length) : root.slice()
        if (!shorten) bytes[at % root.length] = byte
        const changed = blobOf(bytes)
        const held = new Map([...block.blobs, changed].map((blob) => [blob.cid.key, blob]))
        const missing = Object.assign(new Error('missing'), { code: 'missing' })
        const { download } = bench(
          [],
          {},
          {
            openSession: () => sessionOf(async (cid) => held.get(cid.key) ?? Promise.reject(missing))
          }
        )
        try {
          await download(sealed(changed.cid.toExecutionDataId(), BLOCK_ID))
        } catch (error) {
          assert.ok(isMalformed(error) || error === missing, String(error))
        }
      }),
      { numRuns: 500 }
    )
  })

  test('fails as the store fails, and as the session fails', async () => {
    const memory = new MemoryBlockstore()
    const full = Object.assign(new Error('no space'), { code: 'disk-full' })
    const failing = bench(
      block.blobs,
      {},
      {
        blockstore: {
          get: (cid) => memory.get(cid),
          has: (cid) => memory.has(cid),
          put: (blob) => (blob.cid.key === block.blobs[5]?.cid.key ? Promise.reject(full) : memory.put(blob))
        }
      }
    )
    await assert.rejects(failing.download(request), { code: 'disk-full' })
    assert.equal(await failing.value('downloads_total', 'outcome="failed"'), 1)
    const stopped = Object.assign(new Error('stopped'), { code: 'stopped' })
    const ended = bench([], {}, { openSession: () => sessionOf(() => Promise.reject(stopped)) })
    await assert.rejects(ended.download({ ...request, hint: block.manifest.cids }), { code: 'stopped' })
    const wrong = bench([], {}, { openSession: () => sessionOf(async () => block.blobs[1] as Blob) })
    await assert.rejects(wrong.download(request), { code: 'blob-mismatch' })
  })

  test('counts a blob that the store had when it came, but not one that two blocks wanted at once', async () => {
    const late = bench(block.blobs)
    const miss = bench(
      [],
      {},
      {
        blockstore: {
          get: async () => undefined,
          has: (cid) => late.blockstore.has(cid),
          put: (blob) => late.blockstore.put(blob)
        },
        openSession: () => sessionOf(async (cid) => block.blobs.find((blob) => blob.cid.key === cid.key) as Blob)
      }
    )
    await late.blockstore.put(block.blobs[2] as Blob)
    await miss.download(request)
    assert.equal(await miss.value('refetched_blobs_total'), 1)
    const both = bench(block.blobs)
    await Promise.all([both.download(request), both.download({ ...request, hint: block.manifest.cids })])
    assert.equal(await both.value('refetched_blobs_total'), 0)
  })

  const bounds: [Partial<ExecutionDataOptions>, string][] = [
    [{ maxChunks: 3 }, 'maxChunks'],
    [{ maxTreeDepth: 2 }, 'maxTreeDepth'],
    [{ maxLevelCids: 10 }, 'maxLevelCids'],
    [{ maxBlockCids: 20 }, 'maxBlockCids'],
    [{ maxBlockBytes: 4000 }, 'maxBlockBytes'],
    [{ maxListBytes: 300 }, 'maxListBytes']
  ]
  for (const [options, limit] of bounds) {
    test(`meets ${limit}`, async () => {
      const { download } = bench(block.blobs, options)
      await assert.rejects(download(request), (error: { code: string; details: { limit: string } }) => {
        assert.deepEqual([error.code, error.details.limit], ['limit-exceeded', limit])
        return true
      })
    })
  }

  test('meets maxBlobBytes', async () => {
    const big = encodeBlock({ blockId: BLOCK_ID, chunks: [chunkOf('big', 2000)] }, defaultExecutionDataOptions)
    for (const hint of [[], big.manifest.cids]) {
      const { download, blockstore } = bench(big.blobs, { maxBlobBytes: 1000 })
      await assert.rejects(download({ ...sealed(big.executionDataId, BLOCK_ID), hint }), { code: 'blob-too-large' })
      assert.equal(blockstore.stats().count, 1)
    }
  })

  test('one chunk named 5,000 times is walked once', async () => {
    const chunk = chunkOf('same', 2000)
    const chunks = Array.from({ length: 5000 }, () => chunk)
    const top = encodeBlock({ blockId: BLOCK_ID, chunks: [chunk] }, defaultExecutionDataOptions)
    const many = encodeBlock({ blockId: BLOCK_ID, chunks }, defaultExecutionDataOptions)
    const { download, fetched } = bench(many.blobs)
    const manifest = await download(sealed(many.executionDataId, BLOCK_ID))
    assert.equal(manifest.chunks.length, 5000)
    assert.equal(fetched.length, 2)
    assert.equal(manifest.cids[1]?.key, top.manifest.cids[1]?.key)
  })

  test('a store that had everything asks nobody', async () => {
    const blockstore = await storeOf(block.blobs)
    const { download, fetched, stored } = bench([], {}, { blockstore })
    assert.deepEqual(await download({ ...request, hint: block.manifest.cids }), block.manifest)
    assert.equal(fetched.length + stored.length, 0)
  })
})
