import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssignedChoice } from '#src/exchange/client/assigned-choice.ts'
import type { ChoiceWant } from '#src/exchange/client/peer-choice.ts'
import { PeerState } from '#src/exchange/client/peer-state.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { peer, serverBench } from '#test/support/exchange/server-bench.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peerId } from '#test/support/exchange/sim.ts'

const { client } = defaultExchangeOptions

describe('a peer that is slow to take what it is sent', () => {
  it('is seen by how long its stream has not been empty', async () => {
    const { link, want, blobs, clock, server: serving } = serverBench()
    const blob = seededBlob(1, 100_000)
    blobs.put(blob)
    const slow = link('slow')
    slow.hold = true
    want('slow', blob)
    await clock.run(100)
    assert.ok(serving.busyMs(peer('slow')) < client.ladenMs)
    await clock.run(100 + client.ladenMs)
    assert.ok(serving.busyMs(peer('slow')) >= client.ladenMs)
    assert.equal(serving.busyMs(peer('nobody')), 0)
    slow.dataUnsentBytes = 0
    serving.dataReady(peer('slow'))
    assert.equal(serving.busyMs(peer('slow')), 0)
    serving.stop()
  })

  it('is seen by its pace when buffers on the way have taken all at once', async () => {
    const { link, want, blobs, clock, server: serving } = serverBench()
    const bytes = 1_000_000
    const perTick = 25_000
    const slow = link('slow')
    slow.hold = true
    const send = (seed: number): void => {
      const blob = seededBlob(seed, bytes)
      blobs.put(blob)
      want('slow', blob)
    }
    send(1)
    send(2)
    // The link takes a quarter of a megabyte a second until both are gone.
    do {
      await clock.run(clock.now() + 100)
      slow.dataUnsentBytes = Math.max(0, slow.dataUnsentBytes - perTick)
      serving.dataReady(peer('slow'))
    } while (slow.dataUnsentBytes > 0 && clock.now() < 60_000)
    assert.ok(clock.now() < 60_000)
    await clock.run(clock.now() + 10_000)
    assert.equal(serving.busyMs(peer('slow')), 0)
    // Now buffers on the way swallow a blob in one piece: it is under way for four seconds all the same.
    slow.hold = false
    send(3)
    await clock.run(clock.now() + 100)
    assert.equal(slow.dataUnsentBytes, 0)
    const busyMs = serving.busyMs(peer('slow'))
    assert.ok(busyMs > 3_000 && busyMs < 5_000, `${busyMs} ms`)
    await clock.run(clock.now() + 4_500)
    assert.equal(serving.busyMs(peer('slow')), 0)
    serving.stop()
  })

  it('is asked for nothing new while another can be', () => {
    const nodes = Array.from({ length: 6 }, (_, at) => peerId(at + 1))
    const [root, ...access] = nodes
    assert.ok(root !== undefined)
    const busy = new Map<PeerIdText, number>()
    const directory = { access, execution: [root] }
    const choice = new AssignedChoice(
      { selfPeer: peerId(0), peerDirectory: () => directory, busyMs: (name) => busy.get(name) ?? 0 },
      { ...client, treeWidth: 1 }
    )
    const states = new Map(nodes.map((name) => [name, new PeerState(name, client)]))
    // A blob for which this node stands below others.
    const ask = (seed: number): PeerIdText | undefined => {
      const want: ChoiceWant = {
        key: seededBlob(seed, 10).cid.key,
        hot: true,
        origins: [root],
        tried: new Set<PeerIdText>(),
        sizeEstimate: 10
      }
      const chosen = choice.next(want, states, 0)
      return chosen.kind === 'ask' ? chosen.peer : undefined
    }
    const seed = Array.from({ length: 50 }, (_, at) => at).find((at) => ask(at) !== root) ?? -1
    const parent = ask(seed)
    assert.ok(parent !== undefined)
    busy.set(parent, client.ladenMs - 1)
    assert.equal(ask(seed), parent)
    busy.set(parent, client.ladenMs)
    assert.notEqual(ask(seed), parent)
    // What its answers took when they were last measured comes on top.
    states.get(parent)?.ack.sample(client.ladenMs / 2, 0)
    busy.set(parent, client.ladenMs / 2 - 1)
    assert.equal(ask(seed), parent)
    busy.set(parent, client.ladenMs / 2)
    assert.notEqual(ask(seed), parent)
    busy.delete(parent)
    assert.equal(ask(seed), parent)
    for (const name of nodes) busy.set(name, client.ladenMs)
    assert.notEqual(ask(seed), undefined)
  })
})
