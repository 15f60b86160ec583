import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { KEPT_PLANS } from './kept-plans.ts'
import { runPlan } from './runner/chaos.ts'
import { type Plan, smallPlans } from './runner/plan.ts'

/** `npm run sim` runs many more, and larger ones. */
const PLANS = 15

describe('random faults', () => {
  test('break nothing, whatever the plan', async (t) => {
    let minutes = 0
    const property = fc.asyncProperty(smallPlans, async (plan) => {
      minutes += (await runPlan(plan)).virtualMs / 60_000
    })
    await fc.assert(property, { seed: 1, numRuns: PLANS })
    t.diagnostic(`${minutes.toFixed(0)} virtual minutes`)
  })

  test('break nothing in a crowd', async () => {
    const crowd: Plan = {
      kind: 'network',
      seed: 1,
      policy: 'assigned',
      producers: 2,
      access: 120,
      strangers: ['have', 'mute'],
      delayMs: [3, 60],
      jitterMs: 5,
      uplinkMbit: 1000,
      slow: 2,
      storeMs: 5,
      budgetBlocks: 4,
      blobs: [
        { atMs: 1000, bytes: 200_000, hot: true },
        { atMs: 1500, bytes: 60_000, hot: false },
        { atMs: 6000, bytes: 200_000, hot: true }
      ],
      faults: [
        { kind: 'silence', atMs: 900, forMs: 4000, a: 7, b: 0 },
        { kind: 'split', atMs: 1200, forMs: 1500, a: 0, b: 0 },
        { kind: 'torn', atMs: 3000, forMs: 2000, a: 1, b: 0 },
        { kind: 'break', atMs: 6010, forMs: 1, a: 0, b: 5 }
      ]
    }
    assert.equal((await runPlan(crowd)).deliveries >= 3 * 120, true)
  })

  test('are the same for the same seed', async () => {
    for (const plan of fc.sample(smallPlans, { seed: 2, numRuns: 2 })) {
      assert.deepEqual(await runPlan(plan), await runPlan(plan))
    }
  })

  for (const { found, plan } of KEPT_PLANS) {
    test(`hold where they once did not: ${found}`, async () => {
      assert.ok((await runPlan(plan)).deliveries > 0)
    })
  }
})
