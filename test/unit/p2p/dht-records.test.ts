import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { base32 } from 'multiformats/bases/base32'
import { Registry } from 'prom-client'
import { type BlobCid, blobOf } from '#src/model/index.ts'
import { createDhtMetrics } from '#src/p2p/routing/metrics.ts'
import { defaultDhtOptions, type DhtOptions } from '#src/p2p/routing/options.ts'
import { ProviderRecords } from '#src/p2p/routing/provider-records.ts'
import { MemoryRecords, type RecordTable, StoredRecords } from '#src/p2p/routing/record-table.ts'
import { writeVarint } from '#src/util/index.ts'
import { MemorySpace } from '#test/support/requester/memory-space.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const cids = Array.from({ length: 700 }, (_, at) => blobOf(new Uint8Array([at & 255, at >> 8])).cid)
const cid = (at: number): BlobCid => cids[at] as BlobCid

const keyOf = (at: number, peer: string): string => `/dht/provider/${base32.baseEncode(cid(at).toBytes())}/${peer}`

function time(ms: number): Uint8Array {
  const bytes = new Uint8Array(8)
  return bytes.slice(0, writeVarint(bytes, 0, ms))
}

async function* held(count: number): AsyncGenerator<BlobCid> {
  yield* cids.slice(0, count)
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

const TABLES: readonly (readonly [string, () => RecordTable])[] = [
  ['in memory', () => new MemoryRecords()],
  ['in the database', () => new StoredRecords(new MemorySpace())]
]

for (const [where, makeTable] of TABLES) {
  describe(`provider records ${where}`, () => {
    const setUp = (change: Partial<DhtOptions> = {}, table = makeTable()) => {
      const clock = new VirtualClock()
      const register = new Registry()
      const metrics = createDhtMetrics(register)
      const gone = new Set<BlobCid>()
      const records = new ProviderRecords(
        { table, self: 'me', holds: async (asked) => ![...gone].some(({ key }) => key === asked.key), clock, metrics },
        { ...defaultDhtOptions, ...change }
      )
      const value = async (name: string, label?: string): Promise<number> => {
        const { values } = (await register.getSingleMetric(`sealsync_p2p_dht_${name}_total`)?.get()) ?? { values: [] }
        return values
          .filter(({ labels }) => label === undefined || Object.values(labels).includes(label))
          .reduce((sum, one) => sum + one.value, 0)
      }
      return { clock, gone, records, table, value }
    }

    it('of this node go with their blobs, and with them what was due', async () => {
      const { records, value } = setUp()
      await records.open(held(3))
      await records.put(keyOf(1, 'other'), time(2))
      await all(records.query({}))
      assert.deepEqual([records.ownRecords, records.backlog], [3, 3])
      await records.withdraw([cid(0), cid(1), cid(0), cid(600)])
      assert.deepEqual([records.ownRecords, records.otherRecords, records.backlog], [1, 1, 1])
      await records.withdraw([cid(2)])
      assert.deepEqual([records.ownRecords, records.backlog], [0, 0])
      assert.equal(await value('reprovide_rounds', 'ended'), 1)
      assert.equal(await value('provides'), 0)
      await records.delete(keyOf(1, 'other'))
      assert.equal(records.bytes, 0)
    })

    it('of this node are not written again once the blob is gone', async () => {
      const { gone, records } = setUp()
      await records.open(held(2))
      await all(records.query({}))
      // The round has reached the blob; it is deleted before its turn comes.
      gone.add(cid(0))
      await records.withdraw([cid(0)])
      await assert.rejects(records.put(keyOf(0, 'me'), time(5)), /not here/)
      assert.equal(await records.has(keyOf(0, 'me')), false)
      // Deleted between its new record and the look at the store: the record goes with whoever is second.
      gone.add(cid(1))
      await assert.rejects(records.put(keyOf(1, 'me'), time(5)), /not here/)
      await records.withdraw([cid(1)])
      assert.deepEqual([records.ownRecords, records.bytes], [0, 0])
      await records.put(keyOf(0, 'other'), time(5))
      assert.equal(records.otherRecords, 1)
    })

    it('are found by blob, counted by whose they are, and forgotten', async () => {
      const { records, value } = setUp()
      await records.put(keyOf(1, 'me'), time(1))
      await records.put(keyOf(1, 'other'), time(2))
      await records.put(keyOf(2, 'other'), time(3))
      const found = await all(records.query({ prefix: `/dht/provider/${base32.baseEncode(cid(1).toBytes())}` }))
      assert.deepEqual(found.map(({ key }) => key.toString()).sort(), [keyOf(1, 'me'), keyOf(1, 'other')])
      assert.deepEqual([records.ownRecords, records.otherRecords], [1, 2])
      assert.deepEqual(await records.get(keyOf(2, 'other')), time(3))
      assert.equal(await records.has(keyOf(2, 'me')), false)
      await assert.rejects(records.get(keyOf(2, 'me')), { name: 'NotFoundError' })
      for (const [at, peer] of [
        [1, 'me'],
        [1, 'other'],
        [2, 'other'],
        [2, 'other']
      ] as const)
        await records.delete(keyOf(at, peer))
      assert.deepEqual([records.ownRecords, records.otherRecords, records.bytes], [0, 0, 0])
      assert.equal(await value('provider_additions'), 2)
      records.stop()
    })

    it('count additions, and different keys once a second', async () => {
      const { clock, records, value } = setUp()
      for (const peer of ['a', 'b', 'c']) await records.put(keyOf(1, peer), time(1))
      await records.put(keyOf(2, 'a'), time(1))
      assert.deepEqual([await value('provider_additions'), await value('provider_addition_keys')], [4, 2])
      await clock.run(1_500)
      await records.put(keyOf(1, 'a'), time(2))
      assert.deepEqual([await value('provider_additions'), await value('provider_addition_keys')], [5, 3])
      records.stop()
    })

    it('are refused beyond the bound, and when they are something else', async () => {
      const { records, value } = setUp({ maxRecords: 2 })
      await records.put(keyOf(1, 'a'), time(1))
      await records.put(keyOf(2, 'a'), time(1))
      await assert.rejects(records.put(keyOf(3, 'a'), time(1)), /full/)
      await records.put(keyOf(2, 'a'), time(9))
      assert.equal(await value('refused_additions'), 1)
      assert.equal(records.otherRecords, 2)
      await assert.rejects(records.put('/dht/record/abc', time(1)), /only provider records/)
      assert.deepEqual(await all(records.query({ prefix: '/dht/record' })), [])
      records.stop()
    })

    it('of all blobs that were there are due in the first round, whose backlog each provide makes shorter', async () => {
      const { records, value } = setUp()
      await records.open(held(600))
      assert.equal(records.ownRecords, 600)
      const walked = await all(records.query({ prefix: '/dht/provider' }))
      assert.deepEqual([walked.length, records.backlog], [600, 600])
      for (let at = 0; at < 599; at += 1) await records.put(keyOf(at, 'me'), time(1_000))
      assert.deepEqual([records.backlog, await value('reprovide_rounds', 'ended')], [1, 0])
      await records.put(keyOf(599, 'me'), time(1_000))
      assert.deepEqual([records.backlog, await value('reprovide_rounds', 'ended')], [0, 1])
      await records.put(keyOf(650, 'me'), time(1_000))
      assert.deepEqual([await value('provides', 'again'), await value('provides', 'new')], [600, 1])
      records.stop()
    })

    it('are handed out no faster than they are provided, and one that is lost on the way holds up nobody', async () => {
      const { clock, records, value } = setUp({ reprovideQueue: 2, operationTimeoutMs: 1_000 })
      await records.open(held(5))
      const walk = records.query({ prefix: '/dht/provider' })
      const blobs: string[] = []
      const walked = (async () => {
        for await (const { key } of walk) blobs.push(key.toString())
      })()
      await clock.run(500)
      assert.deepEqual([blobs.length, records.backlog], [2, 5])
      await records.put(blobs[0] ?? '', time(1_000))
      await clock.run(500)
      assert.deepEqual([blobs.length, records.backlog], [3, 4])
      await clock.run(5_000)
      await walked
      assert.deepEqual([blobs.length, records.backlog], [5, 4])
      for (const key of blobs.slice(1)) await records.put(key, time(1_000))
      assert.deepEqual([records.backlog, await value('reprovide_rounds', 'ended')], [0, 1])
      records.stop()
    })

    it('end a walk that waits when the node stops', async () => {
      const { clock, records } = setUp({ reprovideQueue: 1 })
      await records.open(held(3))
      const walked = all(records.query({ prefix: '/dht/provider' }))
      await clock.run(100)
      records.stop()
      assert.equal((await walked).length, 1)
    })

    it('of a round that does not end before the next are told', async () => {
      const { records, value } = setUp()
      await records.open(held(3))
      await all(records.query({ prefix: '/dht/provider' }))
      await records.put(keyOf(0, 'me'), time(1_000))
      await all(records.query({ prefix: '/dht/provider' }))
      assert.deepEqual([await value('reprovide_rounds', 'overtaken'), await value('reprovide_rounds', 'begun')], [1, 2])
      records.stop()
    })

    it('that are young are not due', async () => {
      const { records } = setUp({ recordLifetimeMs: 48_000, reprovideThresholdMs: 24_000 })
      await records.put(keyOf(0, 'me'), time(Date.UTC(2100, 0)))
      await all(records.query({ prefix: '/dht/provider' }))
      assert.equal(records.backlog, 0)
      records.stop()
    })

    it('that lie there already are counted when they are opened', async () => {
      const table = makeTable()
      const first = setUp({}, table)
      await first.records.put(keyOf(0, 'me'), time(5))
      await first.records.put(keyOf(0, 'other'), time(5))
      first.records.stop()
      const again = setUp({}, table)
      await again.records.open(held(2))
      assert.deepEqual([again.records.ownRecords, again.records.otherRecords], [2, 1])
      assert.deepEqual(await again.records.get(keyOf(0, 'me')), time(5))
      assert.equal(again.records.bytes, first.records.bytes + keyOf(1, 'me').length - '/dht/provider//'.length + 1)
      again.records.stop()
    })
  })
}
