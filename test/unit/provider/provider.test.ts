import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { type Blob, BlobCid, blobOf, MAX_BLOB_BYTES, MAX_HINT_CIDS } from '#src/model/index.ts'
import { defaultProviderOptions, type ProviderOptions, validateProviderOptions } from '#src/provider/index.ts'
import { codeOf } from '#src/util/index.ts'
import { settle } from '#test/support/requester/fake-clock.ts'
import { makeBlock, ProviderWorld } from '#test/support/requester/provider-world.ts'

let open: ProviderWorld[] = []

function world(): ProviderWorld {
  const made = new ProviderWorld()
  open.push(made)
  return made
}

afterEach(async () => {
  for (const w of open) {
    const stopping = w.provider?.stop()
    await w.clock.advance(10_000)
    await stopping
  }
  open = []
})

describe('provider: announcing', () => {
  test('announces each block once its tree is whole, in order, with its CIDs as the hint', async () => {
    const w = world()
    await w.start()
    const [one, two] = [makeBlock(7), makeBlock(8)]
    w.give(one, two)
    await w.ingest(two)
    await w.clock.advance(100)
    assert.deepEqual(w.published, [])
    assert.equal(w.provider?.status().waiting?.height, 7)
    const { blobs, bytes } = await w.ingest(one)
    await settle()
    assert.deepEqual(w.published, [7, 8])
    assert.equal(blobs, 3)
    assert.equal(
      bytes,
      one.blobs.reduce((sum, blob) => sum + blob.bytes.length, 0)
    )
    assert.deepEqual(
      w.signed[0]?.hint.map(String),
      one.blobs.map((blob) => String(blob.cid))
    )
    assert.equal(w.signed[0]?.announcedAtMs, w.clock.wallNow())
    assert.deepEqual(w.notified.length, 6)
    const { feed, highest, consecutive, lowest, waiting, stall } = w.provider?.status() ?? {}
    assert.deepEqual({ feed, highest, consecutive, lowest }, { feed: 8, highest: 8, consecutive: 8, lowest: 7 })
    assert.deepEqual({ waiting, stall }, { waiting: null, stall: null })
    assert.equal(w.feed.released, 8)
    assert.equal(await w.metric('execution_runtime_last_executed_block_height'), 8)
    assert.equal(await w.metric('execution_data_sync_provider_number_of_chunks'), 2)
    assert.equal(await w.metric('execution_data_sync_provider_compute_root_id_durations_ms'), 2)
    assert.equal(await w.metric('execution_data_sync_provider_execution_data_sizes_bytes'), 2)
    assert.equal(await w.metric('execution_data_sync_provider_add_blobs_durations_ms'), 2)
    assert.equal(await w.metric('sealsync_provider_announced_total'), 2)
    assert.equal(await w.metric('sealsync_provider_ingested_blobs_total'), 6)
    assert.equal(await w.metric('sealsync_provider_log_bytes'), 2)
  })

  test('after a restart nothing is announced twice, and what was announced can be replayed', async () => {
    const w = world()
    await w.start()
    const made = [1, 2, 3].map((height) => makeBlock(height))
    w.give(...made.slice(0, 2))
    for (const one of made) await w.ingest(one)
    await w.clock.advance(10)
    await w.provider?.stop()
    w.give(...made.slice(2))
    await w.start()
    await w.clock.advance(10)
    assert.deepEqual(w.published, [1, 2, 3])
    assert.equal(w.provider?.status().lowest, 1)
    assert.equal(w.provider?.status().consecutive, 3)
  })

  test('a fresh node begins at the lowest height that its feed has', async () => {
    const w = world()
    const made = [4, 5].map((height) => makeBlock(height))
    w.give(...made)
    await w.start()
    for (const one of made) await w.ingest(one)
    await w.clock.advance(10)
    assert.deepEqual(w.published, [4, 5])
  })

  test('blobs that come otherwise are found by asking again, less and less often', async () => {
    const w = world()
    await w.start({ recheck: { initialMs: 100, maxMs: 1_000, jitter: 0 } })
    const made = makeBlock(1)
    w.give(made)
    await w.clock.advance(10_000)
    assert.ok(w.checks >= 10 && w.checks <= 16, `${w.checks} checks in 10 s`)
    for (const blob of made.blobs) w.store.set(blob.cid.key, blob)
    await w.clock.advance(1_000)
    assert.deepEqual(w.published, [1])
  })

  test('blobs that arrive while the store is being asked are not waited for again', async () => {
    const w = world()
    await w.start({ recheck: { initialMs: 100_000, maxMs: 100_000, jitter: 0 } })
    const made = makeBlock(1)
    w.beforeCheckEnds = async () => {
      w.beforeCheckEnds = async () => undefined
      await w.ingest(made)
    }
    w.give(made)
    await w.clock.advance(10)
    assert.deepEqual(w.published, [1])
  })

  test('a tree above the bound of hints is announced without one', async () => {
    const w = world()
    await w.start()
    const made = makeBlock(1, MAX_HINT_CIDS)
    w.give(made)
    await w.ingest(made)
    await w.clock.advance(10)
    assert.deepEqual(w.signed[0]?.hint, [])
    assert.equal(w.tracker.cids.get(1)?.length, MAX_HINT_CIDS + 1)
  })

  test('an announcement that cannot be sent stays in the log', async () => {
    const w = world()
    w.publishFails = true
    await w.start()
    const made = makeBlock(1)
    w.give(made)
    await w.ingest(made)
    await w.clock.advance(10)
    assert.equal(w.provider?.status().consecutive, 1)
    assert.equal(await w.metric('sealsync_provider_publish_failures_total'), 1)
  })

  test('a tree that stays incomplete, or cannot be read, is a stall with the blob and the remedy', async () => {
    const w = world()
    await w.start({ stallAfterMs: 10_000, stallLogEveryMs: 60_000 })
    const made = makeBlock(1)
    w.give(made)
    await w.clock.advance(9_000)
    assert.equal(w.provider?.status().stall, null)
    assert.equal(w.provider?.readiness().ok, true)
    await w.clock.advance(110_000)
    const stall = w.provider?.status().stall
    assert.equal(stall?.height, 1)
    assert.equal(stall?.cid, String(made.blobs[0]?.cid))
    assert.equal(stall?.reason, 'missing')
    assert.equal(w.provider?.readiness().ok, false)
    assert.equal(w.log.count('cannot be announced'), 2)
    assert.equal(await w.metric('sealsync_provider_waiting_blobs'), 1)
    w.checkFails = true
    await w.clock.advance(10_000)
    assert.equal(w.provider?.status().stall?.reason, 'unreadable')
    w.checkFails = false
    await w.ingest(made)
    await w.clock.advance(10_000)
    assert.deepEqual(w.published, [1])
  })

  test('a feed that ends is no failure; what breaks the log is one', async () => {
    const w = world()
    await w.start()
    const made = makeBlock(1)
    w.space.batch = () => Promise.reject(new Error('no space'))
    w.give(made)
    await w.ingest(made)
    await w.clock.advance(10)
    assert.ok(w.provider !== undefined)
    await assert.rejects(w.provider.failed, { code: 'broken' })
    const v = world()
    v.feed.blocks = async function* () {
      yield* []
      throw Object.assign(new Error('the file has ended'), { code: 'ended' })
    }
    v.give(makeBlock(1))
    await v.start()
    await v.clock.advance(10)
    assert.equal(v.provider?.status().ended, true)
  })

  test('stop is bounded and idempotent; a second start is refused', async () => {
    const w = world()
    const provider = await w.start()
    w.give(makeBlock(1))
    await w.clock.advance(10)
    await Promise.all([provider.stop(), provider.stop()])
    assert.equal(w.clock.timers, 0)
    await assert.rejects(provider.start(), { code: 'already-started' })
    await assert.rejects(w.ingest(makeBlock(2)), { code: 'stopped' })
  })
})

describe('provider: ingest', () => {
  test('puts blobs in batches of bounded bytes', async () => {
    const w = world()
    const sizes: number[] = []
    await w.start({ ingestBatchBytes: 100 })
    const blobs = Array.from({ length: 10 }, (_, at) => blobOf(new Uint8Array(40).fill(at)))
    const set = w.store.set.bind(w.store)
    let before = 0
    w.store.set = (key, blob) => {
      if (w.notified.length !== before) sizes.push(w.notified.length - before)
      before = w.notified.length
      return set(key, blob)
    }
    assert.deepEqual(await w.ingest(makeBlock(1), blobs), { blobs: 10, bytes: 400 })
    assert.deepEqual(sizes, [3, 3, 3])
  })

  test('a blob above the limit is refused, and so is a pruned height', async () => {
    const w = world()
    await w.start()
    const large = [blobOf(new Uint8Array(MAX_BLOB_BYTES)), blobOf(new Uint8Array(MAX_BLOB_BYTES + 1))]
    await assert.rejects(w.ingest(makeBlock(1), large), { code: 'blob-too-large' })
    w.tracker.prunedTo = 5
    await assert.rejects(w.ingest(makeBlock(5)), { code: 'height-pruned' })
    assert.equal((await w.ingest(makeBlock(6))).blobs, 3)
    assert.equal(await w.metric('execution_data_sync_provider_add_blobs_failed'), 1)
  })

  test('more at a time than allowed are refused; the signal ends one', async () => {
    const w = world()
    const provider = await w.start({ maxIngests: 2 })
    const gate = new AbortController()
    const reached: (() => void)[] = []
    async function* held(): AsyncGenerator<Blob> {
      yield blobOf(Uint8Array.of(1))
      await new Promise<void>((resolve) => reached.push(resolve))
      yield blobOf(Uint8Array.of(2))
    }
    const { block } = makeBlock(1)
    const running = [0, 1].map(() => provider.ingest(block, held(), { signal: gate.signal }))
    await settle()
    await assert.rejects(w.ingest(makeBlock(2)), (error) => codeOf(error) === 'ingest-busy')
    assert.equal(await w.metric('sealsync_provider_ingests_refused_total'), 1)
    gate.abort(new Error('enough'))
    for (const go of reached) go()
    for (const work of running) await assert.rejects(work, /enough/)
    assert.equal((await w.ingest(makeBlock(2))).blobs, 3)
  })

  test('blobs are told to the exchange only when they are durable', async () => {
    const w = world()
    await w.start()
    const { block, blobs } = makeBlock(1)
    const order: string[] = []
    const set = w.store.set.bind(w.store)
    w.store.set = (key, blob) => {
      order.push(`put ${blob.cid}`)
      return set(key, blob)
    }
    w.notified.push = (...cids: string[]) => order.push(...cids.map((cid) => `told ${cid}`))
    await w.ingest({ block, blobs })
    assert.deepEqual(order, [...blobs.map((blob) => `put ${blob.cid}`), ...blobs.map((blob) => `told ${blob.cid}`)])
    assert.ok(BlobCid.parse(order[0]?.slice(4) ?? '') !== undefined)
  })
})

describe('provider options', () => {
  const FAULTS: readonly [Partial<ProviderOptions>, RegExp][] = [
    [{ log: { retentionHeights: 0, retentionBytes: 1 } }, /'log.retentionHeights' is 0/],
    [{ ingestBatchBytes: 0 }, /'ingestBatchBytes' is 0/],
    [{ maxIngests: -1 }, /'maxIngests' is -1/],
    [{ recheck: { initialMs: 0, maxMs: 1, jitter: 0 } }, /'recheck' needs/],
    [{ recheck: { initialMs: 1, maxMs: 1, jitter: -1 } }, /'recheck.jitter' is -1/]
  ]
  test('the defaults fit', () => assert.deepEqual(validateProviderOptions(defaultProviderOptions), []))
  for (const [part, fault] of FAULTS) {
    test(`${JSON.stringify(part)} is refused`, async () => {
      assert.match(validateProviderOptions({ ...defaultProviderOptions, ...part }).join('\n'), fault)
      await assert.rejects(world().start(part), { code: 'option-invalid' })
    })
  }
})
