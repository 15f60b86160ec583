import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MultiaddrConnection, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { Registry } from 'prom-client'
import type { NodeIdentity, PeerIdText } from '#src/model/index.ts'
import { Cooldowns } from '#src/p2p/cooldowns.ts'
import { StakedConnectionGater } from '#src/p2p/connection-gater.ts'
import { createP2pMetrics, IdentityTable } from '#src/p2p/index.ts'
import { ManualClock, makeMember, valueOf } from './support.ts'

/** A socket as far as the gater looks at one. */
class Socket extends EventTarget {
  readonly remoteAddr: Multiaddr
  constructor(address: string) {
    super()
    this.remoteAddr = multiaddr(address)
  }
  hangUp(): void {
    this.dispatchEvent(new Event('close'))
  }
}

const socket = (address: string): MultiaddrConnection & Socket => new Socket(address) as never
const idOf = (peer: PeerIdText): PeerId => peerIdFromString(peer)

function bench(identities: readonly NodeIdentity[]) {
  const clock = new ManualClock()
  const table = new IdentityTable(identities)
  const cooldowns = new Cooldowns(clock, table)
  const metrics = createP2pMetrics(new Registry())
  const gater = new StakedConnectionGater({ table, cooldowns, clock, metrics })
  const refused = (reason: string): Promise<number> => valueOf(metrics.refusals, { reason })
  return { clock, table, cooldowns, metrics, gater, refused }
}

test('the staked, non-ejected set alone passes, in both directions and at every step', async () => {
  const staked = makeMember('consensus').identity
  const ejected = makeMember('access', { ejected: true }).identity
  const stranger = makeMember().identity
  const { gater, refused, metrics } = bench([staked, ejected])
  const steps = (identity: NodeIdentity): boolean[] => {
    const id = idOf(identity.peerId)
    return [
      gater.denyDialPeer(id),
      gater.denyInboundEncryptedConnection(id, socket('/ip4/10.0.0.1/tcp/1')),
      gater.denyInboundUpgradedConnection(id),
      gater.denyOutboundEncryptedConnection(id),
      gater.denyOutboundUpgradedConnection(id)
    ]
  }
  assert.deepEqual(steps(staked), [false, false, false, false, false])
  assert.deepEqual(steps(ejected), [true, true, true, true, true])
  assert.deepEqual(steps(stranger), [true, true, true, true, true])
  assert.equal(await refused('unknown-peer'), 5)
  assert.equal(await refused('ejected'), 5)
  assert.equal(await valueOf(metrics.blockConnection, { direction: 'inbound' }), 4)
})

test('a peer in cooldown is refused until it ends', async () => {
  const { identity } = makeMember()
  const { gater, cooldowns, clock, refused } = bench([identity])
  cooldowns.put(identity.peerId, 1_000)
  assert.equal(gater.denyDialPeer(idOf(identity.peerId)), true)
  await clock.advance(1_000)
  assert.equal(gater.denyDialPeer(idOf(identity.peerId)), false)
  assert.equal(await refused('cooldown'), 1)
})

test('only the table’s address of a peer is dialled or kept', () => {
  const { identity } = makeMember('access', { host: '10.0.0.9', port: 3569 })
  const { gater } = bench([identity])
  const rows: [string, boolean][] = [
    [`/ip4/10.0.0.9/tcp/3569/p2p/${identity.peerId}`, false],
    [`/ip4/10.0.0.9/tcp/3570/p2p/${identity.peerId}`, true],
    [`/ip4/10.0.0.8/tcp/3569/p2p/${identity.peerId}`, true],
    [`/dns4/10.0.0.9/tcp/3569/p2p/${identity.peerId}`, true],
    [`/ip4/10.0.0.9/tcp/3569/p2p/${makeMember().identity.peerId}`, true],
    ['/ip4/10.0.0.9/tcp/3569', true]
  ]
  for (const [address, denied] of rows) assert.equal(gater.denyDialMultiaddr(multiaddr(address)), denied, address)
  const id = idOf(identity.peerId)
  assert.equal(gater.filterMultiaddrForPeer(id, multiaddr('/ip4/10.0.0.9/tcp/3569')), true)
  assert.equal(gater.filterMultiaddrForPeer(id, multiaddr('/ip4/6.6.6.6/tcp/3569')), false)
})

test('a node whose address is IPv6 is dialled whatever its spelling', () => {
  const { identity } = makeMember('access', { host: '2001:DB8:0::1', port: 1 })
  const { gater } = bench([identity])
  assert.equal(gater.denyDialMultiaddr(multiaddr(`/ip6/2001:db8::1/tcp/1/p2p/${identity.peerId}`)), false)
})

test('strangers’ handshakes are few at a time, and never take the slots of the staked', async () => {
  const { identity } = makeMember('access', { host: '10.0.0.1' })
  const { gater, refused } = bench([identity])
  const flood = Array.from({ length: 500 }, (_, index) => socket(`/ip4/66.0.${index >> 8}.${index & 255}/tcp/1`))
  const admitted = flood.filter((one) => !gater.denyInboundConnection(one))
  assert.equal(admitted.length, 8)
  assert.equal(await refused('pending-unknown'), 492)
  assert.equal(gater.denyInboundConnection(socket('/ip4/10.0.0.1/tcp/5')), false)
  assert.equal(gater.pendingInbound, 9)
  for (const one of admitted) one.hangUp()
  assert.equal(gater.pendingInbound, 1)
})

test('one strange address gets two slots, and its rate is bounded after they are free', async () => {
  const { gater, clock, refused } = bench([])
  const open = Array.from({ length: 5 }, () => socket('/ip4/66.0.0.1/tcp/1'))
  assert.deepEqual(
    open.map((one) => gater.denyInboundConnection(one)),
    [false, false, true, true, true]
  )
  for (const one of open) one.hangUp()
  let passed = 0
  for (let index = 0; index < 1_000; index += 1) {
    const one = socket('/ip4/66.0.0.1/tcp/1')
    if (!gater.denyInboundConnection(one)) passed += 1
    one.hangUp()
  }
  assert.equal(passed, 22)
  assert.equal(await refused('rate-unknown'), 978)
  await clock.advance(1_000)
  assert.equal(gater.denyInboundConnection(socket('/ip4/66.0.0.1/tcp/1')), false)
})

test('slots of a known address follow the number of its nodes and are free again after the handshake', async () => {
  const nodes = Array.from({ length: 3 }, () => makeMember('access', { host: '10.0.0.1' }).identity)
  const { gater, table, refused } = bench(nodes)
  const open = Array.from({ length: 12 }, () => socket('/ip6/::ffff:10.0.0.1/tcp/1'))
  assert.equal(open.filter((one) => !gater.denyInboundConnection(one)).length, 10)
  assert.equal(await refused('pending-known'), 2)
  const [first] = open
  const [node] = nodes
  assert.ok(first && node)
  gater.denyInboundEncryptedConnection(idOf(node.peerId), first)
  first.hangUp()
  assert.equal(gater.pendingInbound, 9, 'freed once, though the socket closes later')
  table.replace([])
  assert.equal(gater.denyInboundConnection(socket('/ip4/10.0.0.1/tcp/1')), false, 'a stranger’s slot now')
  for (const one of open) one.hangUp()
  assert.equal(gater.pendingInbound, 1)
})

test('nodes known by name enlarge the part that unknown addresses share', () => {
  const nodes = Array.from({ length: 10 }, (_, index) => makeMember('access', { host: `node-${index}.test` }).identity)
  const { gater } = bench(nodes)
  const open = Array.from({ length: 100 }, (_, index) => socket(`/ip4/9.0.0.${index}/tcp/1`))
  assert.equal(open.filter((one) => !gater.denyInboundConnection(one)).length, 28)
})

test('cooldowns hold staked peers alone', async () => {
  const { identity } = makeMember()
  const clock = new ManualClock()
  const table = new IdentityTable([identity])
  const cooldowns = new Cooldowns(clock, table)
  for (let index = 0; index < 100; index += 1) cooldowns.put(`stranger-${index}` as PeerIdText, 1_000)
  assert.equal(cooldowns.size, 0)
  cooldowns.put(identity.peerId, 1_000)
  cooldowns.put(identity.peerId, 10)
  assert.equal(cooldowns.remainingMs(identity.peerId), 1_000, 'never shortened')
  table.replace([])
  cooldowns.put(identity.peerId, 1_000)
  assert.equal(cooldowns.size, 0)
})
