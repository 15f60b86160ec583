import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import type { DigestKey } from '#src/model/index.ts'
import { fetch, make, quantile, startHerd } from '#test/support/exchange/herd.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { checkInvariants, checkQuiet } from '#test/support/exchange/invariants.ts'
import { createSim, type Sim, simBlob } from '#test/support/exchange/sim.ts'

/** A simulation with one listed access node that follows a script. */
function withStranger(seed: number, access = 12): { sim: Sim; stranger: ScriptedPeer } {
  const sim = createSim({ seed, producers: 2, access, delayMs: [3, 20] }, 1)
  const port = sim.network.port(sim.strangers[0]!)!
  return { sim, stranger: new ScriptedPeer(port) }
}

describe('a peer among honest ones', () => {
  const herd = async (sim: Sim, blobs = 120): Promise<ReturnType<ReturnType<typeof startHerd>>> => {
    const report = startHerd(sim, { blobs, everyMs: 333, fetchers: sim.access })
    await sim.run(10_000 + blobs * 333)
    for (const node of sim.nodes) checkInvariants(node)
    await sim.stop()
    return report()
  }

  test('that says HAVE and never delivers holds no want for long', async () => {
    const { sim, stranger } = withStranger(11)
    stranger.onWant = (peer, entry) => stranger.say(peer, entry.key, true)
    const result = await herd(sim, 360)
    assert.equal(result.missing, 0)
    assert.ok(result.duplicateRatio <= 0.0005)
    assert.ok(quantile(result.latencies, 0.99) <= 1000, `p99 ${quantile(result.latencies, 0.99)}`)
    assert.ok(quantile(result.latencies, 1) <= 4000, `max ${quantile(result.latencies, 1)}`)
  })

  test('that stalls after half a block costs that half', async () => {
    const { sim, stranger } = withStranger(12)
    const bodies = new Map<DigestKey, ReturnType<typeof simBlob>>()
    for (let number = 0; number < 360; number += 1) bodies.set(simBlob(number).cid.key, simBlob(number))
    stranger.onWant = (peer, entry) => stranger.giveHalf(peer, bodies.get(entry.key)!)
    const result = await herd(sim)
    assert.equal(result.missing, 0)
    assert.ok(result.partialBytes > 0, 'the halves are counted')
    assert.ok(result.duplicateRatio <= 0.01, `${result.duplicateRatio}`)
    assert.ok(quantile(result.latencies, 1) <= 4000, `max ${quantile(result.latencies, 1)}`)
  })

  test('that sends other bytes than it was asked for is passed over and disconnected', async () => {
    const { sim, stranger } = withStranger(13)
    let number = 1_000_000
    stranger.onWant = (peer) => {
      number += 1
      stranger.give(peer, simBlob(number))
    }
    const result = await herd(sim)
    assert.equal(result.missing, 0)
    assert.ok(quantile(result.latencies, 0.99) <= 1000)
    assert.ok(result.duplicateRatio > 0 && result.duplicateRatio < 0.01, `${result.duplicateRatio}`)
  })

  test('that floods with blocks nobody asked for is disconnected within its budget', async () => {
    const { sim, stranger } = withStranger(14, 3)
    const victim = sim.access[0]!
    await sim.run(100)
    for (let number = 0; number < 400; number += 1) stranger.give(victim.peer, simBlob(5_000_000 + number))
    await sim.run(20_000)
    assert.deepEqual(
      victim.port.penalties.map((penalty) => penalty.reason),
      ['unsolicited blocks']
    )
    assert.deepEqual(stranger.disconnected, [victim.peer])
    const { payloadBytes } = victim.exchange.status()
    assert.equal(payloadBytes.received, payloadBytes.duplicate + payloadBytes.partial)
    assert.ok(payloadBytes.received < 2_097_152 + 2 * 16_384 + 65_536, `${payloadBytes.received} bytes taken`)
    await sim.stop()
  })

  test('that wants the same blob for ever pays for it', async () => {
    const { sim, stranger } = withStranger(15, 3)
    const server = sim.access[0]!
    const blob = simBlob(1)
    make(server, blob)
    await sim.run(100)
    const message = encodeControl([encodeWantBlock(blob.cid.toBytes())], [])
    for (let second = 0; second < 600; second += 0.25) {
      sim.clock.setTimer(second * 1000, () => void stranger.send(server.peer, message).catch(() => {}))
    }
    await sim.run(620_000)
    const sent = server.exchange.status().payloadBytes.sent
    assert.ok(sent >= 16_384, 'the first is served')
    assert.ok(sent <= 300 * blob.bytes.length, `${sent / blob.bytes.length} copies for 2400 wants`)
    checkQuiet(server)
    await sim.stop()
  })

  test('that wants and never reads holds one block and delays nobody', async () => {
    const { sim, stranger } = withStranger(16, 6)
    const server = sim.access[0]!
    const blobs = Array.from({ length: 200 }, (_, index) => simBlob(index))
    for (const blob of blobs) make(server, blob)
    await sim.run(100)
    const wants = blobs.map((blob) => encodeWantBlock(blob.cid.toBytes()))
    void stranger.send(server.peer, encodeControl(wants, [])).catch(() => {})
    await sim.run(200)
    sim.network.silence(sim.strangers[0]!)
    let most = 0
    sim.clock.setTimer(500, () => {
      for (const blob of blobs) void fetch(sim.access[1]!, blob, undefined)
    })
    for (let at = 250; at < 20_000; at += 50) {
      await sim.run(at)
      most = Math.max(most, server.exchange.server.bytesInFlight)
    }
    assert.equal(sim.access[1]!.blobs.held.size, 200)
    assert.ok(most <= 16 * 16_384, `${most} bytes in flight`)
    await sim.run(120_000)
    assert.equal(server.exchange.server.ledger(sim.strangers[0]!)?.wants.size, 0, 'its queue is dropped')
    assert.equal(server.exchange.server.bytesInFlight, 0)
    await sim.stop()
  })
})

describe('a peer that goes', () => {
  test('leaves nothing behind', async () => {
    const sim = createSim({ seed: 21, producers: 1, access: 4 })
    const [a, b] = sim.access
    const blob = simBlob(1)
    const controller = new AbortController()
    const fetched = fetch(a!, blob, [sim.producers[0]!.peer], controller.signal)
    fetched.catch(() => {})
    await sim.run(500)
    for (const node of sim.nodes) if (node !== a) sim.network.disconnect(a!.peer, node.peer)
    await sim.run(1000)
    for (const node of sim.nodes) {
      if (node === a) continue
      assert.equal(node.exchange.server.ledger(a!.peer), undefined)
      assert.equal(node.exchange.server.wantedDigests, 0)
    }
    assert.equal([...a!.exchange.client.peers()].length, 0)
    assert.equal(a!.exchange.client.liveWants, 1, 'the want outlives the peers')
    make(b!, blob)
    sim.network.connect(a!.peer, b!.peer)
    await sim.run(3000)
    assert.equal((await fetched).cid.key, blob.cid.key)
    await sim.stop()
  })

  test('and comes back in the midst of it all makes no want hang', async () => {
    const sim = createSim({ seed: 22, producers: 2, access: 10, delayMs: [3, 20] })
    const report = startHerd(sim, { blobs: 120, everyMs: 333, fetchers: sim.access })
    for (let at = 1000; at < 40_000; at += 700) {
      sim.clock.setTimer(at, () => {
        const a = sim.nodes[Math.floor(sim.rng.next() * sim.nodes.length)]!.peer
        const b = sim.nodes[Math.floor(sim.rng.next() * sim.nodes.length)]!.peer
        if (a === b) return
        sim.network.disconnect(a, b)
        sim.clock.setTimer(400 + sim.rng.next() * 3000, () => sim.network.connect(a, b))
      })
    }
    await sim.run(90_000)
    const result = report()
    assert.equal(result.missing, 0)
    for (const node of sim.nodes) checkQuiet(node)
    await sim.stop()
  })
})

describe('cold blobs', () => {
  for (const holders of [1, 4, 9]) {
    test(`come once each from ${holders} holders`, async (t) => {
      const sim = createSim({ seed: 30 + holders, producers: 1, access: holders, delayMs: [5, 15] })
      const asker = sim.access[0]!
      const others = sim.nodes.filter((node) => node !== asker)
      const blobs = Array.from({ length: 300 }, (_, index) => simBlob(index, index % 3 === 0 ? 1_048_576 : 40_000))
      for (const node of others) for (const blob of blobs) make(node, blob)
      const started = 100
      let done = 0
      sim.clock.setTimer(started, () => {
        for (const blob of blobs) void fetch(asker, blob, undefined).then(() => (done = sim.clock.now()))
      })
      await sim.run(120_000)
      const { payloadBytes } = asker.exchange.status()
      t.diagnostic(`${((payloadBytes.useful * 64) / 1e6 / ((done - started) / 1000)).toFixed(0)} MB/s`)
      assert.equal(asker.blobs.held.size, 300)
      assert.equal(payloadBytes.duplicate + payloadBytes.partial, 0)
      for (const node of sim.nodes) checkQuiet(node)
      await sim.stop()
    })
  }

  test('are not asked of a node that has none of them, once that is known', async () => {
    const sim = createSim({ seed: 41, producers: 1, access: 2, delayMs: [5, 15] })
    const [asker] = sim.access
    const blobs = Array.from({ length: 2000 }, (_, index) => simBlob(index, 8192))
    for (const blob of blobs) make(sim.producers[0]!, blob)
    sim.clock.setTimer(100, () => {
      for (const blob of blobs) void fetch(asker!, blob, undefined)
    })
    await sim.run(30_000)
    const { wants } = asker!.exchange.status()
    assert.equal(asker!.blobs.held.size, 2000)
    assert.ok(wants.sent < 2000 * 1.3, `${wants.sent} asks for 2000 blobs`)
    await sim.stop()
  })

  test('that nobody has are asked for again when somebody comes', async () => {
    const sim = createSim({ seed: 40, producers: 1, access: 3 })
    const [asker, holder] = sim.access
    const blob = simBlob(1)
    const fetched = fetch(asker!, blob, undefined)
    await sim.run(5000)
    assert.equal(asker!.exchange.wantState(blob.cid)?.nextTryMs !== undefined, true)
    make(holder!, blob)
    await sim.run(15_000)
    assert.equal((await fetched).cid.key, blob.cid.key)
    await sim.stop()
  })
})
