import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeBlocks } from '#src/exchange/message/encoder.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import { fetch, quantile, startHerd } from '#test/support/exchange/herd.ts'
import { checkQuiet } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, simBlob } from '#test/support/exchange/sim.ts'

const BLOBS = 40
/** After the announcement of the blob that is under way then. */
const FALLS_SILENT_MS = 10

describe('the blob under way when a node falls silent', () => {
  const fallen = async (
    seed: number,
    which: 'producer' | 'access'
  ): Promise<ReturnType<ReturnType<typeof startHerd>>> => {
    const sim = createSim({ seed, producers: 3, access: 18, delayMs: [0, 2], checkEvery: 2048 })
    const node = which === 'producer' ? sim.producers[1]! : sim.access[0]!
    const report = startHerd(sim, { blobs: BLOBS, everyMs: 333, fetchers: sim.access, uncounted: [node] })
    sim.clock.setTimer(200 + (BLOBS / 2) * 333 + FALLS_SILENT_MS, () => sim.network.silence(node.peer))
    await sim.run(16_000)
    await sim.stop()
    return report()
  }

  for (const seed of [2, 3]) {
    test(`comes soon, though it was half sent (a producer, seed ${seed})`, async (t) => {
      const report = await fallen(seed, 'producer')
      const worst = quantile(report.latencies, 1)
      t.diagnostic(`${worst.toFixed(0)} ms at the most, wasted ${(report.duplicateRatio * 100).toFixed(3)} %`)
      assert.equal(report.missing, 0)
      assert.ok(worst <= 800, `${worst} ms`)
      // What had come of the blocks that broke off, once.
      assert.ok(report.duplicateRatio <= 0.01, `${report.duplicateRatio}`)
    })
  }

  test('comes soon, though it was acknowledged (an access node)', async () => {
    const report = await fallen(4, 'access')
    assert.equal(report.missing, 0)
    assert.ok(quantile(report.latencies, 1) <= 800, `${quantile(report.latencies, 1)} ms`)
    assert.equal(report.duplicateRatio, report.partialBytes / report.usefulBytes, 'nothing came twice')
  })
})

describe('a node that is slow', () => {
  test('is not taken for silent while its bytes come', async () => {
    const sim = createSim({ seed: 5, producers: 1, access: 3, delayMs: [20, 20], uplinkBits: 8e6 })
    const report = startHerd(sim, { blobs: 4, everyMs: 12_000, fetchers: sim.access })
    await sim.run(80_000)
    const { missing, duplicateRatio, latencies } = report()
    assert.equal(missing, 0)
    assert.equal(duplicateRatio, 0)
    assert.ok(quantile(latencies, 1) > 1500, 'it was slow')
    for (const node of sim.nodes) checkQuiet(node)
    await sim.stop()
  })

  test('and stops in the midst of a block keeps it for a while when it answers, and loses it in the end', async () => {
    const sim = createSim({ seed: 6, producers: 1, access: 1, delayMs: [5, 5] }, 1)
    const [asker] = sim.access
    const stranger = new ScriptedPeer(sim.network.port(sim.strangers[0]!)!)
    const blob = simBlob(1)
    const [length, head, body] = encodeBlocks([{ form: CID_V0, bytes: blob.bytes }])
    // On a stream of its own, as everybody sends blocks; its words come on another.
    stranger.onWant = (peer) =>
      void stranger.open(peer).then((stream) => stream.send([length!, head!, body!.subarray(0, 1000)]))
    await sim.run(1000)
    // Nobody else is there: the stranger is asked.
    sim.network.silence(sim.producers[0]!.peer)
    void fetch(asker!, blob, [sim.strangers[0]!]).catch(() => {})
    const partial = (): number => asker!.exchange.status().payloadBytes.partial
    await sim.run(2000)
    assert.equal(partial(), 0)
    await sim.run(5000)
    assert.ok(partial() > 0)
    await sim.stop()
  })
})
