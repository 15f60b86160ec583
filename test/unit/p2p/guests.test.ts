import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { Registry } from 'prom-client'
import type { PeerIdText } from '#src/model/index.ts'
import {
  createGuestMetrics,
  createP2pMetrics,
  createPublicP2pMetrics,
  defaultGuestOptions,
  generateObserverKey,
  GuestGater,
  type GuestOptions,
  GuestTable
} from '#src/p2p/index.ts'
import { observerKeyFromScalar, observerPeerId } from '#src/p2p/observer-key.ts'
import { fromHex } from '#src/util/index.ts'
import { ManualClock, valueOf } from './support.ts'

/** As much of a socket as a gater looks at, and a way to end it at once. */
type Socket = MultiaddrConnection & { end(): void }

class Bench {
  readonly clock = new ManualClock()
  readonly table = new GuestTable()
  readonly metrics = createGuestMetrics(new Registry())
  readonly cooled = new Set<string>()
  readonly gater: GuestGater

  constructor(options: Partial<GuestOptions> = {}) {
    const { clock, table, metrics } = this
    const cooldowns = { remainingMs: (peer: PeerIdText) => (this.cooled.has(peer) ? 1 : 0) }
    this.gater = new GuestGater({ table, cooldowns, clock, metrics }, { ...defaultGuestOptions, ...options })
  }

  socket(ip: string): Socket {
    const target = new EventTarget()
    return Object.assign(target, {
      remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`),
      end: () => void target.dispatchEvent(new Event('close'))
    }) as unknown as Socket
  }

  /** A whole handshake; the socket, when it was let in. */
  enter(peer: string, ip: string): Socket | undefined {
    const socket = this.socket(ip)
    if (this.gater.denyInboundConnection(socket)) return undefined
    return this.gater.denyInboundEncryptedConnection(idOf(peer), socket) ? undefined : socket
  }

  refused(reason: string): Promise<number> {
    return valueOf(this.metrics.refusals, { reason })
  }
}

const idOf = (peer: string): PeerId => ({ toString: () => peer }) as unknown as PeerId

test('anybody comes in, up to a number in all and by address, and places are free again', async () => {
  const bench = new Bench({ maxObservers: 4, maxPerAddress: 2 })
  const first = bench.enter('a', '10.0.0.1')
  assert.ok(first && bench.enter('b', '10.0.0.1'))
  assert.equal(bench.enter('c', '10.0.0.1'), undefined)
  assert.equal(await bench.refused('address-full'), 1)
  assert.ok(bench.enter('c', '10.0.0.2') && bench.enter('d', '10.0.0.3'))
  assert.equal(bench.enter('e', '10.0.0.4'), undefined)
  assert.equal(await bench.refused('full'), 1)
  assert.deepEqual([bench.table.count, bench.table.isAdmitted('a' as PeerIdText)], [4, true])
  first.end()
  assert.deepEqual([bench.table.count, bench.table.isAdmitted('a' as PeerIdText)], [3, false])
  assert.ok(bench.enter('e', '10.0.0.1'))
  assert.equal(await valueOf(bench.metrics.observers), 4)
})

test('two connections of one peer are one guest, gone with the last', () => {
  const bench = new Bench()
  const [one, two] = [bench.enter('a', '10.0.0.1'), bench.enter('a', '10.0.0.1')]
  assert.ok(one && two)
  assert.deepEqual([bench.table.count, bench.table.peersAt('10.0.0.1')], [1, 1])
  one.end()
  assert.equal(bench.table.isAdmitted('a' as PeerIdText), true)
  two.end()
  assert.deepEqual([bench.table.count, bench.table.peersAt('10.0.0.1')], [0, 0])
})

test('handshakes under way are bounded in all, by address and by rate, and released however they end', async () => {
  const bench = new Bench({ maxPending: 3, maxPendingPerAddress: 2, handshakeBurst: 6, handshakesPerSecond: 1 })
  const sockets = ['10.0.0.1', '10.0.0.1', '10.0.0.2'].map((ip) => bench.socket(ip))
  for (const socket of sockets) assert.equal(bench.gater.denyInboundConnection(socket), false)
  assert.equal(bench.gater.denyInboundConnection(bench.socket('10.0.0.1')), true)
  assert.equal(bench.gater.denyInboundConnection(bench.socket('10.0.0.9')), true)
  assert.deepEqual([bench.gater.pending, await bench.refused('pending')], [3, 2])
  for (const socket of sockets) socket.end()
  assert.equal(bench.gater.pending, 0)
  for (let i = 0; i < 3; i += 1) assert.ok(bench.enter(`p${i}`, `10.0.1.${i}`))
  assert.equal(bench.enter('late', '10.0.2.1'), undefined)
  assert.equal(await bench.refused('rate'), 1)
  await bench.clock.advance(1_000)
  assert.ok(bench.enter('late', '10.0.2.1'))
  assert.deepEqual([bench.gater.pending, bench.gater.denyDialPeer()], [0, true])
})

test('who misbehaved waits outside', async () => {
  const bench = new Bench()
  bench.cooled.add('a')
  assert.equal(bench.enter('a', '10.0.0.1'), undefined)
  assert.deepEqual([await bench.refused('cooldown'), bench.table.count, bench.gater.pending], [1, 0, 0])
})

test('observers’ keys: the known peer id, even points, one key whichever sign', () => {
  const scalar = (hex: string): Uint8Array => fromHex(hex.padStart(64, '0'), 32) as Uint8Array
  const one = observerKeyFromScalar(scalar('1'))
  assert.equal(one.peerId, '16Uiu2HAm3cuhhRL2msUuLF62KRSfneFDx94RsuouyW25Ho42cFMq')
  const negative = observerKeyFromScalar(scalar('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140'))
  assert.deepEqual([negative.peerId, negative.scalar], [one.peerId, one.scalar])
  for (let i = 0; i < 8; i += 1) {
    const key = generateObserverKey()
    assert.equal((key.point[63] ?? 1) % 2, 0)
    assert.equal(observerPeerId(key.point), key.peerId)
  }
  assert.throws(() => observerKeyFromScalar(new Uint8Array(32)), { code: 'key-invalid' })
  assert.equal(observerPeerId(new Uint8Array(64)), undefined)
})

test('the public host’s connections, streams and bytes stand beside the staked host’s, without a label for a peer', async () => {
  const register = new Registry()
  const staked = createP2pMetrics(register)
  const metrics = createPublicP2pMetrics(register)
  metrics.beforeScrape(() => metrics.inboundConnections.set(3))
  metrics.streamsOpened.inc({ protocol: '/a', direction: 'inbound' }, 2)
  metrics.openStreams.inc({ protocol: '/a', direction: 'inbound' })
  staked.streamsOpened.inc({ protocol: '/a', direction: 'inbound' }, 5)
  metrics.dials.inc({ outcome: 'ok' })
  const lines = (await register.metrics()).split('\n')
  for (const line of [
    'sealsync_p2p_public_connections 3',
    'sealsync_p2p_public_streams_opened_total{protocol="/a",direction="inbound"} 2',
    'sealsync_p2p_public_open_streams{protocol="/a",direction="inbound"} 1',
    'sealsync_p2p_public_wire_bytes_total{direction="outbound"} 0',
    'sealsync_p2p_streams_opened_total{protocol="/a",direction="inbound"} 5',
    'sealsync_p2p_dials_total{outcome="ok"} 0'
  ]) {
    assert.ok(lines.includes(line), line)
  }
})
