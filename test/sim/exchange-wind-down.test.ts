import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fetch, make, quantile, startHerd } from '#test/support/exchange/herd.ts'
import { createSim, type Sim, simBlob } from '#test/support/exchange/sim.ts'

const BLOBS = 30
const LEAVING = 5

/** A herd with some nodes that fetch nothing new, whether the others were told so or not. */
async function herdWith(told: boolean): Promise<{ sim: Sim; latencies: readonly number[]; missing: number }> {
  const sim = createSim({ seed: 7, producers: 2, access: 18, delayMs: [0, 2], checkEvery: 2048 })
  const leaving = sim.access.slice(0, LEAVING)
  // One of them tells the others when they connect, the rest while blobs are under way.
  if (told) leaving[0]?.exchange.windDown()
  const report = startHerd(sim, { blobs: BLOBS, everyMs: 333, fetchers: sim.access.slice(LEAVING) })
  if (told) sim.clock.setTimer(150, () => leaving.slice(1).forEach((node) => node.exchange.windDown()))
  await sim.run(20_000)
  const { latencies, missing } = report()
  return { sim, latencies, missing }
}

describe('nodes that wind down', () => {
  test('are not asked for what is new, once they have said so', async (t) => {
    const untold = await herdWith(false)
    const told = await herdWith(true)
    assert.deepEqual([untold.missing, told.missing], [0, 0])
    const [before, after] = [untold, told].map(({ latencies }) => quantile(latencies, 0.9))
    t.diagnostic(`p90 ${before?.toFixed(0)} ms untold, ${after?.toFixed(0)} ms told`)
    assert.ok((after ?? 0) < (before ?? 0) / 2)
    for (const node of told.sim.access.slice(0, LEAVING)) {
      assert.equal(node.exchange.server.ledgerWants, 0)
      assert.equal(node.exchange.status().blobs.sent, 0)
    }
    await untold.sim.stop()
    await told.sim.stop()
  })

  test('go on serving what they have', async () => {
    const sim = createSim({ seed: 8, producers: 1, access: 3, delayMs: [1, 1] })
    const [leaving, other] = sim.access
    assert.ok(leaving && other)
    const blob = simBlob(5)
    make(leaving, blob)
    leaving.exchange.windDown()
    await sim.run(500)
    let got: string | undefined
    void fetch(other, blob, undefined).then(({ cid }) => (got = String(cid)))
    await sim.run(5_000)
    assert.equal(got, String(blob.cid))
    await sim.stop()
  })
})
