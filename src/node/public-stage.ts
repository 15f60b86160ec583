/**
 * The public network, as far as an access node has it: a second host, on which anybody may come, that serves blobs on Flow's public channel
 * and passes on what execution nodes announced. It asks its guests for nothing.
 */
import { AccountShare, type MemoryAccount } from '../budget/index.ts'
import { createExchange, type Exchange, Libp2pNetwork, PUBLIC_EXECUTION_DATA_PREFIX } from '../exchange/index.ts'
import { createRegistry } from '../metrics/index.ts'
import { MAX_BLOCK_BYTES, type PeerIdText, type SignedAnnouncement } from '../model/index.ts'
import {
  createAnnounceMetrics,
  createAnnounceServer,
  createGuestMetrics,
  createHost,
  createPublicP2pMetrics,
  decodeSigned,
  defaultAnnounceOptions,
  defaultGuestOptions,
  defaultHostOptions,
  encodeSigned,
  GuestGater,
  GuestTable,
  type Host,
  type NetworkKey
} from '../p2p/index.ts'
import { createRelayMetrics, openRelayLog } from '../provider/index.ts'
import type { Service } from '../util/index.ts'
import type { NodeConfig } from './config/node-config.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import { PacedBlobs } from './paced-blobs.ts'
import { version } from './version.ts'

/** Nobody is asked for anything on this side. */
const NOBODY = Object.freeze({ access: [], execution: [] })

/**
 * The most of the account `send` that blocks on their way to observers hold, and the part of a smaller account: the rest is the staked
 * peers' whatever observers ask for.
 */
const SEND_BYTES = 8 * 1024 ** 2
const SEND_PART = 4

/** Of the exchange towards strangers: a fraction of what staked peers get. */
const SERVER_LIMITS = Object.freeze({
  maxWantsPerPeer: 512,
  sendBytes: SEND_BYTES,
  entryBurst: 2_048,
  entriesPerSecond: 1_024
})

/** Streams a guest may have and open: it needs a handful. */
const HOST_LIMITS = Object.freeze({
  maxInboundStreams: 32,
  inboundStreamsPerSecond: 8,
  inboundStreamsBurst: 64,
  inboundStreamsExcess: 64
})

export interface PublicSide {
  readonly host: Host
  readonly exchange: Exchange
  /** Observers that are connected. */
  observers(): number
  /** Keeps a verified announcement and tells the observers. */
  relay(signer: PeerIdText, announcement: SignedAnnouncement): void
  /** In the order in which they start; to be added behind the data's. */
  readonly services: readonly (readonly [name: string, service: Service])[]
}

interface PublicParts {
  readonly data: NodeData
  readonly key: NetworkKey
  readonly settings: NonNullable<NodeConfig['public']>
}

/** Nothing listens yet. Throws as `createHost` and `openRelayLog` do. */
export async function createPublicSide(context: NodeContext, parts: PublicParts): Promise<PublicSide> {
  const { clock, logger, register } = context
  const { data } = parts
  const log = logger.child('public')
  const table = new GuestTable()
  const host = await createPublicHost(context, parts, table)
  const exchange = await createPublicExchange(context, parts, { host, table })
  const relay = await openRelayLog({
    space: data.directory.database.space('relay'),
    encode: encodeSigned,
    decode: decodeSigned,
    prunedTo: () => data.tracker.prunedTo,
    metrics: createRelayMetrics(register),
    logger: log
  })
  const announce = await createAnnounceServer(
    { host, table, announcements: relay, clock, log, metrics: createAnnounceMetrics(createRegistry()) },
    defaultAnnounceOptions
  )
  const atStop = (stop: () => Promise<void>): Service => ({ start: () => Promise.resolve(), stop })
  return {
    services: [
      ['public-announcements', atStop(() => relay.settled())],
      ['public-exchange', exchange],
      ['public-host', host],
      ['public-announce', atStop(() => announce.stop())]
    ],
    host,
    exchange,
    observers: () => table.count,
    relay(signer, announcement) {
      if (relay.take(signer, announcement)) announce.publish(announcement)
    }
  }
}

function createPublicHost(context: NodeContext, { key, settings }: PublicParts, table: GuestTable): Promise<Host> {
  const { config, clock, rng, logger, register } = context
  const metrics = createGuestMetrics(register)
  const options = { ...defaultGuestOptions, maxObservers: settings.maxObservers }
  return createHost(
    {
      ...{ key, table, clock, rng },
      log: logger.child('public'),
      metrics: createPublicP2pMetrics(register),
      gater: (cooldowns) => new GuestGater({ table, cooldowns, clock, metrics }, options)
    },
    {
      ...defaultHostOptions,
      ...HOST_LIMITS,
      listen: settings.address,
      version: version(),
      security: config.security === 'any' ? 'both' : config.security
    }
  )
}

async function createPublicExchange(
  { clock, rng, register, logger, budget }: NodeContext,
  { data, settings }: PublicParts,
  { host, table }: { readonly host: Host; readonly table: GuestTable }
): Promise<Exchange> {
  const network = new Libp2pNetwork(
    { libp2p: host.libp2p, onPenalty: (peer, reason) => host.peers.coolDown(peer, reason) },
    { protocolPrefix: PUBLIC_EXECUTION_DATA_PREFIX }
  )
  await network.register()
  const blocks = new PacedBlobs({ source: data.blockstore, clock }, { bytesPerSecond: settings.uploadRate })
  return createExchange(
    {
      ...{ network, blocks, clock, rng, register },
      logger: logger.child('public'),
      requestFilter: (peer) => table.isAdmitted(peer),
      peerDirectory: () => NOBODY,
      selfPeer: host.peerId,
      sendAccount: publicSendAccount(budget.account('send')),
      channel: PUBLIC_EXECUTION_DATA_PREFIX
    },
    { server: SERVER_LIMITS }
  )
}

/** Room for the largest block in any case. */
function publicSendAccount(send: MemoryAccount): MemoryAccount {
  return new AccountShare(send, Math.min(SEND_BYTES, Math.max(MAX_BLOCK_BYTES, Math.floor(send.capBytes / SEND_PART))))
}
