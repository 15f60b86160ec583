import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import { type NodeIdentity, parseNodeId } from '#src/model/index.ts'
import {
  createHost,
  createP2pMetrics,
  defaultHostOptions,
  defaultPeerManagerOptions,
  generateNetworkKey,
  type Host,
  type HostOptions,
  IdentityTable,
  type NetworkKey,
  P2pError,
  peerIdOf
} from '#src/p2p/index.ts'
import { systemClock, systemRng, toHex } from '#src/util/index.ts'
import { freePorts, until } from './p2p-support.ts'

interface Member {
  readonly key: NetworkKey
  readonly identity: NodeIdentity
}

const QUICK = {
  ...defaultPeerManagerOptions,
  graceMs: 400,
  initialBackoffMs: 50,
  maxBackoffMs: 400,
  duplicateSettleMs: 200
}

async function members(count: number, role: NodeIdentity['role'] = 'access'): Promise<Member[]> {
  const ports = await freePorts(count)
  return ports.map((port) => {
    const key = generateNetworkKey()
    const networkPublicKey = key.publicKey.point
    const nodeId = parseNodeId(toHex(networkPublicKey.subarray(0, 32)))
    assert.ok(nodeId)
    const peerId = peerIdOf(key)
    const identity = { nodeId, role, host: '127.0.0.1', port, networkPublicKey, peerId, weight: 100, ejected: false }
    return { key, identity }
  })
}

async function hostOf(member: Member, table: IdentityTable, options: Partial<HostOptions> = {}): Promise<Host> {
  const metrics = createP2pMetrics(new Registry())
  return createHost(
    { key: member.key, table, clock: systemClock, rng: systemRng, log: silentLogger, metrics },
    {
      ...defaultHostOptions,
      listen: { host: '127.0.0.1', port: member.identity.port },
      version: '1.2.3',
      peers: QUICK,
      ...options
    }
  )
}

const tableOf = (all: readonly Member[]): IdentityTable => new IdentityTable(all.map(({ identity }) => identity))

for (const security of ['tls', 'noise', 'both'] as const) {
  test(`four hosts form a full mesh, one connection a pair (${security})`, async () => {
    const all = await members(4)
    const hosts = await Promise.all(all.map((member) => hostOf(member, tableOf(all), { security })))
    try {
      await Promise.all(hosts.map((host) => host.start()))
      await until(() => hosts.every((host) => host.peers.connected().length === 3))
      await until(() => hosts.every((host) => host.libp2p.getConnections().length === 3))
      const encryption = security === 'noise' ? '/noise' : '/tls/1.0.0'
      for (const host of hosts) {
        for (const connection of host.libp2p.getConnections()) {
          assert.equal(connection.encryption, encryption)
          const lower = host.peerId < connection.remotePeer.toString()
          assert.equal(connection.direction, lower ? 'outbound' : 'inbound')
        }
        assert.deepEqual(host.addresses().length, 1)
      }
      await until(() => hosts.every((host) => host.peerStatuses().every(({ rttMs }) => rttMs !== null)))
      const [first, second] = hosts
      assert.ok(first && second)
      await until(async () => {
        const known = await first.libp2p.peerStore.get(second.libp2p.peerId)
        return new TextDecoder().decode(known.metadata.get('AgentVersion')) === 'sealsync/1.2.3'
      })
    } finally {
      await Promise.all(hosts.map((host) => host.stop()))
    }
  })
}

test('a peer outside the table is refused', async () => {
  const [member, stranger] = await members(2)
  assert.ok(member && stranger)
  const host = await hostOf(member, tableOf([member]))
  const outsider = await hostOf(stranger, tableOf([member, stranger]))
  try {
    await host.start()
    await outsider.start()
    const refused = new Promise<void>((resolve) => {
      host.libp2p.addEventListener('connection:open', () => assert.fail('the stranger was let in'))
      outsider.libp2p.addEventListener('connection:close', () => resolve())
      void outsider.libp2p.dial(outsider.libp2p.peerId).catch(() => undefined)
    })
    await Promise.race([refused, until(() => (outsider.peers.statuses()[0]?.failures ?? 0) > 0)])
    assert.deepEqual(host.peers.connected(), [])
  } finally {
    await Promise.all([host.stop(), outsider.stop()])
  }
})

test('a node that restarts is connected again', async () => {
  const all = await members(2)
  const [left, right] = all
  assert.ok(left && right)
  const stays = await hostOf(left, tableOf(all))
  let returns = await hostOf(right, tableOf(all))
  try {
    await Promise.all([stays.start(), returns.start()])
    await until(() => stays.peers.connected().length === 1)
    await returns.stop()
    await until(() => stays.peers.connected().length === 0)
    returns = await hostOf(right, tableOf(all))
    await returns.start()
    await until(() => stays.peers.connected().length === 1 && returns.peers.connected().length === 1)
  } finally {
    await Promise.all([stays.stop(), returns.stop()])
  }
})

test('an address in use is told as such', async () => {
  const all = await members(1)
  const [member] = all
  assert.ok(member)
  const first = await hostOf(member, tableOf(all))
  const second = await hostOf(member, tableOf(all))
  try {
    await first.start()
    await assert.rejects(second.start(), (error) => error instanceof P2pError && error.code === 'address-in-use')
  } finally {
    await Promise.all([first.stop(), second.stop()])
  }
})

test('a peer that leaves the table is disconnected and not let in again', async () => {
  const all = await members(2)
  const [left, right] = all
  assert.ok(left && right)
  const table = tableOf(all)
  const keeper = await hostOf(left, table)
  const ejected = await hostOf(right, tableOf(all))
  try {
    await Promise.all([keeper.start(), ejected.start()])
    await until(() => keeper.peers.connected().length === 1)
    table.replace([left.identity, { ...right.identity, ejected: true }])
    await until(() => keeper.libp2p.getConnections().length === 0)
    await until(() => (ejected.peers.statuses()[0]?.failures ?? 0) >= 2)
    assert.deepEqual(keeper.peers.connected(), [])
  } finally {
    await Promise.all([keeper.stop(), ejected.stop()])
  }
})

test('handlers are refused once the host has started', async () => {
  const all = await members(1)
  const [member] = all
  assert.ok(member)
  const host = await hostOf(member, tableOf(all))
  try {
    await host.start()
    await assert.rejects(
      host.handle('/late/1.0.0', () => undefined),
      { code: 'host-started' }
    )
  } finally {
    await host.stop()
  }
})
