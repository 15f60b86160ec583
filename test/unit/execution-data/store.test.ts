import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import {
  createExecutionDataMetrics,
  defaultExecutionDataOptions,
  encodeBlock,
  encodeBlockInTurns,
  ExecutionDataStore,
  validateExecutionDataOptions
} from '#src/execution-data/index.ts'
import type { MemoryAccount } from '#src/budget/account.ts'
import { type Blob, blobOf } from '#src/model/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import { blockFromJson } from './content.ts'
import { readJson } from './fixtures.ts'
import { executionDataStore, storeOf } from './support.ts'

const options = { ...defaultExecutionDataOptions, maxBlobBytes: 256 }
const block = blockFromJson(readJson('blocks/three-chunks.json'))
const encoded = encodeBlock(block, options)
const { executionDataId, manifest } = encoded

class Account implements MemoryAccount {
  readonly name = 'decode'
  readonly capBytes: number
  reservedBytes = 0
  most = 0

  constructor(capBytes: number) {
    this.capBytes = capBytes
  }

  tryReserve(bytes: number): boolean {
    if (this.reservedBytes + bytes > this.capBytes) return false
    this.reservedBytes += bytes
    this.most = Math.max(this.most, this.reservedBytes)
    return true
  }

  release(bytes: number): void {
    this.reservedBytes -= bytes
  }
}

describe('execution data store', () => {
  test('encoding in turns gives the same block and can be aborted', async () => {
    assert.deepEqual((await encodeBlockInTurns(block, options)).manifest, manifest)
    await assert.rejects(encodeBlockInTurns(block, options, { signal: AbortSignal.abort(new Error('no')) }), {
      message: 'no'
    })
    assert.throws(() => encodeBlock(block, { ...options, maxChunks: 2 }), { code: 'limit-exceeded' })
    const chunks = Array.from({ length: 40 }, (_, i) => ({ ...(block.chunks[i % 3] as (typeof block.chunks)[0]) }))
    chunks.forEach((chunk, i) =>
      Object.assign(chunk, { events: [], collection: { transactions: Array(i).fill(null) } })
    )
    assert.throws(() => encodeBlock({ ...block, chunks }, options), { code: 'encode-refused' })
  })

  test('reads no more blobs ahead than are asked for', async () => {
    const store = await storeOf(encoded.blobs)
    let loads = 0
    const counting = {
      get: (cid: Blob['cid']) => {
        loads += 1
        return store.get(cid)
      },
      getSize: (cid: Blob['cid']) => store.getSize(cid)
    }
    const reader = new ExecutionDataStore(
      { blockstore: counting, metrics: createExecutionDataMetrics(new Registry()) },
      options
    )
    const blobs = reader.readTree(executionDataId)
    await blobs.next()
    await blobs.next()
    assert.equal(loads, 2)
    await blobs.return()
    loads = 0
    await reader.checkTree(executionDataId)
    assert.ok(loads < encoded.blobs.length / 2, 'leaves are not loaded')
  })

  test('names every missing blob that can be known', async () => {
    const leaves = manifest.cids.slice(-3)
    const store = await storeOf(encoded.blobs.filter((blob) => !leaves.some((cid) => cid.key === blob.cid.key)))
    const check = await executionDataStore(store).checkTree(executionDataId)
    assert.ok(!check.complete)
    assert.deepEqual(check.missing.map(String).sort(), leaves.map(String).sort())
    const nothing = await executionDataStore(new MemoryBlockstore()).checkTree(executionDataId)
    assert.deepEqual(nothing, { complete: false, missing: [manifest.cids[0]] })
    const top = manifest.chunks[0]?.cid
    const withoutTop = await storeOf(encoded.blobs.filter((blob) => blob.cid.key !== top?.key))
    assert.deepEqual(await executionDataStore(withoutTop).checkTree(executionDataId), {
      complete: false,
      missing: [top]
    })
    await assert.rejects(executionDataStore(store).checkContent(manifest), { code: 'blob-missing' })
    await assert.rejects(Array.fromAsync(executionDataStore(store).readTree(executionDataId)), { code: 'blob-missing' })
  })

  test('bounds what a block may hold decoded', async () => {
    const store = await storeOf(encoded.blobs)
    const limit = (name: string) => (error: { code: string; details: { limit: string } }) => {
      assert.deepEqual([error.code, error.details.limit], ['limit-exceeded', name])
      return true
    }
    const check = await executionDataStore(store).checkContent(manifest)
    const whole = { maxDecodedBlockBytes: check.decodedBytes }
    await executionDataStore(store, whole).readBlock(executionDataId)
    const less = { maxDecodedBlockBytes: check.decodedBytes - 1 }
    await assert.rejects(executionDataStore(store, less).readBlock(executionDataId), limit('maxDecodedBlockBytes'))
    await assert.rejects(
      executionDataStore(store, { maxChunkBytes: 1000 }).readBlock(executionDataId),
      limit('maxChunkBytes')
    )
    const serialized = { maxChunkSerializedBytes: 1000 }
    await assert.rejects(executionDataStore(store, serialized).checkContent(manifest), limit('maxChunkSerializedBytes'))
  })

  test('reserves what a decoding holds, and gives it back', async () => {
    const blockstore = await storeOf(encoded.blobs)
    const register = new Registry()
    const metrics = createExecutionDataMetrics(register)
    const read = async (capBytes: number): Promise<Account> => {
      const memory = new Account(capBytes)
      try {
        const store = new ExecutionDataStore({ blockstore, metrics, memory }, options)
        await store.checkContent(manifest)
        await store.readBlock(executionDataId)
        return memory
      } finally {
        assert.equal(memory.reservedBytes, 0)
      }
    }
    const { most } = await read(1 << 30)
    assert.ok(most > 0)
    await read(most)
    await assert.rejects(read(most - 1), { code: 'memory-refused' })
    const text = await register.metrics()
    assert.match(text, /sealsync_execution_data_memory_refused_total 1/)
    assert.match(text, /sealsync_execution_data_decoded_bytes_total [1-9]/)
  })

  test('decodes in turns: the event loop turns during a large chunk, and an abort ends it', async () => {
    const events = Array.from({ length: 4000 }, (_, i) => ({
      type: `A.0123456789abcdef.Contract.Event${i}`,
      payload: new Uint8Array(400).fill(i),
      eventIndex: i,
      transactionId: new Uint8Array(32),
      transactionIndex: 0
    }))
    const chunk = { events, collection: null, trieUpdate: null, transactionResults: null }
    const large = encodeBlock({ blockId: block.blockId, chunks: [chunk] }, defaultExecutionDataOptions)
    const store = executionDataStore(await storeOf(large.blobs), { pauseBytes: 100_000 })
    let turns = 0
    let running = true
    const count = (): void => {
      turns += 1
      if (running) setImmediate(count)
    }
    count()
    await store.checkContent(large.manifest)
    running = false
    assert.ok(turns >= 15, `${turns} turns`)
    const controller = new AbortController()
    const result = store.readBlock(large.executionDataId, { signal: controller.signal })
    setImmediate(() => controller.abort(new Error('enough')))
    await assert.rejects(result, { message: 'enough' })
  })

  test('a malformed chunk is found by the structural check', async () => {
    const bad = blobOf(new Uint8Array([4, 1, 2, 3, 4, 5]))
    const store = await storeOf([bad])
    await assert.rejects(executionDataStore(store).checkContent({ chunks: [{ cid: bad.cid, levels: [1] }] }), {
      code: 'lz4-malformed'
    })
  })

  test('options say what would break', () => {
    validateExecutionDataOptions(defaultExecutionDataOptions)
    validateExecutionDataOptions({ ...defaultExecutionDataOptions, maxHintFetches: 0 })
    const wrong = [
      { maxChunks: 0 },
      { maxItems: 1.5 },
      { maxBlobBytes: 64 },
      { maxBlobBytes: 2 << 20 },
      { maxBlockBytes: 1000 },
      { maxRatio: 256 }
    ]
    for (const change of wrong) {
      assert.throws(() => validateExecutionDataOptions({ ...defaultExecutionDataOptions, ...change }), RangeError)
    }
  })
})
