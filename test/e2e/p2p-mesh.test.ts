import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { P2pError } from '#src/p2p/index.ts'
import { hostOf, members, metricOf, tableOf, until } from './p2p-support.ts'

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
  host.libp2p.addEventListener('connection:open', () => assert.fail('the stranger was let in'))
  try {
    await host.start()
    await outsider.start()
    await until(
      async () => (await metricOf(host.metrics.refusals, { direction: 'inbound', reason: 'unknown-peer' })) >= 2
    )
    await until(() => (outsider.peers.statuses()[0]?.failures ?? 0) > 0)
    assert.deepEqual(host.peers.connected(), [])
    assert.ok((await metricOf(host.metrics.handshakeFailures, { direction: 'inbound', reason: 'gater' })) >= 1)
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

test('a flood of sockets that never shake hands does not keep a staked peer out', async () => {
  const [attacked, peer] = await members(2)
  assert.ok(attacked && peer)
  // The peer has the lower id or dials after its grace: either way it must get in, from an address of its own.
  const elsewhere = { ...peer, identity: { ...peer.identity, host: '127.0.0.2' } }
  const all = [attacked, elsewhere]
  const host = await hostOf(attacked, tableOf(all))
  const other = await hostOf(elsewhere, tableOf(all), { listen: { host: '127.0.0.2', port: peer.identity.port } })
  const sockets = new Set<Socket>()
  // As many as are refused; never so many that this process has no time for anything else.
  const flood = (): void => {
    while (sockets.size < 100) {
      const socket = connect({ host: '127.0.0.1', port: attacked.identity.port, localAddress: '127.0.0.3' })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
      sockets.add(socket)
    }
  }
  try {
    await host.start()
    const timer = setInterval(flood, 20)
    try {
      flood()
      await until(async () => (await metricOf(host.metrics.handshakeFailures, { direction: 'inbound' })) > 300)
      assert.ok((await metricOf(host.metrics.refusals, { reason: 'pending-unknown' })) > 0)
      await other.start()
      await until(() => host.peers.connected().length === 1 && other.peers.connected().length === 1)
    } finally {
      clearInterval(timer)
    }
    assert.ok(host.libp2p.getConnections().length <= 2)
  } finally {
    for (const socket of sockets) socket.destroy()
    await Promise.all([host.stop(), other.stop()])
  }
})

test('a node that joins, moves, and is let in again is dialled; names are addresses too', async () => {
  const [left, right, elsewhere] = await members(3)
  assert.ok(left && right && elsewhere)
  const keeperTable = tableOf([left])
  const keeper = await hostOf(left, keeperTable)
  const byName = { ...right.identity, host: 'localhost' }
  let other = await hostOf(right, tableOf([left, right]))
  try {
    await Promise.all([keeper.start(), other.start()])
    const connected = (): boolean => keeper.peers.connected().length === 1 && other.peers.connected().length === 1
    keeperTable.replace([left.identity, byName])
    await until(connected)
    keeperTable.replace([left.identity, { ...byName, ejected: true }])
    await until(() => keeper.libp2p.getConnections().length === 0)
    keeperTable.replace([left.identity, byName])
    await until(connected)
    // the same key at another port, while the old address still answers
    const moved = { key: right.key, identity: { ...right.identity, port: elsewhere.identity.port } }
    await other.stop()
    other = await hostOf(moved, tableOf([left, moved]))
    await other.start()
    keeperTable.replace([left.identity, moved.identity])
    await until(connected)
  } finally {
    await Promise.all([keeper.stop(), other.stop()])
  }
})
