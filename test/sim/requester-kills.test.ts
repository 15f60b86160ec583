import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SyncWorld } from '#test/support/requester/sync-world.ts'

const MIB = 1024 * 1024
const BLOCKS = 120
const requester = {
  maxSearchAhead: 40,
  maxAheadBytes: 4 * MIB,
  maxInFlightBytes: 3 * MIB,
  concurrency: 6,
  attemptTimeoutMs: 5_000,
  maxAttemptTimeoutMs: 20_000,
  maxUnsavedNotifications: 8
}

/** Runs until everything is notified; kills at random while the first part lasts. */
async function run(seed: number): Promise<SyncWorld> {
  const world = new SyncWorld({ seed, blocks: BLOCKS, requester })
  world.chain()
  await world.begin()
  for (let step = 0; step < 3_000 && world.notified.at(-1) !== BLOCKS; step += 1) {
    await world.clock.advance(world.between(20, 400))
    world.check()
    if (step < 600 && world.between(0, 30) === 0) {
      world.kill()
      await world.clock.advance(world.between(0, 3_000))
      await world.begin()
    }
  }
  await world.clock.advance(1_000)
  world.check()
  const stopping = world.requester?.stop()
  await world.clock.advance(10_000)
  await stopping
  return world
}

describe('requester under seeded faults and kills', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`seed ${seed}: everything is notified in order, nothing is skipped, every bound holds`, async () => {
      const world = await run(seed)
      assert.equal(world.progress.heights.get('requester-notified'), BLOCKS)
      assert.equal(world.progress.heights.get('requester-consecutive'), BLOCKS)
      assert.deepEqual(
        [...new Set(world.notified)],
        Array.from({ length: BLOCKS }, (_, at) => at + 1)
      )
      const repeats = world.notified.length - BLOCKS
      assert.ok(
        repeats <= world.kills * (requester.maxUnsavedNotifications + 1),
        `${repeats} repeats in ${world.kills} kills`
      )
      assert.ok(world.kills > 0, 'the run was killed at least once')
      assert.ok(world.maxRunning <= requester.concurrency, `${world.maxRunning} downloads at once`)
      assert.ok(world.maxAhead <= requester.maxSearchAhead, `${world.maxAhead} heights ahead`)
      // The lowest height and a replacement may exceed the bound by what they are expected to bring.
      assert.ok(
        world.maxExpectedBytes <= requester.maxInFlightBytes + 2 * MIB,
        `${world.maxExpectedBytes} bytes expected`
      )
      assert.ok(world.maxAheadBytes <= requester.maxAheadBytes + 2 * MIB, `${world.maxAheadBytes} bytes ahead`)
    })
  }

  test('the same seed gives the same run', async () => {
    const [one, other] = [await run(7), await run(7)]
    assert.deepEqual(one.notified, other.notified)
    assert.equal(one.fetched, other.fetched)
  })
})
