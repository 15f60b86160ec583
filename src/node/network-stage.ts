import {
  createExchange,
  type Exchange,
  EXECUTION_DATA_PREFIX,
  Libp2pNetwork,
  loadHeliaExchange,
  type PeerDirectory
} from '../exchange/index.ts'
import type { NodeIdentity } from '../model/index.ts'
import {
  type AnnouncerTable,
  createDhtMetrics,
  createHost,
  createP2pMetrics,
  defaultDhtOptions,
  defaultHostOptions,
  type Dht,
  type Host,
  IdentityTable,
  IdentityWatch,
  identityFile,
  loadDht,
  MemoryRecords,
  type NetworkKey,
  peerIdOf,
  readIdentities,
  readNetworkKey,
  StoredRecords
} from '../p2p/index.ts'
import type { Service } from '../util/index.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import { NodeError } from './errors.ts'
import { networkKeyPath } from './init.ts'
import { version } from './version.ts'

/** The node among its peers. Nothing listens or dials yet. */
export interface NodeNetwork {
  /** An observer has another kind, and signs nothing. */
  readonly key: NetworkKey | undefined
  readonly self: NodeIdentity
  /** Whom it is connected to. */
  readonly table: IdentityTable
  /** Whose announcements count, and who may have signed them. */
  readonly announcers: AnnouncerTable & Pick<IdentityTable, 'executionPeers' | 'onChange'>
  readonly host: Host
  readonly exchange: Exchange
  /** With routing `dht` alone. */
  readonly dht: Dht | undefined
  /** Follows the identity file. */
  readonly identities: Service
  /** Whether this node has its place among its peers. */
  isAdmitted(): boolean
}

/**
 * Reads the key and the identity table, checks that this node is in it, and makes the host with every protocol registered.
 * Throws P2pError for key and table, and when the DHT is wanted and not installed; NodeError `wrong-key` or `config`.
 */
export async function createNetwork(context: NodeContext, data: NodeData): Promise<NodeNetwork> {
  const { config, clock, rng, logger, register } = context
  const key = await readNetworkKey(networkKeyPath(config.dataDir))
  const table = new IdentityTable(await readIdentities(config.identitiesPath))
  const self = ownEntry(table, { key, config })
  const dht = config.routing === 'dht' ? await createDht(context, { data, key, table }) : undefined
  const metrics = createP2pMetrics(register)
  const host = await createHost(
    {
      ...{ key, table, clock, rng, metrics },
      log: logger.child('p2p'),
      ...(dht === undefined ? {} : { services: dht.services })
    },
    {
      ...defaultHostOptions,
      ...context.rooms.host,
      listen: config.p2pAddress,
      version: version(),
      // What the conventional node's streams do is a part of how it behaves.
      wideWindows: config.policy === 'assigned',
      security: config.security === 'any' ? 'both' : config.security
    }
  )
  const exchange = await createStakedExchange(context, { data, table, host, dht })
  const identities = new IdentityWatch({
    ...{ self: self.peerId, table, clock, metrics },
    file: identityFile(config.identitiesPath),
    log: logger.child('p2p')
  })
  const isAdmitted = (): boolean => table.isAdmitted(self.peerId)
  return { key, self, table, announcers: table, host, exchange, dht, identities, isAdmitted }
}

async function createStakedExchange(
  context: NodeContext,
  parts: {
    readonly data: NodeData
    readonly table: IdentityTable
    readonly host: Host
    readonly dht: Dht | undefined
  }
): Promise<Exchange> {
  const { config, clock, rng, logger, register, budget } = context
  const { data, table, host, dht } = parts
  const blocks = data.blockstore
  if (config.policy === 'helia') return loadHeliaExchange({ libp2p: host.libp2p, blocks, clock, register })
  const network = new Libp2pNetwork({
    libp2p: host.libp2p,
    onPenalty: (peer, reason) => host.peers.coolDown(peer, reason)
  })
  await network.register()
  return createExchange(
    {
      network,
      blocks,
      requestFilter: (peer) => table.mayRequest(peer),
      peerDirectory: directoryOf(table),
      selfPeer: host.peerId,
      clock,
      rng,
      logger: logger.child('exchange'),
      register,
      receiveAccount: budget.account('receive'),
      sendAccount: budget.account('send'),
      ...(dht === undefined ? {} : { router: dht })
    },
    { ...context.rooms.exchange, policy: config.policy }
  )
}

function createDht(
  { config, clock, register }: NodeContext,
  parts: { readonly data: NodeData; readonly key: NetworkKey; readonly table: IdentityTable }
): Promise<Dht> {
  const { directory, blockstore } = parts.data
  const { providerStore, ...settings } = config.dht
  return loadDht(
    {
      self: peerIdOf(parts.key),
      identities: parts.table,
      records:
        providerStore === 'level' ? new StoredRecords(directory.database.space('providers')) : new MemoryRecords(),
      blobs: () => blockstore.keys(),
      holds: (cid) => blockstore.has(cid),
      clock,
      metrics: createDhtMetrics(register)
    },
    { ...defaultDhtOptions, ...settings }
  )
}

/** Protocol ids of the exchange begin so. */
export const EXCHANGE_PROTOCOL = EXECUTION_DATA_PREFIX

function ownEntry(
  table: IdentityTable,
  own: { readonly key: NetworkKey; readonly config: NodeContext['config'] }
): NodeIdentity {
  const { config, key } = own
  const self = table.byPeerId(peerIdOf(key))
  if (self === undefined) {
    throw new NodeError(
      'wrong-key',
      `the network key in ${config.dataDir} (peer ${peerIdOf(key)}) is not in the identity table ${config.identitiesPath}: add the entry that 'sealsync init' printed, or give the right --data-dir`
    )
  }
  if (self.role !== config.role) {
    throw new NodeError(
      'config',
      `--role ${config.role}, but the identity table ${config.identitiesPath} says that this node is of role ${self.role}`
    )
  }
  if (self.ejected)
    throw new NodeError(
      'config',
      `the identity table ${config.identitiesPath} says that this node is ejected: no peer will talk to it`
    )
  return self
}

/** One object as long as the table does not change, as the exchange wants it. */
function directoryOf(table: IdentityTable): () => PeerDirectory {
  const read = (): PeerDirectory => ({
    access: table.accessPeers.map((identity) => identity.peerId),
    execution: table.executionPeers.map((identity) => identity.peerId)
  })
  let directory = read()
  table.onChange(() => {
    directory = read()
  })
  return () => directory
}
