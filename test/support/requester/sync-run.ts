import assert from 'node:assert/strict'
import { SyncWorld } from './sync-world.ts'

const MIB = 1024 * 1024
const LIMITS = {
  maxSearchAhead: 40,
  maxAheadBytes: 4 * MIB,
  maxInFlightBytes: 3 * MIB,
  concurrency: 6,
  attemptTimeoutMs: 5_000,
  maxAttemptTimeoutMs: 20_000,
  maxUnsavedNotifications: 8
}

/** Kills happen in so many of the first steps. */
const KILLING_STEPS = 600
const MOST_STEPS = 3_000

/**
 * A requester from its first life to its last: runs until every height is notified, with kills at random while the first
 * part lasts. Throws for whatever does not hold.
 */
export async function syncThroughKills(seed: number, blocks: number): Promise<SyncWorld> {
  const world = new SyncWorld({ seed, blocks, requester: LIMITS })
  world.chain()
  await world.begin()
  for (let step = 0; step < MOST_STEPS && world.notified.at(-1) !== blocks; step += 1) {
    await world.clock.advance(world.between(20, 400))
    world.check()
    if (step < KILLING_STEPS && world.between(0, 30) === 0) {
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
  checkEnd(world)
  return world
}

function checkEnd(world: SyncWorld): void {
  const { blocks, notified } = world
  assert.equal(world.progress.heights.get('requester-notified'), blocks, 'the height that was notified last')
  assert.equal(world.progress.heights.get('requester-consecutive'), blocks, 'the height that is held last')
  const heights = Array.from({ length: blocks }, (_, at) => at + 1)
  assert.deepEqual([...new Set(notified)], heights, 'every height is notified, in order')
  const repeats = notified.length - blocks
  const most = world.kills * (LIMITS.maxUnsavedNotifications + 1)
  assert.ok(repeats <= most, `${repeats} repeats in ${world.kills} kills`)
  assert.ok(world.maxRunning <= LIMITS.concurrency, `${world.maxRunning} downloads at once`)
  assert.ok(world.maxAhead <= LIMITS.maxSearchAhead, `${world.maxAhead} heights ahead`)
  // The lowest height and a replacement may exceed the bound by what they are expected to bring.
  assert.ok(world.maxExpectedBytes <= LIMITS.maxInFlightBytes + 2 * MIB, `${world.maxExpectedBytes} bytes expected`)
  assert.ok(world.maxAheadBytes <= LIMITS.maxAheadBytes + 2 * MIB, `${world.maxAheadBytes} bytes ahead`)
}
