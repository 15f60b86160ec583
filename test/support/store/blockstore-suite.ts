import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Blob, type BlobCid, blobOf } from '#src/model/index.ts'
import type { Blockstore } from '#src/store/index.ts'
import { seededRng } from '#src/util/index.ts'

export interface BlockstoreFixture {
  readonly store: Blockstore
  readonly close: () => Promise<void>
}

export function randomBlob(seed: number, length: number): Blob {
  const rng = seededRng(seed * 2_654_435_761)
  return blobOf(Uint8Array.from({ length }, () => rng.next() * 256))
}

async function keysOf(store: Blockstore): Promise<string[]> {
  const keys: string[] = []
  for await (const cid of store.keys()) keys.push(String(cid))
  return keys.sort()
}

const names = (blobs: readonly Blob[]): string[] => blobs.map((blob) => String(blob.cid)).sort()
const cidsOf = (blobs: readonly Blob[]): BlobCid[] => blobs.map((blob) => blob.cid)

/** What every `Blockstore` does, whatever it stands on. */
export function blockstoreSuite(name: string, create: () => Promise<BlockstoreFixture>): void {
  async function using(run: (store: Blockstore) => Promise<void>): Promise<void> {
    const { store, close } = await create()
    try {
      await run(store)
    } finally {
      await close()
    }
  }
  const rule = (what: string, run: (store: Blockstore) => Promise<void>): void => {
    void it(what, () => using(run))
  }

  void describe(`blockstore: ${name}`, () => {
    rule('knows nothing when it is empty', async (store) => {
      const { cid } = randomBlob(1, 10)
      assert.equal(await store.has(cid), false)
      assert.equal(await store.getSize(cid), undefined)
      assert.equal(await store.get(cid), undefined)
      assert.deepEqual(await store.deleteMany([cid]), { count: 0, bytes: 0 })
      assert.deepEqual(await keysOf(store), [])
      assert.deepEqual(store.stats(), { count: 0, bytes: 0 })
    })

    rule('gives back what was put, of every size', async (store) => {
      // Empty, one byte, one below and above a sector, the largest blob flow-go makes, the largest block of the exchange.
      const blobs = [0, 1, 511, 513, 1_048_576, 2_097_152].map((length, at) => randomBlob(at, length))
      for (const blob of blobs) await store.put(blob)
      for (const blob of blobs) {
        assert.equal(await store.has(blob.cid), true)
        assert.equal(await store.getSize(blob.cid), blob.bytes.length)
        const got = await store.get(blob.cid)
        assert.equal(got?.cid.key, blob.cid.key)
        assert.deepEqual(got?.bytes, blob.bytes)
      }
      assert.deepEqual(await keysOf(store), names(blobs))
      assert.deepEqual(store.stats(), { count: 6, bytes: 3_146_753 })
    })

    rule('answers for a blob from the call of put on', async (store) => {
      const blob = randomBlob(7, 4_000)
      const put = store.put(blob)
      const answers = [store.has(blob.cid), store.getSize(blob.cid), store.get(blob.cid)] as const
      assert.equal(await answers[0], true)
      assert.equal(await answers[1], 4_000)
      assert.deepEqual((await answers[2])?.bytes, blob.bytes)
      await put
    })

    rule('puts many at once, and takes the same blob twice in one call', async (store) => {
      const blobs = Array.from({ length: 50 }, (_, at) => randomBlob(100 + at, 100 + at))
      await store.putMany([...blobs, ...blobs.slice(0, 5)])
      assert.deepEqual(await keysOf(store), names(blobs))
      assert.equal(store.stats().count, 50)
      await store.putMany([])
    })

    rule('putting again changes nothing, also at the same moment', async (store) => {
      const blob = randomBlob(8, 1_000)
      await Promise.all([store.put(blob), store.put(blob), store.putMany([blob, randomBlob(9, 10)])])
      await store.put(blob)
      assert.deepEqual(store.stats(), { count: 2, bytes: 1_010 })
      assert.equal((await keysOf(store)).length, 2)
    })

    rule('deletes what is there, counts it, and takes it again', async (store) => {
      const blobs = Array.from({ length: 20 }, (_, at) => randomBlob(200 + at, 300))
      await store.putMany(blobs)
      for (const blob of blobs) await store.get(blob.cid)
      const gone = blobs.slice(0, 8)
      const deleted = await store.deleteMany([...cidsOf(gone), ...cidsOf(gone), randomBlob(999, 5).cid])
      assert.deepEqual(deleted, { count: 8, bytes: 2_400 })
      for (const blob of gone) {
        assert.equal(await store.has(blob.cid), false)
        assert.equal(await store.getSize(blob.cid), undefined)
        assert.equal(await store.get(blob.cid), undefined)
      }
      assert.deepEqual(await keysOf(store), names(blobs.slice(8)))
      assert.deepEqual(store.stats(), { count: 12, bytes: 3_600 })
      await store.putMany(gone)
      assert.deepEqual(await keysOf(store), names(blobs))
      for (const blob of gone) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
    })

    rule('keeps order between a put and a deletion that overlap', async (store) => {
      const blob = randomBlob(10, 2_000)
      const put = store.put(blob)
      assert.deepEqual(await store.deleteMany([blob.cid]), { count: 1, bytes: 2_000 })
      await put
      assert.equal(await store.has(blob.cid), false)
      await store.put(blob)
      const deletion = store.deleteMany([blob.cid])
      const again = store.put(blob)
      await Promise.all([deletion, again])
      // Whichever order the store took them in, what it says fits what it has.
      const here = await store.has(blob.cid)
      assert.equal(store.stats().count, here ? 1 : 0)
      assert.equal((await store.get(blob.cid)) !== undefined, here)
      await store.put(blob)
      assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
    })

    rule('agrees with a plain map under a mixed load', async (store) => {
      const rng = seededRng(4)
      const model = new Map<string, Blob>()
      const blobs = Array.from({ length: 40 }, (_, at) => randomBlob(300 + at, 50 * at))
      for (let step = 0; step < 400; step += 1) {
        const some = blobs.filter(() => rng.next() < 0.1)
        if (rng.next() < 0.6) {
          await store.putMany(some)
          for (const blob of some) model.set(blob.cid.key, blob)
        } else {
          const there = some.filter((blob) => model.delete(blob.cid.key)).length
          assert.equal((await store.deleteMany(cidsOf(some))).count, there)
        }
        const probe = blobs[Math.floor(rng.next() * blobs.length)]
        if (probe === undefined) continue
        assert.equal(await store.has(probe.cid), model.has(probe.cid.key))
        assert.deepEqual((await store.get(probe.cid))?.bytes, model.get(probe.cid.key)?.bytes)
      }
      assert.deepEqual(await keysOf(store), names([...model.values()]))
      const bytes = [...model.values()].reduce((sum, blob) => sum + blob.bytes.length, 0)
      assert.deepEqual(store.stats(), { count: model.size, bytes })
    })
  })
}
