/**
 * The network of an observer: not staked, with a secp256k1 key. It is connected to the public hosts of the access nodes in the identity
 * table, fetches on Flow's public channel, and believes announcements by the execution nodes' signatures, whoever passes them on.
 */
import { createExchange, Libp2pNetwork, type PeerDirectory, PUBLIC_EXECUTION_DATA_PREFIX } from '../exchange/index.ts'
import type { NodeId, NodeIdentity } from '../model/index.ts'
import {
  createHost,
  createP2pMetrics,
  defaultHostOptions,
  defaultPeerManagerOptions,
  IdentityTable,
  IdentityWatch,
  identityFile,
  type ObserverKey,
  readIdentities,
  readObserverKey
} from '../p2p/index.ts'
import { toHex } from '../util/index.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import { NodeError } from './errors.ts'
import { networkKeyPath } from './init.ts'
import type { NodeNetwork } from './network-stage.ts'
import { version } from './version.ts'

/** Throws P2pError for key and table, NodeError `config` when no access node of the table serves observers. */
export async function createObserverNetwork(context: NodeContext, data: NodeData): Promise<NodeNetwork> {
  const { config, clock, rng, logger, register, budget } = context
  const key = await readObserverKey(networkKeyPath(config.dataDir))
  const staked = new IdentityTable(await readIdentities(config.identitiesPath))
  const table = new IdentityTable(upstreamOf(staked))
  if (table.size === 0) {
    const message = `no access node of ${config.identitiesPath} has a PublicAddress: an observer has nobody to connect to`
    throw new NodeError('config', message)
  }
  staked.onChange(() => table.replace(upstreamOf(staked)))
  const metrics = createP2pMetrics(register)
  const host = await createHost(
    { ...{ key, table, clock, rng, metrics }, log: logger.child('p2p') },
    {
      ...defaultHostOptions,
      ...context.rooms.host,
      listen: config.p2pAddress,
      version: version(),
      security: config.security === 'any' ? 'both' : config.security,
      // nobody dials an observer: there is no turn to wait for
      peers: { ...defaultPeerManagerOptions, roles: ['access'], graceMs: 0 }
    }
  )
  const { policy } = config
  if (policy === 'helia') throw new NodeError('config', '--policy helia is for staked nodes alone: leave it out')
  const network = new Libp2pNetwork(
    { libp2p: host.libp2p, onPenalty: (peer, reason) => host.peers.coolDown(peer, reason) },
    { protocolPrefix: PUBLIC_EXECUTION_DATA_PREFIX }
  )
  await network.register()
  const exchange = createExchange(
    {
      ...{ network, clock, rng, register },
      blocks: data.blockstore,
      requestFilter: () => false,
      peerDirectory: upstreamDirectory(table),
      selfPeer: host.peerId,
      logger: logger.child('exchange'),
      receiveAccount: budget.account('receive'),
      sendAccount: budget.account('send'),
      channel: PUBLIC_EXECUTION_DATA_PREFIX
    },
    { ...context.rooms.exchange, policy }
  )
  const identities = new IdentityWatch({
    ...{ self: undefined, table: staked, clock, metrics },
    file: identityFile(config.identitiesPath),
    log: logger.child('p2p')
  })
  const announcers = relayedBy(staked, table)
  const self = selfOf(key, config.p2pAddress)
  return { key: undefined, self, table, announcers, host, exchange, dht: undefined, identities, isAdmitted: () => true }
}

/** Access nodes that serve observers, at the address where they do. */
function upstreamOf(staked: IdentityTable): NodeIdentity[] {
  return staked.accessPeers.flatMap((identity) =>
    identity.publicAddress === undefined ? [] : [{ ...identity, ...identity.publicAddress }]
  )
}

/** Announcements come from access nodes and are signed by execution nodes. */
function relayedBy(staked: IdentityTable, upstream: IdentityTable): NodeNetwork['announcers'] {
  return {
    get executionPeers() {
      return staked.executionPeers
    },
    mayAnnounce: (peer) => upstream.isAdmitted(peer),
    signersOf: () => staked.executionPeers.map(({ peerId }) => peerId),
    publicKeyOf: (signer) => staked.publicKeyOf(signer),
    onChange: (listener) => upstream.onChange(listener)
  }
}

/** One object as long as the table does not change, as the exchange wants it. */
function upstreamDirectory(table: IdentityTable): () => PeerDirectory {
  const read = (): PeerDirectory => ({ access: table.accessPeers.map(({ peerId }) => peerId), execution: [] })
  let directory = read()
  table.onChange(() => {
    directory = read()
  })
  return () => directory
}

function selfOf(key: ObserverKey, address: { readonly host: string; readonly port: number }): NodeIdentity {
  const { point, peerId } = key
  const nodeId = toHex(point.subarray(0, 32)) as NodeId
  return { nodeId, role: 'observer', ...address, networkPublicKey: point, peerId, weight: 0, ejected: false }
}
