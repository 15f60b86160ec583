import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import { blobOf, type BlockId, type ExecutionDataId, type Height } from '#src/model/index.ts'
import {
  createPruner,
  createPrunerMetrics,
  defaultPrunerOptions,
  type Pruner,
  type PrunerOptions,
  validatePrunerOptions
} from '#src/pruner/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import { createTrackerMetrics, LevelTracker } from '#src/tracker/index.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const SHARED = blobOf(Buffer.from('every block has this one'))
const blobAt = (height: Height, part: number) => blobOf(Buffer.alloc(1_000, `${height}/${part} `))
const id = (height: Height): string => height.toString(16).padStart(64, '0')

/** A node's data and a pruner on it; blocks of two blobs of 1,000 bytes and one that all share. */
class World {
  readonly clock = new VirtualClock()
  readonly store = new MemoryBlockstore()
  readonly registry = new Registry()
  readonly signal = new AbortController().signal
  readonly load = { queue: 0, diskPressure: 0 }
  done: Height | undefined
  reclaims = 0
  /** For each turn of giving space back: whether nothing was to be rewritten. */
  readonly unlinkOnly: boolean[] = []
  onReclaim: () => void = () => undefined
  /** How long a deletion takes. */
  deleteMs = 0
  #spentMs = 0
  failure: Error | undefined
  jumpMs = 0
  tracker!: LevelTracker
  pruner!: Pruner

  static async create(options: Partial<PrunerOptions>): Promise<World> {
    const world = new World()
    const { clock, store } = world
    const wall = {
      now: () => clock.now() + world.#spentMs,
      wallNow: () => clock.wallNow() + world.jumpMs,
      setTimer: clock.setTimer.bind(clock)
    }
    world.tracker = await LevelTracker.open({
      space: new SimulatedKeyValue(),
      clock: wall,
      metrics: createTrackerMetrics(new Registry()),
      isStored: (cid) => store.has(cid)
    })
    world.pruner = createPruner(
      {
        tracker: world.tracker,
        store: {
          stats: () => store.stats(),
          keys: () => store.keys(),
          getSize: (cid) => store.getSize(cid),
          deleteMany: async (cids) => {
            if (world.failure !== undefined) throw world.failure
            world.#spentMs += world.deleteMs
            return store.deleteMany(cids)
          }
        },
        reclaim: async ({ unlinkOnly = false }) => {
          world.reclaims += 1
          world.unlinkOnly.push(unlinkOnly)
          world.onReclaim()
          return { copiedBytes: 0, freedBytes: 0, more: false }
        },
        doneWith: () => world.done,
        load: () => world.load,
        metrics: createPrunerMetrics(world.registry),
        logger: silentLogger,
        clock: wall
      },
      { ...defaultPrunerOptions, ...options }
    )
    return world
  }

  async add(from: Height, to: Height): Promise<void> {
    for (let height = from; height <= to; height += 1) {
      const blobs = [blobAt(height, 0), blobAt(height, 1), SHARED]
      await this.store.putMany(blobs)
      const block = { height, blockId: id(height) as BlockId, executionDataId: id(height) as ExecutionDataId }
      await this.tracker.track(
        block,
        blobs.map((blob) => blob.cid)
      )
    }
    this.done = to
  }

  async run(ms: number): Promise<void> {
    await this.clock.run(this.clock.now() + ms)
  }
}

void describe('pruner', () => {
  void it('sweeps a large part of all heights, says how far it is, and rewrites segments only after', async () => {
    const world = await World.create({ maxStepBlobs: 256 })
    await world.add(1, 1_400)
    await world.pruner.start()
    const pruned = world.pruner.pruneBelow(1_101, { signal: world.signal })
    const backlogs: number[] = []
    world.deleteMs = 5
    world.onReclaim = () => backlogs.push(world.pruner.status().backlogHeights)
    await world.run(5_000)
    await pruned
    assert.deepEqual(world.store.stats(), { count: 601, bytes: 600 * 1_000 + SHARED.bytes.length })
    assert.ok(
      backlogs.some((backlog) => backlog > 300 && backlog < 900),
      backlogs.join()
    )
    const { backlogHeights, perSecond } = world.pruner.status()
    assert.deepEqual([backlogHeights, perSecond.heights <= 1_100], [0, true])
    assert.ok(world.unlinkOnly.filter((only) => only).length > 3)
    assert.equal(world.unlinkOnly.at(-1), false)
    await world.pruner.stop()
  })

  void it('goes height by height where a rate is set, or the order matters', async () => {
    const rated = await World.create({ bytesPerSecond: 100_000 })
    const ordered = await World.create({})
    for (const world of [rated, ordered]) {
      await world.add(1, 1_400)
      await world.pruner.start()
    }
    void rated.pruner.pruneBelow(1_101, { signal: rated.signal }).catch(() => undefined)
    void ordered.pruner.pruneBelow(1_101, { signal: ordered.signal, inOrder: true })
    for (const world of [rated, ordered]) {
      await world.run(2_000)
      assert.equal(world.tracker.sweepLeft, 0)
      assert.ok((world.tracker.prunedTo ?? 0) > 10)
    }
    assert.ok((rated.tracker.prunedTo ?? 0) < 200)
    for (const world of [rated, ordered]) await world.pruner.stop()
  })

  void it('keeps the newest heights and what they share, and gives space back after', async () => {
    const world = await World.create({ retention: { heights: 10 } })
    await world.add(1, 50)
    await world.pruner.start()
    await world.run(5_000)
    assert.deepEqual([world.tracker.prunedTo, world.tracker.lowest], [40, 41])
    assert.deepEqual(world.store.stats(), { count: 21, bytes: 20 * 1_000 + SHARED.bytes.length })
    assert.ok(world.reclaims >= 1)
    const { state, backlogHeights, freed } = world.pruner.status()
    assert.deepEqual(
      { state, backlogHeights, freed },
      { state: 'idle', backlogHeights: 0, freed: { blobs: 80, bytes: 80_000 } }
    )
    await world.add(51, 53)
    await world.run(5_000)
    assert.equal(world.tracker.prunedTo, 43)
    const metric = await world.registry.getSingleMetric('execution_data_sync_pruner_latest_height_pruned')?.get()
    assert.equal(metric?.values[0]?.value, 43)
    await world.pruner.stop()
  })

  void it('deletes nothing when nothing says so', async () => {
    const world = await World.create({})
    await world.add(1, 300)
    await world.pruner.start()
    await world.run(60_000)
    assert.equal(world.tracker.prunedTo, undefined)
    assert.equal(world.store.stats().count, 601)
    await world.pruner.stop()
  })

  void it('keeps by age, and is not fooled by a clock that jumps', async () => {
    const world = await World.create({ retention: { ageMs: 3_600_000 }, minHeights: 5 })
    await world.add(1, 20)
    await world.pruner.start()
    await world.run(1_800_000)
    world.jumpMs = 365 * 86_400_000
    await world.add(21, 40)
    await world.run(60_000)
    assert.equal(world.tracker.prunedTo, undefined, 'the clock jumped a year ahead')
    await world.run(1_800_000)
    assert.equal(world.tracker.prunedTo, 20)
    world.jumpMs = -86_400_000
    await world.run(600_000)
    assert.equal(world.tracker.prunedTo, 20)
    await world.pruner.stop()
  })

  void it('keeps by bytes, and some heights whatever the bytes', async () => {
    const world = await World.create({ retention: { bytes: 60_000 }, minHeights: 5 })
    await world.add(1, 100)
    await world.pruner.start()
    await world.run(10_000)
    const { bytes } = world.store.stats()
    assert.ok(bytes <= 60_000 && bytes > 60_000 - 16 * 2_000, `${bytes} bytes`)
    await world.pruner.stop()
    const tight = await World.create({ retention: { bytes: 1 }, minHeights: 5 })
    await tight.add(1, 100)
    await tight.pruner.start()
    await tight.run(10_000)
    assert.equal(tight.tracker.prunedTo, 95)
    await tight.pruner.stop()
  })

  void it('says what would go, and then prunes just that', async () => {
    const world = await World.create({})
    await world.add(1, 30)
    const { signal } = world
    const plan = await world.pruner.plan({ below: 11, signal })
    assert.deepEqual(plan, { from: 1, to: 10, heights: 10, blobs: 20, bytes: 20_000, shared: 10 })
    assert.equal((await world.pruner.plan({ signal })).heights, 0)
    assert.equal(world.tracker.prunedTo, undefined)
    await world.pruner.start()
    const pruned = world.pruner.pruneBelow(11, { signal })
    await world.run(5_000)
    await pruned
    assert.deepEqual([world.tracker.prunedTo, world.store.stats().count], [10, 41])
    await world.pruner.stop()
  })

  void it('prunes nothing above what the node is done with', async () => {
    const world = await World.create({})
    await world.add(1, 30)
    world.done = 20
    const { signal } = world
    await assert.rejects(world.pruner.pruneBelow(22, { signal }), { code: 'not-held' })
    world.done = undefined
    await assert.rejects(world.pruner.pruneBelow(1, { signal }), { code: 'not-held' })
  })

  void it('gives up waiting when it is stopped, or told to', async () => {
    const world = await World.create({})
    await world.add(1, 30)
    const told = new AbortController()
    const first = world.pruner.pruneBelow(11, { signal: told.signal })
    const second = world.pruner.pruneBelow(11, { signal: world.signal })
    told.abort(new Error('enough'))
    await assert.rejects(first, /enough/)
    await world.pruner.stop()
    await assert.rejects(second, { code: 'stopped' })
  })

  void it('takes a step again that failed, more and more seldom', async () => {
    const world = await World.create({ retention: { heights: 5 } })
    await world.add(1, 20)
    world.failure = Object.assign(new Error('no room'), { code: 'disk-full' })
    await world.pruner.start()
    await world.run(100_000)
    assert.equal(world.pruner.status().state, 'failing')
    const errors = await world.registry.getSingleMetric('sealsync_pruner_errors_total')?.get()
    const count = errors?.values.reduce((sum, { value }) => sum + value, 0) ?? 0
    assert.ok(count >= 5 && count <= 9, `${count} tries`)
    world.failure = undefined
    await world.run(60_000)
    assert.deepEqual([world.pruner.status().state, world.tracker.prunedTo], ['idle', 15])
    assert.equal(world.store.stats().count, 11)
    await world.pruner.stop()
  })

  void it('finds what nobody owns, and deletes it after a while', async () => {
    const world = await World.create({ looseAfterMs: 60_000 })
    await world.add(1, 5)
    await world.store.put(blobAt(99, 0))
    await world.pruner.start()
    world.pruner.findOrphans()
    await world.run(30_000)
    assert.equal(world.store.stats().count, 12)
    await world.run(200_000)
    assert.equal(world.store.stats().count, 11)
    assert.equal(await world.store.has(blobAt(99, 0).cid), false)
    await world.pruner.stop()
  })

  void it('keeps to its rate', async () => {
    const world = await World.create({ bytesPerSecond: 4_000 })
    await world.add(1, 500)
    await world.pruner.start()
    void world.pruner.pruneBelow(451, { signal: world.signal })
    await world.run(100_000)
    const { freed, perSecond } = world.pruner.status()
    assert.ok(freed.bytes >= 300_000 && freed.bytes <= 4_000 * 100 + 128_000, `${freed.bytes} bytes in 100 s`)
    assert.ok(perSecond.bytes > 1_000)
    await world.run(200_000)
    assert.equal(world.tracker.prunedTo, 450)
    await world.pruner.stop()
  })

  void it('keeps its backlog bounded on a node that is saturated for ten minutes', async () => {
    const world = await World.create({ retention: { heights: 20 } })
    world.load.queue = 10_000
    await world.add(1, 20)
    await world.pruner.start()
    let worst = 0
    for (let height = 21; height <= 320; height += 1) {
      await world.add(height, height)
      await world.run(2_000)
      worst = Math.max(worst, world.pruner.status().backlogHeights)
    }
    assert.ok(worst <= 3, `${worst} heights behind`)
    await world.pruner.stop()
  })

  void it('knows which options cannot work', () => {
    assert.deepEqual(validatePrunerOptions(defaultPrunerOptions), [])
    const wrong = { ...defaultPrunerOptions, stepMs: 0, retention: { heights: -1 }, busyShare: 0.9, minHeights: 0.5 }
    assert.equal(validatePrunerOptions(wrong).length, 4)
  })
})
