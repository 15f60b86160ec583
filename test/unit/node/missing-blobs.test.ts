import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { DownloadSession } from '#src/execution-data/index.ts'
import { type Blob, blobOf } from '#src/model/index.ts'
import { MissingBlobs } from '#src/node/missing-blobs.ts'

const { signal } = new AbortController()

describe('missing blobs', () => {
  it('are those that are being fetched, by height, until they come or fail', async () => {
    const missing = new MissingBlobs()
    const blobs = ['a', 'b', 'c'].map((text) => blobOf(new TextEncoder().encode(text)))
    const waiting = new Map(blobs.map((blob) => [blob.cid.key, Promise.withResolvers<Blob>()]))
    const session: DownloadSession = {
      fetchInto: async (cid, { take }) => take(await (waiting.get(cid.key)?.promise ?? assert.fail('unknown')))
    }
    const options = { signal, take: (blob: Blob) => blob }
    const watched = missing.watch(7, session)
    const fetches = blobs.map((blob) => watched.fetchInto(blob.cid, options))
    const other = missing.watch(8, session).fetchInto(blobs[0]?.cid ?? assert.fail(), options)
    const names = (height: number) => missing.of(height).map(String)

    assert.deepEqual(
      names(7),
      blobs.map((blob) => blob.cid.toString())
    )
    assert.deepEqual(names(9), [])
    const [first, second, third] = blobs
    assert.ok(first && second && third)
    waiting.get(first.cid.key)?.resolve(first)
    waiting.get(second.cid.key)?.reject(new Error('gone'))
    assert.equal((await fetches[0])?.cid.key, first.cid.key)
    await assert.rejects(fetches[1] ?? assert.fail(), /gone/)
    assert.deepEqual(names(7), [third.cid.toString()])
    waiting.get(third.cid.key)?.resolve(third)
    await Promise.all([fetches[2], other])
    assert.deepEqual([...names(7), ...names(8)], [])
  })
})
