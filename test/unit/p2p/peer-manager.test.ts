import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { NodeIdentity, PeerIdText } from '#src/model/index.ts'
import { createP2pMetrics, defaultPeerManagerOptions, IdentityTable, type PeerManagerOptions } from '#src/p2p/index.ts'
import { Cooldowns } from '#src/p2p/cooldowns.ts'
import { PeerManager } from '#src/p2p/peer-manager.ts'
import type { PeerLink } from '#src/p2p/peer-state.ts'
import { seededRng } from '#src/util/index.ts'
import { ManualClock, type Member, makeMember, makeMembers, settle, valueOf } from './support.ts'

type Outcome = 'connect' | 'refuse' | 'hang'

/** A manager whose dials end as the test says. */
class Bench {
  readonly clock = new ManualClock()
  readonly metrics = createP2pMetrics(new Registry())
  readonly dials: { readonly peer: PeerIdText; readonly at: number }[] = []
  readonly closed: string[] = []
  readonly events: string[] = []
  readonly table: IdentityTable
  readonly manager: PeerManager
  outcome: Outcome = 'refuse'
  running = 0
  maxRunning = 0
  #links = 0

  constructor(self: Member, all: readonly Member[], options: Partial<PeerManagerOptions> = {}) {
    this.table = new IdentityTable(all.map(({ identity }) => identity))
    const { clock, metrics, table } = this
    this.manager = new PeerManager(
      {
        self: self.identity.peerId,
        table,
        cooldowns: new Cooldowns(clock, table),
        dial: (identity, { signal }) => this.#dial(identity, signal),
        dialOutcome: () => 'refused',
        clock,
        rng: seededRng(1),
        log: silentLogger,
        metrics
      },
      { ...defaultPeerManagerOptions, ...options }
    )
    this.manager.onPeer(({ type, peer, role }) => this.events.push(`${type} ${role} ${peer}`))
  }

  link(peer: PeerIdText, direction: 'inbound' | 'outbound'): PeerLink {
    this.#links += 1
    const id = `${direction}-${this.#links}`
    const link: PeerLink = {
      id,
      peer,
      direction,
      close: (why) => {
        this.closed.push(`${id} ${why}`)
        this.manager.linkClosed(link)
      }
    }
    this.manager.linkOpened(link)
    return link
  }

  async #dial(identity: NodeIdentity, signal: AbortSignal): Promise<void> {
    this.dials.push({ peer: identity.peerId, at: this.clock.now() })
    this.running += 1
    this.maxRunning = Math.max(this.running, this.maxRunning)
    try {
      if (this.outcome === 'connect') this.link(identity.peerId, 'outbound')
      if (this.outcome === 'refuse') throw new Error('refused')
      if (this.outcome !== 'hang') return
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    } finally {
      this.running -= 1
    }
  }
}

function pair(): { lower: Member; higher: Member; all: Member[] } {
  const all = makeMembers(2)
  const [lower, higher] = all
  assert.ok(lower && higher)
  return { lower, higher, all }
}

test('the lower peer id dials at once, the higher one after the grace period', async () => {
  const { lower, higher, all } = pair()
  const eager = new Bench(lower, all)
  await eager.manager.start()
  await eager.clock.advance(250)
  assert.equal(eager.dials.length, 1)
  const patient = new Bench(higher, all)
  await patient.manager.start()
  await patient.clock.advance(2_999)
  assert.equal(patient.dials.length, 0)
  await patient.clock.advance(251)
  assert.equal(patient.dials.length, 1)
})

test('a connection from the other side makes the grace dial needless', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(higher, all)
  await bench.manager.start()
  bench.link(lower.identity.peerId, 'inbound')
  await bench.clock.advance(60_000)
  assert.equal(bench.dials.length, 0)
  assert.deepEqual(bench.events, [`connected access ${lower.identity.peerId}`])
})

test('the pause between dials grows to its maximum and no further', async () => {
  const { lower, all } = pair()
  const bench = new Bench(lower, all, { jitter: 0, initialBackoffMs: 100, maxBackoffMs: 1_000 })
  await bench.manager.start()
  await bench.clock.advance(10_000)
  const pauses = bench.dials.slice(1).map(({ at }, index) => at - (bench.dials[index]?.at ?? 0))
  assert.deepEqual(pauses.slice(0, 6), [100, 200, 400, 800, 1_000, 1_000])
  assert.equal(await valueOf(bench.metrics.dials, { outcome: 'refused' }), bench.dials.length)
  assert.equal(await valueOf(bench.metrics.backoffPeers), 1)
})

test('jitter spreads the pauses and never lengthens them', async () => {
  const all = makeMembers(40)
  const [self] = all
  assert.ok(self)
  const bench = new Bench(self, all, { initialBackoffMs: 1_000, maxBackoffMs: 1_000, maxParallelDials: 100 })
  await bench.manager.start()
  await bench.clock.advance(1_000)
  const first = new Set(bench.dials.map(({ at }) => at))
  assert.ok(first.size > 30, `${first.size} different times`)
  await bench.clock.advance(1_000)
  assert.ok(bench.dials.length >= 2 * 39)
})

test('only a connection that lasted ends the back-off', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(lower, all, { jitter: 0 })
  await bench.manager.start()
  bench.outcome = 'connect'
  const cut = (): void =>
    bench.manager.linkClosed({ id: `outbound-${bench.dials.length}`, peer: higher.identity.peerId })
  await bench.clock.advance(250)
  cut()
  await bench.clock.advance(249)
  assert.equal(bench.dials.length, 1, 'a short one counts as a failure')
  await bench.clock.advance(1)
  cut()
  await bench.clock.advance(499)
  assert.equal(bench.dials.length, 2)
  await bench.clock.advance(1)
  assert.equal(bench.dials.length, 3)
  await bench.clock.advance(5_000)
  cut()
  assert.equal(bench.manager.statuses()[0]?.failures, 0)
  await bench.clock.advance(250)
  assert.equal(bench.dials.length, 4)
})

test('a dial that hangs is cut and repeated', async () => {
  const { lower, all } = pair()
  const bench = new Bench(lower, all, { dialTimeoutMs: 1_000 })
  bench.outcome = 'hang'
  await bench.manager.start()
  await bench.clock.advance(1_250)
  assert.equal(await valueOf(bench.metrics.dials, { outcome: 'timeout' }), 1)
  await bench.clock.advance(2_000)
  assert.ok(bench.dials.length >= 2)
})

test('dials at a time are bounded, and every peer gets its turn', async () => {
  const all = makeMembers(30)
  const [self] = all
  assert.ok(self)
  const bench = new Bench(self, all, { maxParallelDials: 4, dialTimeoutMs: 100 })
  bench.outcome = 'hang'
  await bench.manager.start()
  await bench.clock.advance(2_000)
  assert.equal(bench.maxRunning, 4)
  assert.equal(new Set(bench.dials.map(({ peer }) => peer)).size, 29)
})

test('of two connections both sides keep the one that the lower id opened', async () => {
  const { lower, higher, all } = pair()
  const atLower = new Bench(lower, all)
  const atHigher = new Bench(higher, all)
  for (const order of [['outbound', 'inbound'] as const, ['inbound', 'outbound'] as const]) {
    for (const direction of order) {
      atLower.link(higher.identity.peerId, direction)
      atHigher.link(lower.identity.peerId, direction === 'inbound' ? 'outbound' : 'inbound')
    }
    assert.match(atLower.manager.linkOf(higher.identity.peerId) ?? '', /^outbound/)
    assert.match(atHigher.manager.linkOf(lower.identity.peerId) ?? '', /^inbound/)
    assert.deepEqual([...atLower.closed, ...atHigher.closed], [], 'both are left alone at first')
    await Promise.all([atLower.clock.advance(1_000), atHigher.clock.advance(1_000)])
    assert.match(atLower.closed.join(), /^inbound-\d+ duplicate$/)
    assert.match(atHigher.closed.join(), /^outbound-\d+ duplicate$/)
    assert.deepEqual([atLower.events.length, atHigher.events.length], [1, 1], 'nobody reports a disconnect')
    for (const bench of [atLower, atHigher]) {
      const peer = bench === atLower ? higher.identity.peerId : lower.identity.peerId
      bench.manager.linkClosed({ id: bench.manager.linkOf(peer) ?? '', peer })
      bench.closed.length = 0
      bench.events.length = 0
    }
  }
})

test('of two connections in one direction the newer is kept: the older is what a restart left', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(higher, all)
  bench.link(lower.identity.peerId, 'inbound')
  const newer = bench.link(lower.identity.peerId, 'inbound')
  await bench.clock.advance(1_000)
  assert.equal(bench.manager.linkOf(lower.identity.peerId), newer.id)
  assert.equal(await valueOf(bench.metrics.duplicatesClosed), 1)
})

test('connections of one peer are bounded', () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(higher, all)
  for (let index = 0; index < 100; index += 1) bench.link(lower.identity.peerId, 'inbound')
  assert.ok((bench.manager.statuses()[0]?.connections ?? 99) <= 3)
})

test('a dial of the higher id is given up when the lower one’s connection comes in', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(higher, all)
  bench.outcome = 'hang'
  await bench.manager.start()
  await bench.clock.advance(3_250)
  assert.equal(bench.running, 1)
  bench.link(lower.identity.peerId, 'inbound')
  await settle()
  assert.equal(bench.running, 0)
  await bench.clock.advance(60_000)
  assert.equal(bench.dials.length, 1)
})

test('who is not in the table, ejected or in cooldown is closed at once', () => {
  const { lower, all } = pair()
  const ejected = makeMember('access', { ejected: true })
  const stranger = makeMember()
  const bench = new Bench(lower, [...all, ejected])
  bench.link(stranger.identity.peerId, 'inbound')
  bench.link(ejected.identity.peerId, 'inbound')
  bench.link(lower.identity.peerId, 'inbound')
  assert.deepEqual(bench.events, [])
  assert.equal(bench.closed.length, 3)
})

test('other roles may connect but are not dialled', async () => {
  const { lower } = pair()
  const consensus = makeMember('consensus')
  const bench = new Bench(lower, [lower, consensus])
  await bench.manager.start()
  await bench.clock.advance(60_000)
  assert.equal(bench.dials.length, 0)
  const link = bench.link(consensus.identity.peerId, 'inbound')
  assert.equal(bench.manager.isConnected(consensus.identity.peerId), true)
  bench.manager.linkClosed(link)
  assert.deepEqual(bench.manager.statuses(), [])
})

test('a changed table connects who came and disconnects who went', async () => {
  const [self, goes, comes] = makeMembers(3)
  assert.ok(self && goes && comes)
  const bench = new Bench(self, [self, goes])
  bench.outcome = 'connect'
  await bench.manager.start()
  await bench.clock.advance(250)
  bench.table.replace([self.identity, comes.identity])
  await bench.clock.advance(250)
  assert.deepEqual(bench.manager.connected(), [comes.identity.peerId])
  assert.deepEqual(bench.closed, ['outbound-1 no longer admitted'])
  assert.deepEqual(
    bench.manager.statuses().map(({ peerId }) => peerId),
    [comes.identity.peerId]
  )
})

test('a peer that misbehaved is left alone for the cooldown, then dialled again', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(lower, all, { cooldownMs: 60_000 })
  bench.outcome = 'connect'
  await bench.manager.start()
  await bench.clock.advance(250)
  bench.manager.coolDown(higher.identity.peerId, 'test')
  assert.deepEqual(bench.manager.connected(), [])
  bench.link(higher.identity.peerId, 'inbound')
  assert.deepEqual(bench.manager.connected(), [], 'nor may it come in')
  await bench.clock.advance(59_000)
  assert.equal(bench.dials.length, 1)
  await bench.clock.advance(1_000)
  assert.equal(bench.dials.length, 2)
  assert.deepEqual(bench.manager.connected(), [higher.identity.peerId])
  assert.equal(await valueOf(bench.metrics.cooldowns, { reason: 'test' }), 1)
})

test('gauges count connections and peers', async () => {
  const { lower, higher, all } = pair()
  const bench = new Bench(lower, all)
  await bench.manager.start()
  bench.link(higher.identity.peerId, 'inbound')
  assert.equal(await valueOf(bench.metrics.inboundConnections), 1)
  assert.equal(await valueOf(bench.metrics.outboundConnections), 0)
  assert.equal(await valueOf(bench.metrics.connectedPeers, { role: 'access' }), 1)
  assert.equal(await valueOf(bench.metrics.wantedPeers, { role: 'access' }), 1)
})

test('after stop nothing is dialled and no timer is left', async () => {
  const all = makeMembers(10)
  const [self] = all
  assert.ok(self)
  const bench = new Bench(self, all, { maxParallelDials: 2 })
  bench.outcome = 'hang'
  await bench.manager.start()
  await bench.clock.advance(300)
  await bench.manager.stop()
  await settle()
  const dials = bench.dials.length
  await bench.clock.advance(120_000)
  assert.equal(bench.dials.length, dials)
  assert.equal(bench.running, 0)
  assert.equal(bench.clock.pending, 0)
})
