/** A real node, as a process, among staked peers that this process plays: hosts with the node's own protocols and a staked key each. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Registry } from 'prom-client'
import { createExchange, Libp2pNetwork } from '#src/exchange/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import {
  createHost,
  createP2pMetrics,
  defaultHostOptions,
  type Host,
  IdentityTable,
  parseIdentities
} from '#src/p2p/index.ts'
import { systemClock, systemRng, toHex } from '#src/util/index.ts'
import { type Member, members } from '#test/e2e/p2p-support.ts'
import { MemoryBlobs } from '#test/support/exchange/memory-blobs.ts'
import { lastJson, RunningNode, sealsync, temporaryDirectory, until } from './cli.ts'

export interface Crowd {
  readonly node: RunningNode
  readonly hosts: readonly Host[]
  /** The text of one scrape. */
  scrape(): Promise<string>
  stop(): Promise<void>
}

/** What the identity table says of the node itself. */
interface Entry {
  readonly Role: string
  readonly Address: string
  readonly NodeID: string
  readonly NetworkPubKey: string
}

/** Starts the node and `count` peers; resolves when all are connected with it. */
export async function startCrowd(count: number): Promise<Crowd> {
  const folder = temporaryDirectory()
  const peers = await members(count)
  const [own] = await members(1)
  const dataDir = join(folder.path, 'node')
  const made = await sealsync([
    ...['init', '--data-dir', dataDir, '--role', 'access', '--json'],
    ...['--address', `127.0.0.1:${own?.identity.port ?? 0}`]
  ])
  const entry = lastJson<Entry>(made)
  const identities = join(folder.path, 'identities.json')
  writeFileSync(identities, JSON.stringify([entry, ...peers.map(entryOf)]))
  const node = new RunningNode(dataDir, [
    ...['--identities', identities, '--p2p-address', entry.Address],
    ...['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0']
  ])
  const hosts = await Promise.all(peers.map((peer) => startPeer(peer, entry)))
  const stop = async (): Promise<void> => {
    await Promise.all(hosts.map((host) => host.stop()))
    await node.stop()
    folder.remove()
  }
  try {
    await until(node, async () => ((await node.status())?.connections ?? 0) === count)
  } catch (error) {
    // The hosts would keep this process alive, and the test would never be seen to fail.
    await Promise.all(hosts.map((host) => host.stop()))
    throw error
  }
  return {
    node,
    hosts,
    scrape: async () => (await fetch(`http://${node.addresses()?.metrics}/metrics`)).text(),
    stop
  }
}

function entryOf({ identity }: Member): Entry {
  return {
    Role: identity.role,
    Address: `${identity.host}:${identity.port}`,
    NodeID: identity.nodeId,
    NetworkPubKey: toHex(identity.networkPublicKey)
  }
}

/** A peer that knows the node and itself alone: among themselves they would be a mesh of thousands of connections. */
async function startPeer(peer: Member, entry: Entry): Promise<Host> {
  const table = new IdentityTable([peer.identity, ...parseIdentities(JSON.stringify([entry]))])
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
