import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type BlockExecutionDataRoot,
  blockToJson,
  defaultExecutionDataOptions,
  deserialize,
  type ExecutionDataError,
  isMalformed
} from '#src/execution-data/index.ts'
import { BlobCid, type ExecutionDataId } from '#src/model/index.ts'
import { readJson, sha256Hex } from './fixtures.ts'
import { bench, carBlobs, executionDataStore, sealed, storeOf } from './support.ts'

interface Verdict {
  accepted: boolean
  sha256?: string
  error?: string
}

interface TreeVector {
  name: string
  rootCid: string
  file: string
  store: Verdict
  downloader: Verdict
}

const refused = readJson<{ trees: Record<string, { limit: string; reason: string }> }>('refused.json').trees

/** Where this downloader says more than flow-go, which waits for a CID that names nothing until its time is over. */
const NEVER_TO_COME = new Set(['null-cid-in-list', 'null-cid-in-root'])

describe('odd trees', () => {
  for (const vector of readJson<TreeVector[]>('trees/trees.json')) {
    const id = (BlobCid.parse(vector.rootCid) as BlobCid).toExecutionDataId()
    const refusal = refused[vector.name]

    test(`${vector.name}: ${vector.downloader.accepted ? 'downloaded' : 'not downloaded'}`, async () => {
      const blobs = vector.file === '' ? [] : await carBlobs(`trees/${vector.file}`)
      const { download, blockstore } = bench(blobs)
      const blockId = blockIdOf(blobs, id)
      if (vector.downloader.accepted && refusal === undefined) {
        const manifest = await download(sealed(id, blockId))
        assert.equal(manifest.cids.length, blobs.length)
        const store = executionDataStore(blockstore)
        const block = await store.readBlock(id)
        assert.equal(sha256Hex(JSON.stringify(blockToJson(block))), vector.downloader.sha256)
        const again = await Array.fromAsync(store.readTree(id))
        assert.deepEqual(
          again.map((blob) => String(blob.cid)),
          manifest.cids.map(String)
        )
        await store.checkContent(manifest)
        return
      }
      if (vector.downloader.error?.startsWith('DeadlineExceeded') && !NEVER_TO_COME.has(vector.name)) {
        await assert.rejects(until(download, sealed(id, blockId)), { name: 'AbortError' })
        return
      }
      await assert.rejects(download(sealed(id, blockId)), (error: ExecutionDataError) => {
        assert.ok(isMalformed(error), String(error))
        if (refusal !== undefined)
          assert.deepEqual([error.code, error.details.limit], ['limit-exceeded', refusal.limit])
        else if (NEVER_TO_COME.has(vector.name)) assert.equal(error.code, 'cid-unusable')
        else assert.equal(error.code === 'blob-too-large', vector.downloader.error?.startsWith('BlobSizeLimit'))
        return true
      })
    })

    test(`${vector.name}: ${vector.store.accepted ? 'read' : 'not read'} from the store`, async () => {
      const blobs = vector.file === '' ? [] : await carBlobs(`trees/${vector.file}`)
      const store = executionDataStore(await storeOf(blobs), { maxTreeDepth: 256 })
      if (!vector.downloader.accepted) {
        const missing = vector.store.error?.startsWith('BlobNotFound') && !NEVER_TO_COME.has(vector.name)
        const failed = (error: ExecutionDataError): boolean =>
          missing ? error.code === 'blob-missing' : isMalformed(error)
        // blob size is looked at where blobs come from the network; a store that has such a blob gives it
        if (!vector.store.accepted) await assert.rejects(store.readBlock(id), failed)
        if (missing) {
          const check = await store.checkTree(id)
          assert.ok(!check.complete && check.missing.length > 0)
        } else {
          await assert.rejects(store.checkTree(id), failed)
        }
        return
      }
      assert.equal(sha256Hex(JSON.stringify(blockToJson(await store.readBlock(id)))), vector.store.sha256)
      assert.equal((await store.checkTree(id)).complete, true)
    })
  }

  function blockIdOf(blobs: Awaited<ReturnType<typeof carBlobs>>, id: ExecutionDataId): string {
    const root = blobs.find((blob) => blob.cid.toExecutionDataId() === id)
    try {
      const options = { ...defaultExecutionDataOptions, expected: [2] as const }
      return (deserialize([root?.bytes ?? new Uint8Array()], options).value as BlockExecutionDataRoot).blockId
    } catch {
      return '00'.repeat(32)
    }
  }

  /** Lets the download go as far as it can, then aborts it. */
  async function until(
    download: ReturnType<typeof bench>['download'],
    block: ReturnType<typeof sealed>
  ): Promise<unknown> {
    const controller = new AbortController()
    const result = download(block, controller.signal)
    result.catch(() => {})
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    return result
  }
})
