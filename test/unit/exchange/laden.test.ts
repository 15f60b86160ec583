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

const { client, server } = defaultExchangeOptions

describe('a peer that is slow to take what it is sent', () => {
  it('is laden once its stream has not been empty for a while, and no more when it is', async () => {
    const { link, want, blobs, clock, server: serving } = serverBench()
    const blob = seededBlob(1, 100_000)
    await blobs.put(blob)
    const slow = link('slow')
    slow.hold = true
    want('slow', blob)
    await clock.run(100)
    assert.equal(serving.laden(peer('slow')), false)
    await clock.run(100 + server.ladenMs)
    assert.equal(serving.laden(peer('slow')), true)
    assert.equal(serving.laden(peer('nobody')), false)
    slow.dataUnsentBytes = 0
    serving.dataReady(peer('slow'))
    assert.equal(serving.laden(peer('slow')), false)
    serving.stop()
  })

  it('is asked for nothing new while another can be', () => {
    const nodes = Array.from({ length: 6 }, (_, at) => peerId(at + 1))
    const [root, ...access] = nodes
    assert.ok(root !== undefined)
    const slow = new Set<PeerIdText>()
    const directory = { access, execution: [root] }
    const choice = new AssignedChoice(
      { selfPeer: peerId(0), peerDirectory: () => directory, laden: (name) => slow.has(name) },
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
    slow.add(parent)
    assert.notEqual(ask(seed), parent)
    for (const name of nodes) slow.add(name)
    assert.notEqual(ask(seed), undefined)
  })
})
