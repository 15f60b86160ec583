import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type HerdReport, quantile, startHerd } from '#test/support/exchange/herd.ts'
import { checkQuiet } from '#test/support/exchange/invariants.ts'
import { createSim } from '#test/support/exchange/sim.ts'

const show = (report: HerdReport): string =>
  `duplicates ${(report.duplicateRatio * 100).toFixed(3)} %, p50 ${quantile(report.latencies, 0.5).toFixed(0)}, p99 ${quantile(
    report.latencies,
    0.99
  ).toFixed(
    0
  )}, max ${quantile(report.latencies, 1).toFixed(0)} ms, copies per producer ${report.producerCopies.toFixed(2)}`

describe('herd: 2 producers and 18 who want every blob at once', () => {
  for (const seed of [1, 2, 3]) {
    test(`everybody gets everything, nothing comes twice (seed ${seed})`, async (t) => {
      const sim = createSim({ seed, producers: 2, access: 18 })
      const report = startHerd(sim, { blobs: 60, everyMs: 333, fetchers: sim.access })
      await sim.run(60_000)
      const result = report()
      t.diagnostic(show(result))
      assert.equal(result.missing, 0)
      assert.equal(result.duplicateRatio, 0)
      assert.ok(result.producerCopies <= 5, show(result))
      assert.ok(quantile(result.latencies, 0.99) <= 1000, show(result))
      for (const node of sim.nodes) checkQuiet(node)
      await sim.stop()
    })
  }

  test('one that is ended early says what is missing', async () => {
    const sim = createSim({ seed: 1, producers: 2, access: 18 })
    const report = startHerd(sim, { blobs: 1, everyMs: 1, fetchers: sim.access })
    // The blob is there after 200 ms, and known to everybody 33 ms later.
    await sim.run(235)
    await sim.stop()
    const { missing, latencies } = report()
    assert.ok(missing > 0 && missing + latencies.length === 18, `${missing} missing, ${latencies.length} came`)
  })

  test('a node that falls silent half way costs next to nothing', async (t) => {
    const sim = createSim({ seed: 4, producers: 2, access: 18 })
    const silent = sim.access[3]!
    const report = startHerd(sim, { blobs: 90, everyMs: 333, fetchers: sim.access, uncounted: [silent] })
    sim.clock.setTimer(10_000, () => sim.network.silence(silent.peer))
    await sim.run(90_000)
    const result = report()
    t.diagnostic(show(result))
    assert.equal(result.missing, 0)
    assert.ok(result.duplicateRatio <= 0.001, show(result))
    assert.ok(quantile(result.latencies, 0.99) <= 1000, show(result))
    await sim.stop()
  })

  test('a producer that falls silent costs next to nothing', async (t) => {
    const sim = createSim({ seed: 5, producers: 3, access: 17 })
    const report = startHerd(sim, { blobs: 90, everyMs: 333, fetchers: sim.access })
    sim.clock.setTimer(10_000, () => sim.network.silence(sim.producers[1]!.peer))
    await sim.run(90_000)
    const result = report()
    t.diagnostic(show(result))
    assert.equal(result.missing, 0)
    assert.ok(result.duplicateRatio <= 0.001, show(result))
    assert.ok(quantile(result.latencies, 0.99) <= 1000, show(result))
    await sim.stop()
  })

  test('a node that says it will push and never does is passed over', async (t) => {
    const sim = createSim({ seed: 6, producers: 2, access: 18 })
    // It fetches nothing, so it has nothing: to its children it is a parent that acknowledges and does not deliver.
    const fetchers = sim.access.slice(1)
    const report = startHerd(sim, { blobs: 360, everyMs: 333, fetchers })
    await sim.run(180_000)
    const result = report()
    t.diagnostic(show(result))
    assert.equal(result.missing, 0)
    assert.ok(result.duplicateRatio <= 0.001, show(result))
    assert.ok(quantile(result.latencies, 0.99) <= 1000, show(result))
    assert.ok(quantile(result.latencies, 1) <= 4000, show(result))
    await sim.stop()
  })
})
