import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { BlobCid, type BlockId, type ExecutionDataId, type Height, type SealedBlock } from '#src/model/index.ts'
import {
  createTrackerMetrics,
  defaultTrackerOptions,
  LevelProgressStore,
  LevelTracker,
  type TrackerOptions,
  validateTrackerOptions
} from '#src/tracker/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'
import { Power } from '#test/support/store/power.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'

const hex = (tag: number, height: Height, variant: number): string =>
  tag.toString(16).padStart(2, '0') + variant.toString(16).padStart(2, '0') + height.toString(16).padStart(60, '0')
const blockOf = (height: Height, variant = 0): SealedBlock => ({
  height,
  blockId: hex(1, height, variant) as BlockId,
  executionDataId: hex(2, height, variant) as ExecutionDataId
})
const cidOf = (number: number): BlobCid => {
  const digest = new Uint8Array(32).fill(255)
  new DataView(digest.buffer).setUint32(28, number)
  return BlobCid.fromDigest(digest)
}

function open(space: SimulatedKeyValue, options: Partial<TrackerOptions> = {}): Promise<LevelTracker> {
  const components = { space: space.attach(), clock: new VirtualClock(), metrics: createTrackerMetrics(new Registry()) }
  return LevelTracker.open(components, options)
}

async function keysOf(tracker: LevelTracker, height: Height): Promise<string[]> {
  const keys: string[] = []
  for await (const cid of tracker.cidsAt(height)) keys.push(String(cid))
  return keys.sort()
}

async function blocksOf(tracker: LevelTracker, from: Height, to: Height): Promise<Height[]> {
  const heights: Height[] = []
  for await (const { height } of tracker.blocks(from, to)) heights.push(height)
  return heights
}

/** The tracker as one would write it with no disk. */
class Model {
  readonly byHeight = new Map<Height, { readonly block: SealedBlock; readonly cids: ReadonlySet<number> }>()

  latestOf(cid: number): Height | undefined {
    const heights = [...this.byHeight].filter(([, { cids }]) => cids.has(cid)).map(([height]) => height)
    return heights.length === 0 ? undefined : Math.max(...heights)
  }
}

void describe('tracker', () => {
  void it('agrees with a plain model, after every step and after opening again', async () => {
    const step = fc.record({
      height: fc.constantFrom(0, 1, 2, 255, 256, 65_536, 4_294_967_296, Number.MAX_SAFE_INTEGER - 1),
      variant: fc.nat(1),
      cids: fc.array(fc.nat(6), { maxLength: 8 }),
      reopen: fc.boolean()
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const space = new SimulatedKeyValue()
        const model = new Model()
        let tracker = await open(space)
        for (const { height, variant, cids, reopen } of steps) {
          const block = blockOf(height, variant)
          await tracker.track(block, cids.map(cidOf))
          model.byHeight.set(height, { block, cids: new Set(cids) })
          if (reopen) tracker = await open(space)
          await assertAgrees(tracker, model)
        }
      }),
      { numRuns: 150 }
    )
  })

  void it('leaves no record behind of a block that was replaced', async () => {
    const space = new SimulatedKeyValue()
    const tracker = await open(space)
    const many = Array.from({ length: 1_500 }, (_, at) => cidOf(at))
    await tracker.track(blockOf(5, 1), many)
    await tracker.track(blockOf(5), [cidOf(1)])
    assert.equal(await tracker.blockById(blockOf(5, 1).blockId), undefined)
    // Each of its blobs is marked as loose, until it has been looked at.
    const looked = await tracker.freeLoose({
      markedUntilMs: Number.MAX_SAFE_INTEGER,
      maxBlobs: 9_999,
      free: async () => {}
    })
    assert.deepEqual([looked.freed, looked.kept], [1_499, 0])
    const records = space.size
    const fresh = new SimulatedKeyValue()
    await (await open(fresh)).track(blockOf(5), [cidOf(1)])
    assert.equal(records, fresh.size)
  })

  void it('keeps long lists whole', async () => {
    const tracker = await open(new SimulatedKeyValue())
    for (const count of [1_023, 1_024, 1_025, 5_000]) {
      const cids = Array.from({ length: count }, (_, at) => cidOf(at))
      await tracker.track(blockOf(count), cids)
      assert.deepEqual(await keysOf(tracker, count), cids.map(String).sort())
    }
  })

  void it('writes nothing when the same block is tracked again', async () => {
    const space = new SimulatedKeyValue()
    const tracker = await open(space)
    await tracker.track(blockOf(1), [cidOf(1), cidOf(2)])
    space.faults = () => new Error('a write')
    await tracker.track(blockOf(1), [cidOf(2), cidOf(1), cidOf(2)])
    await assert.rejects(tracker.track(blockOf(2), []), /a write/)
    space.faults = () => undefined
    // A failed job does not stop the next one.
    await tracker.track(blockOf(2), [])
    assert.deepEqual(await blocksOf(tracker, 0, 10), [1, 2])
  })

  void it('writes what waits together, a height once in each group', async () => {
    const space = new SimulatedKeyValue()
    let batches = 0
    space.faults = () => {
      batches += 1
      return undefined
    }
    const tracker = await open(space, { maxGroupCids: 6 })
    const first = tracker.track(blockOf(1), [cidOf(1)])
    const rest = [2, 3, 4, 5].map((height) => tracker.track(blockOf(height), [cidOf(height), cidOf(99)]))
    const replaced = [blockOf(6, 1), blockOf(6)].map((block) =>
      tracker.track(block, [cidOf(block.blockId === blockOf(6).blockId ? 7 : 6)])
    )
    const refused = tracker.track(
      blockOf(8),
      Array.from({ length: 7 }, (_, at) => cidOf(at))
    )
    await Promise.all([first, ...rest, ...replaced, refused])
    // 1; 2, 3, 4; 5 and the first block of height 6; the second one; 8, which exceeds the bound alone.
    assert.equal(batches, 5)
    assert.deepEqual(await blocksOf(tracker, 0, 10), [1, 2, 3, 4, 5, 6, 8])
    assert.equal((await tracker.blockAt(6))?.blockId, blockOf(6).blockId)
    assert.equal(await tracker.latestHeightOf(cidOf(99)), 5)
  })

  void it('a group that cannot be written fails as a whole, and the next one goes on', async () => {
    const space = new SimulatedKeyValue()
    const tracker = await open(space)
    let faults = 2
    space.faults = () => (faults-- === 1 ? new Error('a write') : undefined)
    const tracks = [1, 2, 3].map((height) => tracker.track(blockOf(height), [cidOf(height)]))
    const results = await Promise.allSettled(tracks)
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected']
    )
    await tracker.track(blockOf(2), [cidOf(2)])
    assert.deepEqual(await blocksOf(tracker, 0, 10), [1, 2])
  })

  void it('tracks each height wholly or not at all, whenever the power goes', async () => {
    // The first height alone, then two in each batch.
    for (let operations = 1; operations <= 6; operations += 1) {
      const space = new SimulatedKeyValue()
      space.power = new Power(operations)
      const acknowledged = new Set<Height>()
      const tracker = await open(space, { maxGroupCids: 4 })
      const tracks = Array.from({ length: 12 }, async (_, height) => {
        await tracker.track(blockOf(height), [cidOf(height), cidOf(99)])
        acknowledged.add(height)
      })
      await Promise.allSettled(tracks)
      assert.ok(acknowledged.size < 12)
      space.restart({ next: () => 0.9 })
      const after = await open(space)
      for (let height = 0; height < 12; height += 1) {
        const tracked = await after.isTracked(height)
        assert.ok(tracked || !acknowledged.has(height))
        assert.equal((await keysOf(after, height)).length, tracked ? 2 : 0)
      }
    }
  })

  void it('refuses more blobs than a block can have, before it writes', async () => {
    const tracker = await open(new SimulatedKeyValue(), { maxCidsPerBlock: 3 })
    await tracker.track(blockOf(1), [1, 2, 3, 3, 3].map(cidOf))
    await assert.rejects(tracker.track(blockOf(2), [1, 2, 3, 4].map(cidOf)), { code: 'too-many-cids' })
    assert.equal(await tracker.isTracked(2), false)
    assert.deepEqual(validateTrackerOptions(defaultTrackerOptions), [])
    const wrong = { maxCidsPerBlock: 0, maxGroupCids: 0.5, recentBlocks: -1, sweepHeights: 0 }
    assert.equal(validateTrackerOptions(wrong).length, 4)
  })

  void it('reads the pruned height at opening, and says what is damaged', async () => {
    const space = new SimulatedKeyValue()
    const value = Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2)
    await space.batch([{ type: 'put', key: Uint8Array.of(1, 2), value }], { sync: true })
    assert.equal((await open(space)).prunedTo, 258)
    await space.batch([{ type: 'put', key: Uint8Array.of(1, 2), value: value.subarray(1) }], { sync: true })
    await assert.rejects(open(space), { code: 'corrupt' })
    const other = new SimulatedKeyValue()
    const tracker = await open(other)
    await tracker.track(blockOf(3), [cidOf(1)])
    const key = Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 3)
    await other.batch([{ type: 'put', key, value }], { sync: true })
    await assert.rejects((await open(other)).blockAt(3), { code: 'corrupt' })
  })

  void it('answers for the heights tracked last from memory, and for others from the database', async () => {
    const space = new SimulatedKeyValue()
    const tracker = await open(space, { recentBlocks: 2 })
    for (const height of [1, 2, 3]) await tracker.track(blockOf(height), [cidOf(height)])
    const replacement = { ...blockOf(3), blockId: blockOf(9).blockId }
    await tracker.track(replacement, [cidOf(4)])
    const keys = [1, 2, 3].map((height) => Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, height))
    await space.batch(
      keys.map((key) => ({ type: 'del', key }) as const),
      { sync: true }
    )
    assert.equal(await tracker.blockAt(1), undefined)
    assert.equal((await tracker.blockAt(2))?.blockId, blockOf(2).blockId)
    assert.equal((await tracker.blockAt(3))?.blockId, replacement.blockId)
  })
})

async function assertAgrees(tracker: LevelTracker, model: Model): Promise<void> {
  const heights = [...model.byHeight.keys()].sort((a, b) => a - b)
  assert.equal(tracker.lowest, heights[0])
  assert.equal(tracker.highest, heights.at(-1))
  assert.equal(tracker.prunedTo, undefined)
  assert.deepEqual(await blocksOf(tracker, 0, Number.MAX_SAFE_INTEGER), heights)
  assert.deepEqual(
    await blocksOf(tracker, 2, 65_536),
    heights.filter((height) => height >= 2 && height <= 65_536)
  )
  for (const [height, { block, cids }] of model.byHeight) {
    const tracked = { ...block, trackedAtMs: new VirtualClock().wallNow() }
    assert.deepEqual(await tracker.blockAt(height), tracked)
    assert.deepEqual(await tracker.blockById(block.blockId), tracked)
    assert.deepEqual(await keysOf(tracker, height), [...cids].map((cid) => String(cidOf(cid))).sort())
    const other = blockOf(height, block.blockId === blockOf(height).blockId ? 1 : 0)
    assert.equal(await tracker.blockById(other.blockId), undefined)
  }
  assert.equal(await tracker.isTracked(77), false)
  assert.deepEqual(await keysOf(tracker, 77), [])
  for (let cid = 0; cid <= 6; cid += 1) assert.equal(await tracker.latestHeightOf(cidOf(cid)), model.latestOf(cid))
}

void describe('progress', () => {
  void it('keeps heights by name, in the order they were set', async () => {
    const space = new SimulatedKeyValue()
    const progress = new LevelProgressStore({ space })
    assert.equal(await progress.get('requester'), undefined)
    await Promise.all([1, 5, 3].map((height) => progress.set('requester', height)))
    await progress.set('notifier', 9_007_199_254_740_991)
    space.restart({ next: () => 0.9 })
    const again = new LevelProgressStore({ space })
    assert.equal(await again.get('requester'), 3)
    assert.equal(await again.get('notifier'), 9_007_199_254_740_991)
    assert.throws(() => again.set('Not A Name', 1), RangeError)
  })
})
