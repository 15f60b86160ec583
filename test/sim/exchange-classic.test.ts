import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultExchangeOptions, type ProviderRouter } from '#src/exchange/index.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { fetch, make, type HerdReport, quantile, startHerd } from '#test/support/exchange/herd.ts'
import { checkQuiet } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, type Sim, type SimShape, simBlob } from '#test/support/exchange/sim.ts'

const boxo = { policy: 'classic' } as const
const patient = {
  ...boxo,
  client: {
    classic: {
      ...defaultExchangeOptions.client.classic,
      timeoutFactor: 4,
      latencyWeight: 0.2,
      timeoutMs: { min: 1000, max: 30_000, unknown: 30_000 }
    }
  }
}

async function herd(shape: Partial<SimShape>, during: (sim: Sim) => void = () => {}): Promise<HerdReport> {
  const sim = createSim({ seed: 1, producers: 2, access: 18, delayMs: [10, 10], options: boxo, ...shape })
  const report = startHerd(sim, { blobs: 24, everyMs: 333, fetchers: sim.access })
  during(sim)
  await sim.run(80_000)
  for (const node of sim.nodes) checkQuiet(node)
  await sim.stop()
  return report()
}

describe("boxo's way of asking", () => {
  test('receives half of all bytes twice in a herd of 20 with 10 ms of delay', async (t) => {
    const report = await herd({})
    t.diagnostic(`duplicates ${report.duplicateRatio}, p99 ${quantile(report.latencies, 0.99)} ms`)
    assert.equal(report.missing, 0)
    assert.ok(report.duplicateRatio > 0.25 && report.duplicateRatio < 0.75, `${report.duplicateRatio}`)
  })

  test('gives hardly any where answers come within its time-out, and none when it is patient', async () => {
    // Two uplinks of 2 Gbit/s feed eight in 34 ms: loopback is no slower, and the least time-out is 50 ms.
    assert.ok((await herd({ access: 8, delayMs: [0, 0], uplinkBits: 2e9 })).duplicateRatio < 0.02)
    assert.equal((await herd({ options: patient })).duplicateRatio, 0)
  })

  test('asks again, without cancelling, and cancels with all when the blob is there', async () => {
    const sim = createSim({ seed: 3, producers: 2, access: 6, delayMs: [10, 10], options: boxo })
    const report = startHerd(sim, { blobs: 5, everyMs: 2000, fetchers: sim.access })
    await sim.run(60_000)
    const { wants } = sim.access[0]!.exchange.status()
    assert.equal(report().missing, 0)
    // Each of the seven others was told of each of the five, in whatever way.
    assert.equal(wants.cancelled, 5 * 7)
    for (const node of sim.nodes) assert.equal(node.exchange.server.wantedDigests, 0)
    await sim.stop()
  })

  test('several sessions that want the same blob ask several peers', async () => {
    const sim = createSim({ seed: 4, producers: 4, access: 1, delayMs: [10, 10], options: boxo })
    const [asker] = sim.access
    const blobs = Array.from({ length: 20 }, (_, index) => simBlob(index))
    for (const node of sim.producers) for (const blob of blobs) make(node, blob)
    await sim.run(100)
    const sessions = [1, 2, 3, 4].map(() => asker!.exchange.createSession({ temperature: 'cold' }))
    const { signal } = new AbortController()
    // Each session gets to know the peers by blobs of its own; then all want the same.
    sessions.forEach((session, index) => {
      for (const blob of blobs.slice(index * 5, index * 5 + 5)) void session.fetch(blob.cid, { signal })
    })
    await sim.run(2000)
    const before = asker!.exchange.status().wants.sent
    const shared = Array.from({ length: 20 }, (_, index) => simBlob(100 + index))
    for (const node of sim.producers) for (const blob of shared) make(node, blob)
    for (const blob of shared) for (const session of sessions) void session.fetch(blob.cid, { signal })
    await sim.run(20_000)
    const { blobs: counts, wants } = asker!.exchange.status()
    assert.equal(counts.unique, 40)
    assert.ok(wants.sent - before > 30, `${wants.sent - before} asks for 20 blobs`)
    assert.ok(counts.duplicate > 0)
    await sim.stop()
  })

  test('a want moves on from a peer that said HAVE and fell silent', async () => {
    const sim = createSim({ seed: 5, producers: 2, access: 10, delayMs: [3, 20], options: boxo }, 1)
    const liar = new ScriptedPeer(sim.network.port(sim.strangers[0]!)!)
    liar.onWant = (peer, entry) => liar.say(peer, entry.key, true)
    liar.onWantHave = liar.onWant
    const report = startHerd(sim, { blobs: 60, everyMs: 333, fetchers: sim.access })
    await sim.run(90_000)
    assert.equal(report().missing, 0)
    await sim.stop()
  })

  describe('a want that stalls', () => {
    const blob = simBlob(1)
    /** A holder that is silent when it is asked whether it has the blob, and sends it when it is asked for it. */
    const shy = (router: Pick<ProviderRouter, 'findProviders'> & Partial<ProviderRouter>): Sim => {
      const shape = { seed: 8, producers: 1, access: 2, delayMs: [5, 5] as const, options: boxo }
      const sim = createSim({ ...shape, router: { provide: () => {}, ...router } }, 1)
      const holder = new ScriptedPeer(sim.network.port(sim.strangers[0]!)!)
      holder.onWantHave = () => {}
      holder.onWant = (peer) => holder.give(peer, blob)
      return sim
    }
    const lookups = async (sim: Sim): Promise<readonly number[]> => {
      const text = await sim.access[0]!.register.metrics()
      const read = (name: string): number =>
        Number(new RegExp(`^sealsync_exchange_${name} (\\d+)$`, 'm').exec(text)?.[1])
      return [
        read('lookups_total\\{outcome="found"\\}'),
        read('lookups_total\\{outcome="empty"\\}'),
        read('lookups_total\\{outcome="failed"\\}'),
        read('looked_up_blocks_total')
      ]
    }

    test('is answered by a provider that only a look-up knew, and that is counted', async () => {
      const sim: Sim = shy({
        async *findProviders() {
          yield sim.strangers[0]!
        }
      })
      const fetched = fetch(sim.access[0]!, blob, undefined)
      await sim.run(20_000)
      assert.equal((await fetched).cid.key, blob.cid.key)
      assert.deepEqual(await lookups(sim), [1, 0, 0, 1])
      await sim.stop()
    })

    test('stays when look-ups find nobody, fail, or hang, and goes when nobody wants it', async () => {
      let calls = 0
      const sim = shy({
        async *findProviders(_cid, { signal }) {
          calls += 1
          if (calls === 1) return
          if (calls === 2) throw new Error('the DHT is down')
          yield* await new Promise<PeerIdText[]>((_, reject) =>
            signal.addEventListener('abort', () => reject(signal.reason))
          )
        }
      })
      const controller = new AbortController()
      const fetched = fetch(sim.access[0]!, blob, undefined, controller.signal)
      fetched.catch(() => {})
      await sim.run(60_000)
      assert.equal(calls, 3)
      controller.abort(new Error('enough'))
      await assert.rejects(fetched, /enough/)
      await sim.run(61_000)
      assert.deepEqual(await lookups(sim), [0, 2, 1, 0])
      await sim.stop()
    })

    test('is looked up by the policy classic alone, and every new blob is provided', async () => {
      const provided: string[] = []
      const router: ProviderRouter = {
        provide: (cids) => provided.push(...cids.map(String)),
        findProviders: () => {
          throw new Error('looked up')
        }
      }
      const sim = createSim({ seed: 9, producers: 1, access: 1, router })
      fetch(sim.access[0]!, blob, undefined).catch(() => {})
      await sim.run(5_000)
      make(sim.producers[0]!, blob)
      await sim.run(30_000)
      assert.deepEqual(provided, [String(blob.cid), String(blob.cid)])
      assert.deepEqual(await lookups(sim), [0, 0, 0, 0])
      await sim.stop()
    })
  })

  test('wants outlive peers that go, and peers that come are told of them', async () => {
    const sim = createSim({ seed: 6, producers: 1, access: 3, delayMs: [5, 5], options: boxo })
    const [asker, holder] = sim.access
    const blob = simBlob(1)
    const fetched = fetch(asker!, blob, undefined)
    await sim.run(2000)
    for (const node of sim.nodes) if (node !== asker) sim.network.disconnect(asker!.peer, node.peer)
    await sim.run(4000)
    make(holder!, blob)
    sim.network.connect(asker!.peer, holder!.peer)
    await sim.run(12_000)
    assert.equal((await fetched).cid.key, blob.cid.key)
    for (const node of sim.nodes) checkQuiet(node)
    await sim.stop()
  })

  test('a fetch that is given up is cancelled with everybody', async () => {
    const sim = createSim({ seed: 7, producers: 1, access: 3, delayMs: [5, 5], options: boxo })
    const controller = new AbortController()
    const fetched = fetch(sim.access[0]!, simBlob(1), undefined, controller.signal)
    fetched.catch(() => {})
    await sim.run(2000)
    controller.abort(new Error('enough'))
    await assert.rejects(fetched, /enough/)
    await sim.run(3000)
    for (const node of sim.nodes) assert.equal(node.exchange.server.wantedDigests, 0)
    for (const node of sim.nodes) checkQuiet(node)
    await sim.stop()
  })
})
