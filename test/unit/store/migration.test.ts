import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import type { BlobCid, BlockId, ExecutionDataId, Height } from '#src/model/index.ts'
import { type KeyValueOperation, type KeyValueSpace, migrateSegmentSpace } from '#src/store/index.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH } from '#src/store/segment/format.ts'
import { createTrackerMetrics, LevelTracker, migrateReferences, migrateTracker } from '#src/tracker/index.ts'
import { seededRng } from '#src/util/index.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { Machine } from '#test/support/store/machine.ts'
import { Power, pick } from '#test/support/store/power.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const RECORD = 1_000 + RECORD_HEADER_LENGTH
const LIMITS = { segmentBytes: SEGMENT_HEADER_LENGTH + 10 * RECORD, compactDeadShare: 0.1, compactSlackBytes: 0 }

async function entriesOf(space: KeyValueSpace, tag: number): Promise<(readonly [Uint8Array, Uint8Array])[]> {
  const entries: (readonly [Uint8Array, Uint8Array])[] = []
  for await (const entry of space.entries({ gte: Uint8Array.of(tag), lt: Uint8Array.of(tag + 1) })) entries.push(entry)
  return entries
}

/** Writes the segments' entries as schema 1 had them: dead bytes u64, dead records u32; none where nothing was dead. */
async function toSchemaOne(space: KeyValueSpace): Promise<void> {
  const operations = (await entriesOf(space, 0x73)).map(([key, value]): KeyValueOperation => {
    const now = new DataView(value.buffer, value.byteOffset, value.length)
    const dead = now.getUint32(12) - SEGMENT_HEADER_LENGTH - Number(now.getBigUint64(0))
    if (dead === 0) return { type: 'del', key }
    const before = new DataView(new ArrayBuffer(12))
    before.setBigUint64(0, BigInt(dead))
    before.setUint32(8, dead / RECORD)
    return { type: 'put', key, value: new Uint8Array(before.buffer) }
  })
  await space.batch(operations, { sync: true })
}

void describe('migrations of a data directory', () => {
  void it('finds what is live in each segment, wherever it is killed', async () => {
    const rng = seededRng(5)
    for (let round = 0; round < 20; round += 1) {
      const machine = new Machine(1, LIMITS)
      const blobs = Array.from({ length: 45 }, (_, at) => randomBlob(at, 1_000))
      let store = await machine.open()
      for (const blob of blobs) await store.put(blob)
      // One segment is dead, one is half.
      const gone = blobs.slice(5, 20)
      await store.deleteMany(gone.map(({ cid }) => cid))
      const before = new Map(store.segments)
      await store.close()
      await toSchemaOne(machine.index)
      const notes = new SimulatedKeyValue()
      for (let kill = 0; kill < 3; kill += 1) {
        machine.index.power = new Power(1 + pick(rng, 4))
        await migrateSegmentSpace(machine.index.attach(), notes).catch(() => undefined)
        machine.index.power = new Power()
      }
      await migrateSegmentSpace(machine.index, notes)
      assert.equal(notes.size, 0)
      store = await machine.open()
      for (const [number, { liveBytes, liveRecords }] of before) {
        assert.equal(store.segments.get(number)?.liveBytes, liveBytes)
        assert.equal(store.segments.get(number)?.liveRecords, liveRecords)
      }
      while ((await store.reclaim({ maxBytes: 100_000 })).more);
      assert.ok(machine.disk.paths().every((path) => !path.endsWith('.aside')))
      for (const blob of blobs) assert.equal(await store.has(blob.cid), !gone.includes(blob))
    }
  })

  void it('gives every block a time, once', async () => {
    const space = new SimulatedKeyValue()
    const clock = new VirtualClock()
    const open = () => LevelTracker.open({ space, clock, metrics: createTrackerMetrics(new Registry()) })
    const idOf = (height: Height, tag: string): string => tag + height.toString(16).padStart(63, '0')
    const tracker = await open()
    for (let height = 1; height <= 30; height += 1) {
      const block = {
        height,
        blockId: idOf(height, 'a') as BlockId,
        executionDataId: idOf(height, 'b') as ExecutionDataId
      }
      await tracker.track(block, [])
    }
    const operations = (await entriesOf(space, 4))
      .slice(0, 20)
      .map(([key, value]): KeyValueOperation => ({ type: 'put', key, value: value.slice(0, 64) }))
    await space.batch(operations, { sync: true })
    await assert.rejects((await open()).blockAt(1), { code: 'corrupt' })
    for (const now of [5_000, 9_000]) await migrateTracker(space, now)
    const again = await open()
    assert.equal((await again.blockAt(1))?.trackedAtMs, 5_000)
    assert.equal((await again.blockAt(20))?.blockId, idOf(20, 'a'))
    assert.equal((await again.blockAt(21))?.trackedAtMs, clock.wallNow())
  })

  void it('turns the only reference of a blob into its owner, also when it is run again', async () => {
    const space = new SimulatedKeyValue()
    const cids = Array.from({ length: 210 }, (_, at) => randomBlob(at, 10).cid)
    // Some of two heights, and one of more than a step has.
    const heightsOf = (at: number): Height[] =>
      at === 70 ? Array.from({ length: 1_100 }, (_, height) => height) : at % 7 === 0 ? [at, at + 9] : [at]
    const referenceOf = (cid: BlobCid, height: Height): Uint8Array => {
      const key = new Uint8Array(41)
      key[0] = 2
      key.set(cid.digest, 1)
      new DataView(key.buffer).setBigUint64(33, BigInt(height))
      return key
    }
    const operations = cids.flatMap((cid, at) =>
      heightsOf(at).map((height) => ({ type: 'put', key: referenceOf(cid, height), value: new Uint8Array(0) }) as const)
    )
    await space.batch(operations, { sync: true })
    const components = { space, clock: new VirtualClock(), metrics: createTrackerMetrics(new Registry()) }
    for (let run = 0; run < 2; run += 1) {
      await migrateReferences(space)
      const tracker = await LevelTracker.open(components)
      for (const [at, cid] of cids.entries()) assert.equal(await tracker.latestHeightOf(cid), heightsOf(at).at(-1))
      assert.equal((await entriesOf(space, 7)).length, cids.length)
      assert.equal((await entriesOf(space, 2)).length, 1_100 + 2 * 30 - 2)
    }
  })
})
