import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import type { MemoryAccount } from '#src/budget/account.ts'
import type { Blob } from '#src/model/index.ts'
import {
  type Blockstore,
  createStoreMetrics,
  MemoryBlockstore,
  MeteredBlockstore,
  validateWarehouseOptions,
  Warehouse
} from '#src/store/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'

/** Counts loads, and holds back what the test tells it to. */
class SlowStore extends MemoryBlockstore {
  loads = 0
  gate: Promise<unknown> = Promise.resolve()
  failure: Error | undefined

  override async get(...args: Parameters<Blockstore['get']>): Promise<Blob | undefined> {
    this.loads += 1
    const found = await super.get(...args)
    await this.gate
    if (this.failure !== undefined) throw this.failure
    return found
  }

  override async putMany(blobs: readonly Blob[]): Promise<void> {
    await this.gate
    if (this.failure !== undefined) throw this.failure
    await super.putMany(blobs)
  }
}

class Account implements MemoryAccount {
  readonly name = 'cache'
  readonly capBytes: number
  reservedBytes = 0

  constructor(capBytes: number) {
    this.capBytes = capBytes
  }

  tryReserve(bytes: number): boolean {
    if (this.reservedBytes + bytes > this.capBytes) return false
    this.reservedBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.reservedBytes -= bytes
  }
}

function build(cacheBytes: number, account?: Account) {
  const store = new SlowStore()
  const registry = new Registry()
  const metrics = createStoreMetrics(registry)
  const clock = new VirtualClock()
  const components = { store, metrics, clock, ...(account === undefined ? {} : { account }) }
  const warehouse = new Warehouse(components, { cacheBytes, idleMs: 1_000 })
  const metric = async (name: string, labels: object = {}): Promise<number> => {
    const values = (await registry.getSingleMetric(name)?.get())?.values ?? []
    const isMeant = (of: object): boolean =>
      Object.entries(labels).every(([key, value]) => Reflect.get(of, key) === value)
    return values.filter(({ labels: of }) => isMeant(of)).reduce((sum, { value }) => sum + value, 0)
  }
  return { store, warehouse, metrics, metric, clock }
}

function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { promise, open: resolve }
}

void describe('warehouse', () => {
  void it('loads a blob once however many ask, with and without a cache', async () => {
    for (const cacheBytes of [0, 100_000]) {
      const { store, warehouse, metric } = build(cacheBytes)
      const blob = randomBlob(1, 1_000)
      await store.put(blob)
      const held = gate()
      store.gate = held.promise
      const gets = Array.from({ length: 100 }, () => warehouse.get(blob.cid))
      held.open()
      for (const get of gets) assert.equal(await get, blob)
      assert.equal(store.loads, 1)
      assert.equal(await warehouse.get(blob.cid), blob)
      assert.equal(store.loads, cacheBytes === 0 ? 2 : 1)
      assert.equal(await metric('sealsync_store_cache_requests_total', { result: 'joined' }), 99)
      assert.equal(await metric('sealsync_store_cache_requests_total', { result: 'hit' }), cacheBytes === 0 ? 0 : 1)
    }
  })

  void it('keeps the most recently used within its bytes and accounts for them', async () => {
    const account = new Account(1e9)
    const { store, warehouse, metric } = build(10 * 1_512, account)
    const blobs = Array.from({ length: 30 }, (_, at) => randomBlob(at, 1_000))
    for (const [at, blob] of blobs.entries()) {
      await warehouse.put(blob)
      if (at >= 1 && blobs[0] !== undefined) await warehouse.get(blobs[0].cid)
      assert.ok(account.reservedBytes <= 10 * 1_512)
      assert.equal(await metric('sealsync_store_cache_bytes'), account.reservedBytes)
    }
    assert.equal(store.loads, 0, 'the first is always in use')
    assert.equal(await metric('sealsync_store_cache_evictions_total'), 20)
    assert.equal(await metric('sealsync_store_cache_blobs'), 10)
    for (const blob of blobs.slice(21)) await warehouse.get(blob.cid)
    assert.equal(store.loads, 0)
    await warehouse.get(blobs[1]?.cid ?? randomBlob(0, 0).cid)
    assert.equal(store.loads, 1)
    // Longer than the whole cache: goes past it.
    await warehouse.put(randomBlob(99, 20_000))
    assert.equal(await metric('sealsync_store_cache_blobs'), 10)
    await warehouse.deleteMany(blobs.map((blob) => blob.cid))
    assert.equal(account.reservedBytes, 0)
    await warehouse.put(randomBlob(7, 10))
    warehouse.clear()
    assert.equal(account.reservedBytes, 0)
  })

  void it('gives back on demand, and holds a smaller share while it is told to', async () => {
    const account = new Account(1e9)
    const { store, warehouse } = build(10 * 1_512, account)
    for (let at = 0; at < 10; at += 1) await warehouse.put(randomBlob(at, 1_000))
    warehouse.giveBack(2_000)
    assert.equal(account.reservedBytes, 8 * 1_512)
    assert.ok(await warehouse.get(randomBlob(9, 1_000).cid))
    assert.equal(store.loads, 0, 'the most recently used stays')
    warehouse.setShare(0.25)
    assert.equal(account.reservedBytes, 2 * 1_512)
    await warehouse.put(randomBlob(20, 1_000))
    assert.equal(account.reservedBytes, 2 * 1_512)
    warehouse.setShare(0)
    assert.equal(account.reservedBytes, 0)
    assert.ok(await warehouse.get(randomBlob(20, 1_000).cid))
    assert.equal(account.reservedBytes, 0)
    warehouse.setShare(1)
    assert.ok(await warehouse.get(randomBlob(20, 1_000).cid))
    assert.equal(account.reservedBytes, 1_512)
  })

  void it('gives way when the memory budget has no room', async () => {
    const account = new Account(2 * 1_512 + 100)
    const { warehouse, metric } = build(100_000, account)
    for (let at = 0; at < 5; at += 1) await warehouse.put(randomBlob(at, 1_000))
    assert.equal(account.reservedBytes, 2 * 1_512)
    account.reservedBytes = account.capBytes
    await warehouse.put(randomBlob(9, 1_000))
    assert.equal(await metric('sealsync_store_cache_blobs'), 2)
    for (let at = 0; at < 5; at += 1) assert.notEqual(await warehouse.get(randomBlob(at, 1_000).cid), undefined)
  })

  void it('makes a put readable before the disk is done, and forgets it when the disk fails', async () => {
    const { store, warehouse } = build(100_000)
    const blob = randomBlob(1, 500)
    const held = gate()
    store.gate = held.promise
    store.failure = new Error('no room')
    const put = warehouse.put(blob)
    assert.equal(await warehouse.get(blob.cid), blob)
    assert.equal(await warehouse.has(blob.cid), true)
    assert.equal(await warehouse.getSize(blob.cid), 500)
    held.open()
    await assert.rejects(put, /no room/)
    store.failure = undefined
    assert.equal(await warehouse.has(blob.cid), false)
    assert.equal(await warehouse.get(blob.cid), undefined)
  })

  void it('caches nothing that was deleted while it was loaded', async () => {
    const { store, warehouse } = build(100_000)
    const blob = randomBlob(1, 500)
    await store.put(blob)
    const held = gate()
    store.gate = held.promise
    const get = warehouse.get(blob.cid)
    await Promise.resolve()
    assert.deepEqual(await warehouse.deleteMany([blob.cid]), { count: 1, bytes: blob.bytes.length })
    held.open()
    assert.equal(await get, blob)
    assert.equal(await warehouse.has(blob.cid), false)
    assert.equal(await warehouse.get(blob.cid), undefined)
  })

  void it('asks the store again after a load that failed or found nothing', async () => {
    const { store, warehouse } = build(100_000)
    const blob = randomBlob(1, 500)
    assert.equal(await warehouse.get(blob.cid), undefined)
    await store.put(blob)
    store.failure = new Error('a read')
    await assert.rejects(warehouse.get(blob.cid), /a read/)
    store.failure = undefined
    assert.equal(await warehouse.get(blob.cid), blob)
  })

  void it('keeps what is hot from what is paged in, and from what is read once', async () => {
    const { store, warehouse, metric } = build(20 * 1_512)
    const fresh = Array.from({ length: 15 }, (_, at) => randomBlob(at, 1_000))
    const old = Array.from({ length: 100 }, (_, at) => randomBlob(100 + at, 1_000))
    for (const blob of old) await store.put(blob)
    for (const blob of fresh) await warehouse.put(blob)
    for (const blob of old) assert.ok(await warehouse.as('once').get(blob.cid))
    assert.equal(await metric('sealsync_store_cache_blobs'), 15)
    for (const blob of old) assert.ok(await warehouse.get(blob.cid))
    assert.equal(await metric('sealsync_store_cache_blobs'), 20)
    assert.equal(await metric('sealsync_store_cache_hot_bytes'), 15 * 1_512)
    assert.equal(await metric('sealsync_store_cache_paged_in_bytes_total'), 200_000)
    const loads = store.loads
    for (const blob of [...fresh, ...old.slice(-5)]) assert.ok(await warehouse.as('once').get(blob.cid))
    assert.equal(store.loads, loads)
    // More of what is hot than its share gives way to what is paged in, the oldest first.
    for (let at = 0; at < 10; at += 1) await warehouse.put(randomBlob(300 + at, 1_000))
    assert.equal(await metric('sealsync_store_cache_hot_bytes'), 16 * 1_512)
    // What is read once and asked for by others in the same moment is kept for them.
    warehouse.clear()
    const [first] = old
    assert.ok(first)
    await Promise.all([warehouse.as('once').get(first.cid), warehouse.as('hot').get(first.cid)])
    assert.equal(await metric('sealsync_store_cache_hot_bytes'), 1_512)
  })

  void it('never evicts what is pinned, pays for it to the end, and forgets it when it was deleted', async () => {
    const account = new Account(1e9)
    const { store, warehouse, metric } = build(4 * 1_512, account)
    const blobs = Array.from({ length: 12 }, (_, at) => randomBlob(at, 1_000))
    for (const blob of blobs) await store.put(blob)
    const [first = blobs[0], second = blobs[0]] = blobs
    assert.ok(first && second)
    const pins = [await warehouse.pin(first.cid), await warehouse.pin(first.cid), await warehouse.pin(second.cid)]
    assert.equal(await metric('sealsync_store_cache_pinned_bytes'), 2 * 1_512)
    for (const blob of blobs) await warehouse.get(blob.cid)
    warehouse.clear()
    warehouse.setShare(0.25)
    assert.deepEqual([account.reservedBytes, await metric('sealsync_store_cache_blobs')], [2 * 1_512, 2])
    const loads = store.loads
    assert.equal(await warehouse.get(first.cid), first)
    assert.equal(store.loads, loads)
    await warehouse.deleteMany([second.cid])
    assert.equal(await warehouse.get(second.cid), undefined)
    assert.equal(account.reservedBytes, 2 * 1_512, 'somebody still holds it')
    warehouse.setShare(1)
    for (const pin of [...pins, ...pins]) pin?.release()
    assert.equal(account.reservedBytes, 1_512)
    assert.equal(await metric('sealsync_store_cache_pinned_bytes'), 0)
    assert.equal(await warehouse.pin(randomBlob(99, 10).cid), undefined)
    // Where the cache has no room the blob is its user's alone.
    warehouse.setShare(0)
    assert.equal((await warehouse.pin(first.cid))?.blob, first)
    assert.equal(account.reservedBytes, 0)
  })

  void it('drops what idles', async () => {
    const account = new Account(1e9)
    const { warehouse, metric, clock } = build(100 * 1_512, account)
    await warehouse.start()
    const [used, idle] = [randomBlob(1, 1_000), randomBlob(2, 1_000)]
    await warehouse.putMany([used, idle])
    for (let at = 0; at < 5; at += 1) {
      await clock.run(clock.now() + 400)
      await warehouse.get(used.cid)
    }
    assert.equal(await metric('sealsync_store_cache_idle_drops_total'), 1)
    assert.equal(account.reservedBytes, 1_512)
    await clock.run(clock.now() + 5_000)
    assert.equal(account.reservedBytes, 0)
    await warehouse.stop()
    assert.equal(await warehouse.get(idle.cid), idle)
  })

  void it('preloads as long as nothing has to leave for it', async () => {
    const { store, warehouse, metric } = build(4 * 1_512)
    const blobs = Array.from({ length: 6 }, (_, at) => randomBlob(at, 1_000))
    for (const blob of blobs) await store.put(blob)
    const fits: boolean[] = []
    for (const { cid } of [...blobs, randomBlob(77, 1)]) fits.push(await warehouse.preload(cid))
    assert.deepEqual(fits, [true, true, true, true, false, false, true])
    assert.equal(await metric('sealsync_store_cache_preloaded_blobs_total'), 4)
    assert.equal(store.loads, 4)
  })

  void it('keeps what was made of a tree under the same bound, until its root goes', async () => {
    const account = new Account(1e9)
    const { store, warehouse, metric } = build(4 * 1_512, account)
    const root = randomBlob(1, 1_000)
    await store.put(root)
    let made = 0
    const make = async () => ({ value: (made += 1), bytes: 1_000 })
    assert.deepEqual([await warehouse.derived(root.cid, make), await warehouse.derived(root.cid, make)], [1, 1])
    assert.equal(account.reservedBytes, 1_512)
    await assert.rejects(
      warehouse.derived(randomBlob(3, 9).cid, () => Promise.reject(new Error('no tree'))),
      /no tree/
    )
    for (let at = 10; at < 20; at += 1) await warehouse.put(randomBlob(at, 1_000))
    assert.equal(await warehouse.derived(root.cid, make), 2)
    await warehouse.deleteMany([root.cid])
    assert.equal(await warehouse.derived(root.cid, make), 3)
    assert.equal(await warehouse.derived(root.cid, make), 4, 'nothing is kept of a root that is not here')
    assert.equal(await metric('sealsync_store_derived_requests_total', { result: 'hit' }), 1)
  })

  void it('knows which options cannot work', () => {
    assert.deepEqual(validateWarehouseOptions({ cacheBytes: 0, idleMs: 1 }), [])
    for (const cacheBytes of [-1, 1.5, Number.NaN]) {
      assert.equal(validateWarehouseOptions({ cacheBytes, idleMs: 1 }).length, 1)
    }
    assert.equal(validateWarehouseOptions({ cacheBytes: 0, idleMs: 0 }).length, 1)
  })
})

void describe('metered store', () => {
  void it('counts calls, outcomes, bytes and durations', async () => {
    const { store, metrics, metric } = build(0)
    const clock = new VirtualClock()
    const metered = new MeteredBlockstore({ store, metrics, clock })
    const blob = randomBlob(1, 500)
    await metered.put(blob)
    await metered.putMany([blob, randomBlob(2, 100)])
    await metered.get(blob.cid)
    await metered.get(randomBlob(3, 1).cid)
    await metered.has(randomBlob(3, 1).cid)
    await metered.getSize(blob.cid)
    await metered.deleteMany([blob.cid])
    for await (const _cid of metered.keys());
    const held = gate()
    store.gate = held.promise
    store.failure = new Error('a read')
    const failing = metered.get(blob.cid)
    await clock.run(3_000)
    held.open()
    await assert.rejects(failing, /a read/)
    const counted = (operation: string, outcome: string): Promise<number> =>
      metric('sealsync_store_operations_total', { operation, outcome })
    for (const [operation, outcome] of [
      ['put', 'ok'],
      ['putMany', 'ok'],
      ['get', 'ok'],
      ['get', 'miss'],
      ['get', 'error'],
      ['has', 'miss'],
      ['getSize', 'ok'],
      ['deleteMany', 'ok'],
      ['keys', 'ok']
    ] as const) {
      assert.equal(await counted(operation, outcome), 1, `${operation} ${outcome}`)
    }
    assert.equal(await metric('sealsync_store_operation_bytes_total', { direction: 'in' }), 1_100)
    assert.equal(await metric('sealsync_store_operation_bytes_total', { direction: 'out' }), 500)
    const seconds = { operation: 'get', le: 2 }
    assert.equal(await metric('sealsync_store_operation_duration_seconds', seconds), 2)
  })
})
