import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fetch, make } from '#test/support/exchange/herd.ts'
import { checkQuiet } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, simBlob } from '#test/support/exchange/sim.ts'

const HONEST = 7
const BLOBS = 2000

/** Virtual ms until a node has fetched everything from the honest holders, with so many beside them that only say that they have it. */
async function syncMs(liars: number): Promise<number> {
  const sim = createSim({ seed: 77, producers: 1, access: HONEST, delayMs: [5, 15] }, liars)
  for (const id of sim.strangers) {
    const stranger = new ScriptedPeer(sim.network.port(id)!)
    stranger.onWant = (peer, entry) => stranger.say(peer, entry.key, true)
    stranger.onWantHave = (peer, entry) => stranger.say(peer, entry.key, true)
  }
  const [asker, ...others] = [...sim.access, ...sim.producers]
  const blobs = Array.from({ length: BLOBS }, (_, index) => simBlob(index))
  for (const holder of others) for (const blob of blobs) make(holder, blob)
  let done = 0
  sim.clock.setTimer(100, () => {
    for (const blob of blobs) {
      void fetch(asker!, blob, undefined).then(() => {
        done = sim.clock.now()
      })
    }
  })
  await sim.run(120_000)
  assert.equal(asker!.blobs.held.size, BLOBS)
  const { payloadBytes } = asker!.exchange.status()
  assert.equal(payloadBytes.duplicate + payloadBytes.partial, 0)
  checkQuiet(asker!)
  await sim.stop()
  return done - 100
}

test('three liars beside seven honest holders cost a sync less than half of its time', async (t) => {
  const [honest, lied] = [await syncMs(0), await syncMs(3)]
  t.diagnostic(`${honest.toFixed(0)} ms without, ${lied.toFixed(0)} ms with (virtual)`)
  assert.ok(lied < honest * 1.5, `${lied} ms against ${honest} ms`)
})
