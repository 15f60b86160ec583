/** A real node, as a process, among staked peers that this process plays: hosts with the node's own protocols and a staked key each. */
import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import { createExchange, Libp2pNetwork } from '#src/exchange/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { NodeIdentity } from '#src/model/index.ts'
import { createHost, createP2pMetrics, defaultHostOptions, type Host, IdentityTable } from '#src/p2p/index.ts'
import { systemClock, systemRng } from '#src/util/index.ts'
import { type Member, members } from '#test/e2e/p2p-support.ts'
import { MemoryBlobs } from '#test/support/exchange/memory-blobs.ts'
import { type RunningNode, until } from './cli.ts'
import { TestNetwork } from './test-network.ts'

export interface Crowd {
  readonly node: RunningNode
  readonly hosts: readonly Host[]
  /** The text of one scrape. */
  scrape(): Promise<string>
  stop(): Promise<void>
}

/** Starts the node and `count` peers; resolves when all are connected with it. */
export async function startCrowd(count: number): Promise<Crowd> {
  const network = new TestNetwork()
  const peers = await members(count)
  const played = peers.map(({ identity }) => ({
    role: 'access' as const,
    point: identity.networkPublicKey,
    address: `${identity.host}:${identity.port}`
  }))
  const [own, ...others] = await network.init({ node: 'access' }, played)
  assert.ok(own !== undefined)
  const node = network.start('node', [])
  const hosts = await Promise.all(
    others.map((identity, at) => startPeer({ key: (peers[at] as Member).key, identity }, own))
  )
  const stop = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.stop()))
    await network.close()
  }
  try {
    await until(node, async () => ((await node.status())?.connections ?? 0) === count)
  } catch (error) {
    // The hosts would keep this process alive, and the test would never be seen to fail.
    await stop()
    throw error
  }
  return {
    node,
    hosts,
    scrape: async () => (await fetch(`http://${node.addresses()?.metrics}/metrics`)).text(),
    stop
  }
}

/** A peer that knows the node and itself alone: among themselves they would be a mesh of thousands of connections. */
async function startPeer(peer: Member, node: NodeIdentity): Promise<Host> {
  const table = new IdentityTable([peer.identity, node])
  const host = await createHost(
    {
      key: peer.key,
      table,
      clock: systemClock,
      rng: systemRng,
      log: silentLogger,
      metrics: createP2pMetrics(new Registry())
    },
    { ...defaultHostOptions, listen: { host: '127.0.0.1', port: peer.identity.port }, version: '0.0.0' }
  )
  const network = new Libp2pNetwork({ libp2p: host.libp2p, onPenalty: () => {} })
  await network.register()
  const exchange = createExchange(
    {
      network,
      blocks: new MemoryBlobs(),
      requestFilter: () => true,
      peerDirectory: () => ({ access: [], execution: [] }),
      selfPeer: host.peerId,
      clock: systemClock,
      rng: systemRng,
      logger: silentLogger,
      register: new Registry()
    },
    {}
  )
  await exchange.start()
  await host.start()
  return host
}
