import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { DIRECTORY, Machine } from '#test/support/store/machine.ts'

const FIRST = `${DIRECTORY}/0000000001.seg`
const SECOND = `${DIRECTORY}/0000000002.seg`
const blobs = (count: number): ReturnType<typeof randomBlob>[] =>
  Array.from({ length: count }, (_, at) => randomBlob(at, 1_000))

describe('segment store, damaged', () => {
  void it('gives the right bytes or none, whatever bit of an index entry is flipped, and takes the blob again', async () => {
    const machine = new Machine(1, { segmentBytes: 6_300 })
    const [blob, ...others] = blobs(8)
    assert.ok(blob !== undefined)
    const store = await machine.open()
    for (const one of [blob, ...others]) await store.put(one)
    await store.close()
    const key = Buffer.concat([Buffer.from('d'), blob.cid.digest])
    for (let bit = 0; bit < 96; bit += 1) {
      const entry = Buffer.from((await machine.index.get(key)) ?? [])
      entry[bit >> 3] = (entry[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await machine.index.batch([{ type: 'put', key, value: entry }], { sync: true })
      const again = await machine.open()
      // It may point at a dead record of the same blob.
      const got = await again.get(blob.cid)
      if (got !== undefined) assert.deepEqual(got.bytes, blob.bytes, `bit ${bit}`)
      await again.put(blob)
      for (const one of [blob, ...others]) assert.deepEqual((await again.get(one.cid))?.bytes, one.bytes)
      assert.equal(again.stats().count, 8)
      await again.close()
    }
  })

  void it('drops an index entry that is too short or too long, says so, and takes the blob again', async () => {
    for (const length of [0, 1, 11, 13, 40]) {
      const machine = new Machine(1, { segmentBytes: 6_300 })
      const [blob, deleted, ...others] = blobs(8)
      assert.ok(blob !== undefined && deleted !== undefined)
      const first = await machine.open()
      for (const one of [blob, deleted, ...others]) await first.put(one)
      await first.close()
      for (const { cid } of [blob, deleted]) {
        const key = Buffer.concat([Buffer.from('d'), cid.digest])
        await machine.index.batch([{ type: 'put', key, value: new Uint8Array(length) }], { sync: true })
      }
      const damaged: string[] = []
      const store = await machine.open((cid) => damaged.push(cid.key))
      assert.equal((await store.cidsAfter(undefined, 100)).length, 8)
      assert.equal(await store.get(blob.cid), undefined, `${length} bytes`)
      assert.deepEqual(damaged, [blob.cid.key])
      assert.equal(await machine.metric('sealsync_store_damaged_blobs_total'), 1)
      assert.equal(await store.has(blob.cid), false)
      await store.deleteMany([deleted.cid])
      assert.equal(await store.has(deleted.cid), false)
      await store.put(blob)
      for (const one of [blob, ...others]) assert.deepEqual((await store.get(one.cid))?.bytes, one.bytes)
      assert.equal(store.stats().count, 7)
      while ((await store.reclaim({ maxBytes: 10_000 })).more);
      await store.close()
      const again = await machine.open()
      for (const one of [blob, ...others]) assert.deepEqual((await again.get(one.cid))?.bytes, one.bytes)
      assert.equal(again.stats().count, 7)
      await again.close()
    }
  })

  void it('takes nothing from a segment that is there twice, or from another store', async () => {
    const other = new Machine(2, { segmentBytes: 6_300 })
    const theirs = Array.from({ length: 12 }, (_, at) => randomBlob(100 + at, 1_000))
    const store = await other.open()
    for (const blob of theirs) await store.put(blob)
    await store.close()
    const all = blobs(12)
    for (const what of ['twice', 'other', 'other, one more'] as const) {
      const machine = new Machine(1, { segmentBytes: 6_300 })
      let own = await machine.open()
      for (const blob of all) await own.put(blob)
      await own.close()
      const content = (what === 'twice' ? machine : other).disk.contentOf(what === 'other' ? SECOND : FIRST)
      machine.disk.setContent(what === 'other' ? SECOND : FIRST.replace(/1(?=\.seg$)/, '9'), Buffer.from(content))
      own = await machine.open()
      for (const blob of all.slice(0, what === 'other' ? 6 : 12)) {
        assert.deepEqual((await own.get(blob.cid))?.bytes, blob.bytes, what)
      }
      for (const blob of all) if ((await own.get(blob.cid)) === undefined) await own.put(blob)
      for (const blob of all) assert.deepEqual((await own.get(blob.cid))?.bytes, blob.bytes, what)
      for (const { cid } of theirs) assert.equal(await own.has(cid), false, what)
      assert.deepEqual(own.stats(), { count: 12, bytes: 12_000 })
      await own.close()
      own = await machine.open()
      assert.deepEqual(own.stats(), { count: 12, bytes: 12_000 })
      await own.close()
    }
  })
})
