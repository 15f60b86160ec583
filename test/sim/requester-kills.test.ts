import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { syncThroughKills } from '#test/support/requester/sync-run.ts'

const BLOCKS = 120

describe('requester under seeded faults and kills', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`seed ${seed}: everything is notified in order, nothing is skipped, every bound holds`, async () => {
      const world = await syncThroughKills(seed, BLOCKS)
      assert.ok(world.kills > 0, 'the run was killed at least once')
    })
  }

  test('the same seed gives the same run', async () => {
    const [one, other] = [await syncThroughKills(7, BLOCKS), await syncThroughKills(7, BLOCKS)]
    assert.deepEqual(one.notified, other.notified)
    assert.equal(one.fetched, other.fetched)
  })
})
