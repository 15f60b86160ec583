import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { BlobCid, type BlockId, type ExecutionDataId, type Height, type SealedBlock } from '#src/model/index.ts'
import { createTrackerMetrics, LevelTracker, type TrackerOptions } from '#src/tracker/index.ts'
import { SWEEP_KEY } from '#src/tracker/records.ts'
import { type Rng, seededRng } from '#src/util/index.ts'
import { Power, pick } from '#test/support/store/power.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const hex = (tag: number, height: Height): string =>
  tag.toString(16).padStart(2, '0') + height.toString(16).padStart(62, '0')
const blockOf = (height: Height, variant = 0): SealedBlock => ({
  height,
  blockId: hex(1 + variant, height) as BlockId,
  executionDataId: hex(100 + variant, height) as ExecutionDataId
})
const cidOf = (number: number): BlobCid => {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(0, Math.imul(number, 2_654_435_761))
  new DataView(digest.buffer).setUint32(28, number)
  return BlobCid.fromDigest(digest)
}
const numberOf = (cid: BlobCid): number => new DataView(cid.digest.buffer, cid.digest.byteOffset).getUint32(28)

/** A tracker and a set of stored blobs beside it, which survive a kill as their disks do. */
class World {
  readonly space = new SimulatedKeyValue()
  readonly clock = new VirtualClock()
  readonly stored = new Set<number>()
  readonly registry = new Registry()

  open(options: Partial<TrackerOptions> = {}, unclean = false): Promise<LevelTracker> {
    return LevelTracker.open(
      {
        unclean,
        space: this.space.attach(),
        clock: this.clock,
        metrics: createTrackerMetrics(new Registry()),
        isStored: async (cid) => this.stored.has(numberOf(cid))
      },
      options
    )
  }

  sorted(): number[] {
    return [...this.stored].sort((a, b) => a - b)
  }

  readonly free = async (cids: readonly BlobCid[]): Promise<void> => {
    await Promise.resolve()
    for (const cid of cids) this.stored.delete(numberOf(cid))
  }

  async track(tracker: LevelTracker, height: Height, numbers: readonly number[], variant = 0): Promise<void> {
    for (const number of numbers) this.stored.add(number)
    await tracker.track(blockOf(height, variant), numbers.map(cidOf))
  }

  async pruneAll(tracker: LevelTracker, to: Height, maxBlobs = 1_000): Promise<number> {
    for (let steps = 1; steps < 10_000; steps += 1) {
      if (!(await tracker.prune({ to, maxBlobs, free: this.free })).more) return steps
    }
    throw new Error('pruning does not end')
  }
}

async function heightsOf(tracker: LevelTracker): Promise<Height[]> {
  const heights: Height[] = []
  for await (const { height } of tracker.blocks(0, 1_000_000)) heights.push(height)
  return heights
}

void describe('pruning', () => {
  void it('keeps a blob until the last height that refers to it is pruned', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 10, [1, 2, 100])
    await world.track(tracker, 11, [3, 100])
    await world.track(tracker, 12, [4, 100])
    await world.pruneAll(tracker, 10)
    assert.deepEqual(world.sorted(), [3, 4, 100])
    assert.deepEqual([tracker.prunedTo, tracker.lowest, tracker.highest], [10, 11, 12])
    assert.equal(await tracker.blockAt(10), undefined)
    assert.equal(await tracker.blockById(blockOf(10).blockId), undefined)
    await world.pruneAll(tracker, 11)
    assert.deepEqual(world.sorted(), [4, 100])
    await world.pruneAll(tracker, 50)
    assert.equal(world.stored.size, 0)
    assert.deepEqual([tracker.prunedTo, tracker.lowest, tracker.highest], [50, undefined, undefined])
    assert.equal(world.space.size, 1, 'nothing is left but the pruned height')
  })

  void it('goes in steps of a bounded number of references, also within one height', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 1, [1, 2, 3])
    await world.track(
      tracker,
      2,
      Array.from({ length: 2_300 }, (_, at) => 10 + at)
    )
    await world.track(tracker, 3, [4, 2_000])
    let more = true
    let most = 0
    for (let steps = 0; more; steps += 1) {
      assert.ok(steps < 20)
      const step = await tracker.prune({ to: 2, maxBlobs: 500, free: world.free })
      most = Math.max(most, step.references)
      more = step.more
    }
    assert.ok(most <= 500 + 1_024, `${most} references in a step`)
    assert.deepEqual(world.sorted(), [4, 2_000])
    assert.deepEqual(await heightsOf(tracker), [3])
  })

  void it('tracking waits for a step, and a block whose blobs went meanwhile is to be fetched again', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 1, [1, 2])
    let tracked = false
    let during: boolean | undefined
    const step = tracker.prune({
      to: 1,
      maxBlobs: 10,
      free: async (cids) => {
        for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
        during = tracked
        await world.free(cids)
      }
    })
    // Its download found blob 2 in the store.
    const track = tracker.track(blockOf(2), [cidOf(2)]).finally(() => {
      tracked = true
    })
    await step
    assert.equal(during, false)
    await assert.rejects(track, { code: 'blobs-gone' })
    assert.equal(await tracker.isTracked(2), false)
    await world.track(tracker, 2, [2])
    assert.equal(await tracker.isTracked(2), true)
  })

  void it('a block of a pruned height is not tracked, and its blobs go in time', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 5, [1])
    await world.pruneAll(tracker, 5)
    await world.track(tracker, 4, [7])
    assert.equal(await tracker.isTracked(4), false)
    assert.ok(world.stored.has(7))
    const step = await tracker.freeLoose({ markedUntilMs: world.clock.wallNow(), maxBlobs: 10, free: world.free })
    assert.deepEqual(step, { freed: 1, kept: 0, more: false, waiting: false })
    assert.equal(world.stored.size, 0)
  })

  void it('what a replaced block had alone goes, after a while', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 1, [1, 2, 3, 4])
    await world.track(tracker, 2, [4])
    await world.track(tracker, 1, [1, 5], 1)
    const free = (markedUntilMs: number, maxBlobs = 10) =>
      tracker.freeLoose({ markedUntilMs, maxBlobs, free: world.free })
    assert.deepEqual(await free(world.clock.wallNow() - 1), { freed: 0, kept: 0, more: false, waiting: true })
    const first = await free(world.clock.wallNow(), 2)
    const second = await free(world.clock.wallNow(), 2)
    assert.deepEqual([first.more, second.more], [true, false])
    assert.deepEqual([first.freed + second.freed, first.kept + second.kept], [2, 1])
    assert.deepEqual(world.sorted(), [1, 4, 5])
    // Marked by a walk over the store: nobody's, and somebody's.
    world.stored.add(9)
    await tracker.markLoose([cidOf(9), cidOf(5)])
    assert.deepEqual(await free(world.clock.wallNow()), { freed: 1, kept: 1, more: false, waiting: false })
    assert.deepEqual(world.sorted(), [1, 4, 5])
  })

  void it('knows when each block was tracked', async () => {
    const world = new World()
    const tracker = await world.open()
    await world.track(tracker, 1, [1])
    await world.clock.run(5_000)
    await world.track(tracker, 2, [2])
    const [first, second] = [await tracker.blockAt(1), await tracker.blockAt(2)]
    assert.equal((second?.trackedAtMs ?? 0) - (first?.trackedAtMs ?? 0), 5_000)
  })

  void it('loses no blob of a height that is kept, and keeps none for nobody, wherever it is killed', async () => {
    for (let seed = 1; seed <= 25; seed += 1) await killedWhilePruning(seededRng(seed), `seed ${seed}`)
  })
})

void describe('sweeping', () => {
  const sweepHeights = 10

  /** Own blobs of each height, one that pairs of heights share, and one that all do. */
  async function filled(world: World, heights: number): Promise<LevelTracker> {
    const tracker = await world.open({ sweepHeights })
    for (let height = 1; height <= heights; height += 1) {
      await world.track(tracker, height, [height * 10, height * 10 + 1, 5_000 + Math.floor(height / 2), 9_000])
    }
    return tracker
  }

  void it('leaves what pruning height by height leaves, and no record of what went', async () => {
    const [one, other] = [new World(), new World()]
    const swept = await filled(one, 40)
    const pruned = await filled(other, 40)
    assert.ok((await one.pruneAll(swept, 24, 7)) > 24 / 7)
    for (let to = 1; to <= 24; to += 1) await other.pruneAll(pruned, to)
    assert.deepEqual(one.sorted(), other.sorted())
    assert.deepEqual(await heightsOf(swept), await heightsOf(pruned))
    assert.equal(one.space.size, other.space.size + 1)
    assert.equal(swept.sweepLeft, 0)
    await one.pruneAll(swept, 40, 7)
    assert.deepEqual([one.stored.size, one.space.size], [0, 2], 'the pruned height and the end of the sweep are left')
    assert.equal((await one.open({ sweepHeights })).sweepLeft, 0)
    assert.equal(one.space.size, 1, 'nothing is left but the pruned height')
  })

  void it('says how much is left, and takes bounded steps while new heights come', async () => {
    const world = new World()
    const tracker = await filled(world, 40)
    const lefts: number[] = []
    for (let next = 41, more = true; more; next += 1) {
      const step = await tracker.prune({ to: 30, maxBlobs: 5, free: world.free })
      assert.ok(step.references <= 64, `${step.references} references`)
      assert.equal(tracker.prunedTo, 30)
      assert.equal(await tracker.blockAt(30), undefined)
      lefts.push(tracker.sweepLeft)
      more = step.more
      // Shared with heights that are being swept: kept, or to be fetched again.
      await world.track(tracker, next, [next * 10, 5_015, 9_000])
      assert.equal(await tracker.isTracked(next), true)
    }
    assert.deepEqual(
      lefts,
      lefts.toSorted((a, b) => b - a)
    )
    assert.deepEqual([lefts[0]! > 20, lefts.at(-1)], [true, 0])
    for (const height of await heightsOf(tracker)) {
      for await (const cid of tracker.cidsAt(height)) assert.ok(world.stored.has(numberOf(cid)), `height ${height}`)
    }
    assert.equal(world.stored.has(300), false)
  })

  void it('goes on where it was, also towards a later height', async () => {
    const world = new World()
    const tracker = await filled(world, 40)
    for (let step = 0; step < 4; step += 1) await tracker.prune({ to: 20, maxBlobs: 5, free: world.free })
    const left = tracker.sweepLeft
    world.space.killProcess()
    const again = await world.open({ sweepHeights })
    assert.equal(again.sweepLeft, left)
    await world.pruneAll(again, 22, 5)
    assert.deepEqual([again.sweepLeft, again.prunedTo, again.lowest], [0, 22, 23])
    for (let height = 1; height <= 22; height += 1) assert.equal(world.stored.has(height * 10), false)
  })

  void it('begins again after a power cut, and leaves no record of what went', async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const [one, other] = [new World(), new World()]
      const swept = await filled(one, 40)
      for (let step = 0; step < 2 + (seed % 6); step += 1) await swept.prune({ to: 20, maxBlobs: 5, free: one.free })
      assert.ok(swept.sweepLeft > 0)
      one.space.restart(seededRng(seed))
      await one.pruneAll(await one.open({ sweepHeights }, true), 20, 5)
      await other.pruneAll(await filled(other, 40), 20)
      assert.deepEqual([one.space.size, one.sorted()], [other.space.size, other.sorted()], `seed ${seed}`)
    }
  })

  void it('leaves no record of what went when the power is cut after its end', async () => {
    let begunAgain = 0
    for (let seed = 1; seed <= 40; seed += 1) {
      const [one, other] = [new World(), new World()]
      await one.pruneAll(await filled(one, 40), 20, 5)
      one.space.restart(seededRng(seed))
      const again = await one.open({ sweepHeights }, true)
      if ((await one.space.get(SWEEP_KEY)) === undefined) begunAgain += 1
      await one.pruneAll(again, 20, 5)
      await other.pruneAll(await filled(other, 40), 20)
      assert.deepEqual([one.space.size, one.sorted()], [other.space.size, other.sorted()], `seed ${seed}`)
    }
    assert.ok(begunAgain > 10, `${begunAgain} sweeps whose record had gone`)
  })

  void it('is left alone for few heights, for a small part of them, and where the order matters', async () => {
    const world = new World()
    const tracker = await filled(world, 100)
    await tracker.prune({ to: 9, maxBlobs: 1, free: world.free })
    await tracker.prune({ to: 20, maxBlobs: 1, free: world.free })
    await tracker.prune({ to: 90, maxBlobs: 1, inOrder: true, free: world.free })
    assert.deepEqual([tracker.sweepLeft, tracker.prunedTo], [0, 3])
    await tracker.prune({ to: 90, maxBlobs: 1, free: world.free })
    assert.deepEqual([tracker.sweepLeft > 0, tracker.prunedTo], [true, 90])
  })

  void it('survives a kill at any moment', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      await killedWhilePruning(seededRng(seed), `seed ${seed}`, { sweepHeights: 2 })
    }
  })

  void it('says that its record is damaged', async () => {
    const world = new World()
    await world.space.batch([{ type: 'put', key: Uint8Array.of(1, 3), value: new Uint8Array(17).fill(9) }], {
      sync: true
    })
    await assert.rejects(world.open(), { code: 'corrupt' })
  })
})

/** Tracks and prunes at random, dies, opens again; then prunes to the end and compares with what should be there. */
async function killedWhilePruning(rng: Rng, what: string, options: Partial<TrackerOptions> = {}): Promise<void> {
  const world = new World()
  const wanted = new Map<Height, readonly number[]>()
  let next = 1
  let prunedTo = 0
  for (let life = 0; life < 4; life += 1) {
    world.space.power = new Power(20 + pick(rng, 120))
    try {
      const tracker = await world.open(options)
      for (let step = 0; step < 30; step += 1) {
        if (rng.next() < 0.6) {
          // Own blobs, and one of a few that many heights share.
          const numbers = [next * 10, next * 10 + 1, 5 + pick(rng, 4)]
          await world.track(tracker, next, numbers)
          wanted.set(next, numbers)
          next += 1
        } else {
          const to = prunedTo + pick(rng, Math.max(1, next - prunedTo))
          prunedTo = Math.max(prunedTo, to)
          await tracker.prune({ to, maxBlobs: 1 + pick(rng, 6), free: world.free })
        }
      }
    } catch (error) {
      if ((error as { code?: string }).code === 'blobs-gone') continue
      if ((error as { code?: string }).code !== 'POWER_CUT') throw error
    }
    if (rng.next() < 0.5) world.space.restart(rng)
    else world.space.killProcess()
  }
  const tracker = await world.open(options)
  const end = Math.max(prunedTo, tracker.prunedTo ?? 0)
  await world.pruneAll(tracker, end)
  const kept = new Set([...wanted].filter(([height]) => height > end).flatMap(([, numbers]) => numbers))
  for (const number of kept) assert.ok(world.stored.has(number), `${what}: blob ${number} is gone`)
  // A block that was being tracked when the end came is neither wanted nor pruned: its blobs are looked at as loose ones.
  await tracker.markLoose([...world.stored].map(cidOf))
  await tracker.freeLoose({ markedUntilMs: Number.MAX_SAFE_INTEGER, maxBlobs: 10_000, free: world.free })
  const tracked = new Set<number>()
  for (const height of await heightsOf(tracker))
    for await (const cid of tracker.cidsAt(height)) tracked.add(numberOf(cid))
  assert.deepEqual(
    world.sorted(),
    [...tracked].sort((a, b) => a - b),
    what
  )
}
