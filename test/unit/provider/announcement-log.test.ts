import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { Height, SignedAnnouncement } from '#src/model/index.ts'
import { type AnnouncementArchive, createProviderMetrics, openAnnouncementLog } from '#src/provider/index.ts'
import { blockAt } from '#test/support/requester/blocks.ts'
import { MemorySpace } from '#test/support/requester/memory-space.ts'

const SIZE = 100

function announce(height: Height): SignedAnnouncement {
  const { blockId, executionDataId } = blockAt(height)
  const fields = { height, blockId, executionDataId, announcedAtMs: 5, hint: [] }
  return { ...fields, signedBytes: new Uint8Array(SIZE), signature: new Uint8Array(0) }
}

interface World {
  readonly space: MemorySpace
  prunedTo: Height | undefined
  readonly registry: Registry
  open(retention?: { retentionHeights?: number; retentionBytes?: number }): Promise<AnnouncementArchive>
}

function world(): World {
  const made: World = {
    space: new MemorySpace(),
    prunedTo: undefined,
    registry: new Registry(),
    open: (retention = {}) => {
      made.registry.clear()
      return openAnnouncementLog(
        {
          space: made.space,
          encode: ({ height }) => {
            const bytes = new Uint8Array(SIZE)
            new DataView(bytes.buffer).setUint32(0, height)
            return bytes
          },
          decode: (bytes) => {
            if (bytes.length !== SIZE) throw new Error('cut short')
            return announce(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))
          },
          prunedTo: () => made.prunedTo,
          metrics: createProviderMetrics(made.registry),
          logger: silentLogger
        },
        { retentionHeights: 100_000, retentionBytes: 1_000_000, ...retention }
      )
    }
  }
  return made
}

async function heightsOf(log: AnnouncementArchive, from = 0, to = Number.MAX_SAFE_INTEGER - 1): Promise<Height[]> {
  const heights: Height[] = []
  for await (const { height } of log.read(from, to)) heights.push(height)
  return heights
}

async function appendAll(log: AnnouncementArchive, heights: readonly Height[]): Promise<void> {
  for (const height of heights) await log.append(announce(height))
}

describe('announcement log', () => {
  test('empty: nothing to offer, nothing to read', async () => {
    const log = await world().open()
    const { lowest, highest, announced, bytes } = log
    assert.deepEqual(
      { lowest, highest, announced, bytes },
      { lowest: undefined, highest: undefined, announced: undefined, bytes: 0 }
    )
    assert.deepEqual(await heightsOf(log), [])
  })

  test('gives what was appended, in order, within the range, also when opened again', async () => {
    const w = world()
    await appendAll(await w.open(), [5, 6, 9, 300, 70_000])
    const log = await w.open()
    const { lowest, highest, announced, bytes } = log
    assert.deepEqual(
      { lowest, highest, announced, bytes },
      { lowest: 5, highest: 70_000, announced: 70_000, bytes: 500 }
    )
    assert.deepEqual(await heightsOf(log), [5, 6, 9, 300, 70_000])
    assert.deepEqual(await heightsOf(log, 6, 300), [6, 9, 300])
    assert.deepEqual(await heightsOf(log, 7, 8), [])
    assert.deepEqual(await heightsOf(log, 9, 5), [])
    assert.ok(w.space.batches.every((batch) => batch.sync))
  })

  test('takes each height once, ascending', async () => {
    const w = world()
    await appendAll(await w.open(), [5])
    const log = await w.open()
    for (const height of [5, 4]) await assert.rejects(log.append(announce(height)), { code: 'not-ascending' })
    assert.deepEqual(await heightsOf(log), [5])
  })

  test('whatever is appended, retention holds, the sum is right and the newest is there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(300), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        async (numbers, retentionHeights, entries) => {
          const heights = numbers.toSorted((a, b) => a - b)
          const w = world()
          const retention = { retentionHeights, retentionBytes: entries * SIZE }
          const half = heights.length >> 1
          await appendAll(await w.open(retention), heights.slice(0, half))
          const log = await w.open(retention)
          await appendAll(log, heights.slice(half))
          const newest = heights.at(-1) ?? 0
          const expected = heights.filter((height) => height > newest - retentionHeights).slice(-entries)
          assert.deepEqual(await heightsOf(log), expected)
          assert.equal(log.bytes, expected.length * SIZE)
          assert.equal(log.lowest, expected[0])
        }
      ),
      { numRuns: 60 }
    )
  })

  test('a retention that was lowered is reached in bounded steps', async () => {
    const w = world()
    await appendAll(
      await w.open(),
      Array.from({ length: 600 }, (_, at) => at)
    )
    const log = await w.open({ retentionHeights: 10 })
    const kept: number[] = []
    for (const height of [600, 601, 602]) {
      await log.append(announce(height))
      kept.push((await heightsOf(log)).length)
    }
    assert.deepEqual(kept, [345, 90, 10])
    assert.equal(log.bytes, 10 * SIZE)
  })

  test('what is pruned is not offered, but stays announced', async () => {
    const w = world()
    const log = await w.open()
    await appendAll(log, [1, 2, 3, 4])
    w.prunedTo = 2
    assert.deepEqual([log.lowest, await heightsOf(log)], [3, [3, 4]])
    w.prunedTo = 9
    assert.deepEqual([log.lowest, log.highest, log.announced], [undefined, undefined, 4])
    assert.deepEqual(await heightsOf(log), [])
    await log.append(announce(10))
    assert.deepEqual([log.lowest, await heightsOf(log), log.bytes], [10, [10], SIZE])
  })

  test('an entry that cannot be read is left out and counted', async () => {
    const w = world()
    const log = await w.open()
    await appendAll(log, [1, 2, 3])
    const put = w.space.batches[1]?.operations.find((operation) => operation.key.length === 9)
    assert.ok(put !== undefined)
    await w.space.batch([{ type: 'put', key: put.key, value: new Uint8Array(3) }], { sync: true })
    assert.deepEqual(await heightsOf(log), [1, 3])
    const metric = await w.registry.getSingleMetric('sealsync_provider_corrupt_announcements_total')?.get()
    assert.equal(metric?.values[0]?.value, 1)
  })
})
