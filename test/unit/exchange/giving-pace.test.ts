import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AssignedChoice } from '#src/exchange/client/assigned-choice.ts'
import { GivingPace } from '#src/exchange/client/giving-pace.ts'
import { PeerState } from '#src/exchange/client/peer-state.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peerId } from '#test/support/exchange/sim.ts'

const { client } = defaultExchangeOptions
const MIB = 1_048_576
const FORGOTTEN_MS = 60_000

/** A fast peer and a slow one that gives 1 MiB in `slowMs`. */
function two(slowMs: number, fastMs = 10) {
  const pace = new GivingPace({ slowMs: client.ladenMs })
  const [fast, slow] = [new PeerState(peerId(1), client), new PeerState(peerId(2), client)]
  for (let block = 0; block < 20; block += 1) {
    pace.sample(fast, { bytes: MIB, ms: fastMs, now: block })
    if (block % 5 === 0) pace.sample(slow, { bytes: MIB, ms: slowMs, now: block })
  }
  return { pace, fast, slow }
}

describe('a peer that gives far more slowly than others', () => {
  it('is one that takes too long over a large blob', () => {
    const { pace, fast, slow } = two(500)
    assert.equal(pace.isSlow(slow, 100), true)
    assert.equal(pace.isSlow(fast, 100), false)
    const bearable = two(client.ladenMs - 50)
    assert.equal(bearable.pace.isSlow(bearable.slow, 100), false)
  })

  it('is none where all are slow', () => {
    const { pace, fast, slow } = two(900, 600)
    assert.equal(pace.isSlow(slow, 100), false)
    assert.equal(pace.isSlow(fast, 100), false)
  })

  it('is none that nothing is known of, or small blocks alone', () => {
    const { pace } = two(500)
    const fresh = new PeerState(peerId(3), client)
    assert.equal(pace.isSlow(fresh, 100), false)
    pace.sample(fresh, { bytes: 60_000, ms: 5_000, now: 50 })
    assert.equal(pace.isSlow(fresh, 100), false)
  })

  it('is tried with one blob a minute, and believed again by a large one', () => {
    const { pace, slow } = two(500)
    const later = slow.gaveAt + FORGOTTEN_MS
    assert.equal(pace.isSlow(slow, later - 1), true)
    assert.equal(pace.isSlow(slow, later), false)
    const { key } = seededBlob(1, 10).cid
    slow.asked(key, 10, later)
    assert.equal(pace.isSlow(slow, later), true)
    slow.settled(key, 10)
    pace.sample(slow, { bytes: 10, ms: 1, now: later })
    assert.equal(pace.isSlow(slow, later + 1), true)
    for (let block = 0; block < 3; block += 1) pace.sample(slow, { bytes: MIB, ms: 10, now: later })
    assert.equal(pace.isSlow(slow, later), false)
  })

  it('is climbed over in a tree, and asked when nobody else is left', () => {
    const nodes = Array.from({ length: 6 }, (_, at) => peerId(at + 1))
    const [root, ...access] = nodes
    assert.ok(root !== undefined)
    const directory = { access, execution: [root] }
    const choice = new AssignedChoice(
      { selfPeer: peerId(0), peerDirectory: () => directory, busyMs: () => 0 },
      { ...client, treeWidth: 1 }
    )
    const states = new Map(nodes.map((name) => [name, new PeerState(name, client)]))
    const ask = (seed: number, tried: readonly PeerIdText[] = []): PeerIdText | undefined => {
      const { key } = seededBlob(seed, 10).cid
      const chosen = choice.next(
        { key, hot: true, origins: [root], tried: new Set(tried), sizeEstimate: 10 },
        states,
        100
      )
      return chosen.kind === 'ask' ? chosen.peer : undefined
    }
    const seed = Array.from({ length: 50 }, (_, at) => at).find((at) => ask(at) !== root) ?? -1
    const parent = ask(seed)
    assert.ok(parent !== undefined)
    for (const [name, state] of states) {
      for (let block = 0; block < 20; block += 1) {
        if (name !== parent) choice.pace.sample(state, { bytes: MIB, ms: 10, now: 99 })
      }
    }
    const state = states.get(parent)
    assert.ok(state !== undefined)
    choice.pace.sample(state, { bytes: MIB, ms: 500, now: 99 })
    assert.notEqual(ask(seed), parent)
    assert.equal(
      ask(
        seed,
        nodes.filter((name) => name !== parent)
      ),
      parent
    )
  })
})
