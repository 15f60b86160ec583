/**
 * The libp2p host of a staked node: TCP, TLS or noise, yamux, identify; nothing else.
 *
 * Made with `createHost`, which does not listen yet: protocols are registered with `handle`, then `start` listens and dials.
 * A Flow node decides by the first identify whether a peer speaks bitswap (flow-go's bitswap fork,
 * `bitswap/network/ipfs_impl.go`), so a handler that is registered later is never asked anything; `handle` refuses then.
 *
 * Every connection passes the gater (`connection-gater.ts`) and is reported to the peer manager (`peer-manager.ts`), which
 * keeps the mesh. The connection monitor and the ping service are off: they open a stream per connection every few seconds;
 * `muxer.ts` pings inside yamux instead.
 */
import { identify } from '@libp2p/identify'
import type { Connection, ConnectionGater, Libp2p, StreamHandler, StreamHandlerOptions } from '@libp2p/interface'
import * as keys from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { Logger } from '../log/logger.ts'
import type { NodeIdentity, PeerIdText } from '../model/index.ts'
import { type Clock, codeOf, messageOf, type Rng, type Service } from '../util/index.ts'
import { StakedConnectionGater } from './connection-gater.ts'
import { Cooldowns } from './cooldowns.ts'
import { P2pError } from './errors.ts'
import { formatHostPort, toMultiaddrText } from './identity-table/address.ts'
import type { HostTable } from './host-table.ts'
import type { P2pMetrics } from './metrics.ts'
import { WatchedYamux } from './muxer.ts'
import { type NetworkKey, peerIdOf } from './network-key.ts'
import type { ObserverKey } from './observer-key.ts'
import { rememberProtocols } from './known-protocols.ts'
import { withLimitedHandshakes } from './negotiation.ts'
import { type HostOptions, validateHostOptions } from './options.ts'
import { type PeerEvent, PeerManager } from './peer-manager.ts'
import type { Libp2pServices } from './routing/dht.ts'
import { socketNoise } from './security/noise.ts'
import { socketTls } from './security/tls.ts'
import { silentComponentLogger } from './silent-logger.ts'
import { type StreamCount, StreamCounter } from './stream-counter.ts'

export interface HostComponents {
  readonly key: NetworkKey | ObserverKey
  readonly table: HostTable
  /** Default: the staked set and nobody else. */
  readonly gater?: (cooldowns: Cooldowns) => ConnectionGater
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: P2pMetrics
  /** Further services of libp2p: those of the DHT, in a node that has one. */
  readonly services?: Libp2pServices
}

/** A peer as `status` shows it. */
export interface HostPeer {
  readonly peerId: PeerIdText
  readonly role: NodeIdentity['role']
  readonly connected: boolean
  readonly rttMs: number | null
}

/**
 * Connections a table may bring, twice over since for a moment a pair has two, and with room for a table that grows while the node
 * runs. The gater admits the table alone; this is what stands behind it.
 */
const connectionLimit = (peers: number): number => Math.max(512, 8 * peers)

interface Parts {
  readonly libp2p: Libp2p
  readonly peers: PeerManager
  readonly muxers: WatchedYamux
  readonly streams: StreamCounter
}

/**
 * Makes a host; it neither listens nor dials before `start`. Throws P2pError `option-invalid`, and
 * `identity-keys-not-registered` when libp2p was loaded without `identity-keys/register.ts`.
 */
export async function createHost(components: HostComponents, options: HostOptions): Promise<Host> {
  validateHostOptions(options)
  if (!('readsGoEcdsaKeys' in keys)) {
    const message = 'libp2p cannot use P-256 identities here: start with --import ./src/p2p/identity-keys/register.ts'
    throw new P2pError('identity-keys-not-registered', message)
  }
  const { key, table, clock, rng, log, metrics } = components
  const cooldowns = new Cooldowns(clock, table)
  const gater = components.gater?.(cooldowns) ?? new StakedConnectionGater({ table, cooldowns, clock, metrics })
  const muxers = new WatchedYamux({ clock, metrics }, options)
  const streams = new StreamCounter(metrics)
  const limit = connectionLimit(table.size)
  const libp2p = await createLibp2p({
    start: false,
    privateKey: 'libp2p' in key ? key.libp2p : key,
    nodeInfo: { name: 'sealsync', version: options.version, userAgent: `sealsync/${options.version}` },
    addresses: { listen: [toMultiaddrText(options.listen)] },
    transports: [tcp()],
    connectionEncrypters: encrypters(options),
    streamMuxers: [muxers.factory],
    connectionGater: withLimitedHandshakes(gater),
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: limit,
      // By host and second: all nodes may sit behind one address. The gater bounds each address by its own nodes.
      inboundConnectionThreshold: limit,
      maxIncomingPendingConnections: limit,
      maxParallelDials: options.peers.maxParallelDials,
      maxDialQueueLength: limit,
      dialTimeout: options.peers.dialTimeoutMs,
      addressDialTimeout: options.peers.dialTimeoutMs,
      inboundUpgradeTimeout: options.inboundUpgradeTimeoutMs,
      reconnectRetries: 0
    },
    services: { identify: identify(), ...(components.services as object | undefined) },
    metrics: () => streams,
    logger: silentComponentLogger
  })
  rememberProtocols(libp2p.peerStore)
  const peers = new PeerManager(
    { self: peerIdOf(key), table, cooldowns, clock, rng, log, metrics, dial: dialWith(libp2p), dialOutcome },
    options.peers
  )
  return new Host(components, options, { libp2p, peers, muxers, streams })
}

/** See the file's head. Made by {@link createHost}. */
export class Host implements Service {
  readonly peerId: PeerIdText
  /** For the rooms that speak a protocol of their own. Dials only what the gater lets through. */
  readonly libp2p: Libp2p
  readonly peers: PeerManager
  /** Rejects with P2pError `listener-closed` when the listener closes by itself. */
  readonly failed: Promise<never>
  readonly #components: HostComponents
  readonly #options: HostOptions
  readonly #parts: Parts
  #state: 'new' | 'started' | 'stopped' = 'new'
  readonly #connections = new Map<string, Connection>()
  readonly #fail: (error: P2pError) => void

  constructor(components: HostComponents, options: HostOptions, parts: Parts) {
    this.peerId = peerIdOf(components.key)
    this.libp2p = parts.libp2p
    this.peers = parts.peers
    this.#components = components
    this.#options = options
    this.#parts = parts
    const { promise, reject } = Promise.withResolvers<never>()
    this.failed = promise
    this.failed.catch(() => undefined)
    this.#fail = reject
    this.#watchConnections()
  }

  /** Registers a protocol. Only before `start`: throws P2pError `host-started` later. */
  async handle(protocol: string, handler: StreamHandler, options: StreamHandlerOptions = {}): Promise<void> {
    if (this.#state !== 'new')
      throw new P2pError('host-started', `${protocol} must be registered before the host starts`)
    await this.libp2p.handle(protocol, handler, options)
  }

  /** Listens, then begins to dial. Throws P2pError `address-in-use` or `listen-failed` (details: `address`). */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new P2pError('host-started', 'a host starts once')
    this.#state = 'started'
    try {
      await this.libp2p.start()
      await this.peers.start()
    } catch (cause) {
      await this.stop()
      throw listenError(cause, formatHostPort(this.#options.listen))
    }
    this.#components.log.info({ addresses: this.addresses(), peerId: this.peerId }, 'listening')
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    await this.peers.stop()
    await this.libp2p.stop()
  }

  /** Where the host listens, with its peer id: `/ip4/…/tcp/…/p2p/…`. Empty before `start`. */
  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map((address) => address.toString())
  }

  /** Calls `listener` on each change from now on; gives the function that ends it. */
  onPeer(listener: (event: PeerEvent) => void): () => void {
    return this.peers.onPeer(listener)
  }

  /** Streams since the start and open now, by protocol and direction. */
  streams(): StreamCount[] {
    return this.#parts.streams.counts()
  }

  /** Staked peers that are connected or wanted. */
  peerStatuses(): HostPeer[] {
    return this.peers.statuses().map(({ peerId, role, connected }) => ({
      peerId,
      role,
      connected,
      rttMs: this.rttMs(peerId) ?? null
    }))
  }

  /** Last round trip of a ping to a connected peer, ms. */
  rttMs(peer: PeerIdText): number | undefined {
    const connection = this.connectionTo(peer)
    return connection === undefined ? undefined : this.#parts.muxers.rttMs(connection.streams)
  }

  /** The connection to a peer that stays when there are several. */
  connectionTo(peer: PeerIdText): Connection | undefined {
    const id = this.peers.linkOf(peer)
    return id === undefined ? undefined : this.#connections.get(id)
  }

  #watchConnections(): void {
    const { metrics } = this.#components
    this.libp2p.addEventListener('connection:open', ({ detail: connection }) => {
      metrics.allowConnection.inc({ direction: connection.direction, usefd: 'true' })
      const peer = connection.remotePeer.toString() as PeerIdText
      this.#parts.muxers.guard(connection.streams, () => this.peers.coolDown(peer, 'stream flood'))
      const { id, direction } = connection
      this.#connections.set(id, connection)
      this.peers.linkOpened({ id, peer, direction, close: (why) => void closeConnection(connection, why) })
    })
    this.libp2p.addEventListener('connection:close', ({ detail: connection }) => {
      this.#connections.delete(connection.id)
      this.peers.linkClosed({ id: connection.id, peer: connection.remotePeer.toString() as PeerIdText })
    })
    this.libp2p.addEventListener('transport:close', () => {
      if (this.#state !== 'started') return
      this.#fail(new P2pError('listener-closed', 'the p2p listener closed'))
    })
  }
}

function encrypters(options: HostOptions): NonNullable<Libp2pOptions['connectionEncrypters']> {
  const tls = socketTls(options)
  return { both: [tls, socketNoise()], tls: [tls], noise: [socketNoise()] }[options.security]
}

/** A duplicate is closed in peace, what must go is cut. */
async function closeConnection(connection: Connection, why: string): Promise<void> {
  if (why !== 'duplicate') return connection.abort(new Error(why))
  try {
    await connection.close()
  } catch (error) {
    connection.abort(error as Error)
  }
}

const dialWith =
  (libp2p: Libp2p) =>
  async (identity: NodeIdentity, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
    await libp2p.dial(multiaddr(`${toMultiaddrText(identity)}/p2p/${identity.peerId}`), { signal })
  }

/** The label of a failed dial: what an operator can act upon. */
function dialOutcome(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return 'refused'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'name'
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') return 'unreachable'
  const name = error instanceof Error ? error.name : ''
  if (name === 'TimeoutError') return 'timeout'
  if (name === 'AbortError') return 'aborted'
  if (name === 'DialDeniedError' || name === 'ConnectionInterceptedError') return 'gater'
  if (name === 'EncryptionFailedError' || name === 'UnexpectedPeerError') return 'handshake'
  return code === 'ECONNRESET' || name.startsWith('Stream') || name.startsWith('Connection') ? 'reset' : 'other'
}

function listenError(cause: unknown, address: string): P2pError {
  const details = { address }
  // libp2p gathers the errors of all addresses into one text.
  const system = /E[A-Z]{4,}/.exec(messageOf(cause))?.[0]
  if (system === 'EADDRINUSE') {
    return new P2pError(
      'address-in-use',
      `${address} is in use: stop what listens there, or choose another with --p2p-address (for observers --public-address)`,
      { cause, details }
    )
  }
  return new P2pError('listen-failed', `cannot listen on ${address}: ${system ?? messageOf(cause)}`, { cause, details })
}
