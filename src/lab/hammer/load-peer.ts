/**
 * A staked peer in the driver: the product's own host and exchange with a key of its own. It knows the target (and whom else it is
 * told of), asks it for blobs, and answers with what all load peers hold together.
 */
import {
  createExchange,
  type Exchange,
  type ExchangeSession,
  Libp2pNetwork,
  type PeerDirectory
} from '../../exchange/index.ts'
import { silentLogger } from '../../log/logger.ts'
import { createRegistry } from '../../metrics/index.ts'
import type { Blob, BlobCid, Height, NodeIdentity, PeerIdText } from '../../model/index.ts'
import {
  type AnnounceClient,
  createAnnounceClient,
  createAnnounceMetrics,
  createHost,
  createP2pMetrics,
  defaultAnnounceOptions,
  defaultHostOptions,
  type Host,
  type HostPort,
  IdentityTable,
  type NetworkKey
} from '../../p2p/index.ts'
import { type Clock, type Rng, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'

/** What a peer answers from. */
export interface PeerBlobs {
  has(cid: BlobCid): Promise<boolean>
  getSize(cid: BlobCid): Promise<number | undefined>
  get(cid: BlobCid): Promise<Blob | undefined>
}

export interface LoadPeerOptions {
  readonly key: NetworkKey
  readonly listen: HostPort
  /** Whom it knows: dials and admits. */
  readonly identities: readonly NodeIdentity[]
  /** The one it asks for blobs. */
  readonly asks: PeerIdText
  /** Called with the height of each block that an execution node of its table announces live. */
  readonly onAnnounced?: (height: Height) => void
  readonly blobs: PeerBlobs
}

const CONNECT_POLL_MS = 20
/**
 * All peers share one event loop, which reads what has come for each of them before it answers any: with windows of 2 MiB a storm's answers took
 * 0.2 to 0.4 s. Peers of their own machines would not wait for one another.
 */
const SMALL_WINDOWS = { maxStreamWindowBytes: 262_144, wideWindows: false } as const

interface LoadPeerParts {
  readonly host: Host
  readonly exchange: Exchange
  readonly announce: AnnounceClient | undefined
  readonly asks: PeerIdText
}

export class LoadPeer {
  readonly host: Host
  readonly exchange: Exchange
  readonly asks: PeerIdText
  readonly #clock: Clock
  readonly #announce: AnnounceClient | undefined

  private constructor(clock: Clock, parts: LoadPeerParts) {
    this.host = parts.host
    this.exchange = parts.exchange
    this.asks = parts.asks
    this.#announce = parts.announce
    this.#clock = clock
  }

  static async start(
    { clock, rng }: { readonly clock: Clock; readonly rng: Rng },
    { key, listen, identities, asks, blobs, onAnnounced }: LoadPeerOptions
  ): Promise<LoadPeer> {
    const table = new IdentityTable(identities)
    const register = createRegistry()
    const metrics = createP2pMetrics(register)
    const { peers } = defaultHostOptions
    const host = await createHost(
      { key, table, clock, rng, metrics, log: silentLogger },
      {
        ...defaultHostOptions,
        listen,
        ...SMALL_WINDOWS,
        peers: { ...peers, graceMs: 1, maxBackoffMs: 1_000, cooldownMs: 1_000 }
      }
    )
    const network = new Libp2pNetwork({
      libp2p: host.libp2p,
      onPenalty: (peer, reason) => host.peers.coolDown(peer, reason)
    })
    await network.register()
    // As if the one it asks were the source of everything: nobody else is ever asked.
    const directory: PeerDirectory = { access: [host.peerId], execution: [asks] }
    const exchange = createExchange({
      network,
      blocks: blobs,
      requestFilter: (peer) => table.mayRequest(peer),
      peerDirectory: () => directory,
      selfPeer: host.peerId,
      clock,
      rng,
      logger: silentLogger,
      register
    })
    const announce =
      onAnnounced === undefined
        ? undefined
        : createAnnounceClient(
            { host, table, clock, rng, log: silentLogger, metrics: createAnnounceMetrics(register) },
            defaultAnnounceOptions
          )
    announce?.listen({
      onAnnouncement: (_from, { height }, live) => {
        if (live) onAnnounced?.(height)
      },
      onAnnouncer: () => undefined,
      onAnnouncerGone: () => undefined
    })
    await host.start()
    await exchange.start()
    await announce?.start()
    return new LoadPeer(clock, { host, exchange, announce, asks })
  }

  get peerId(): PeerIdText {
    return this.host.peerId
  }

  isConnectedTo(peer: PeerIdText): boolean {
    return this.host.peers.isConnected(peer)
  }

  /** Waits for a connection. Throws LabError `not-ready`, or the signal's reason. */
  async connected(
    peer: PeerIdText,
    options: { readonly limitMs: number; readonly signal: AbortSignal }
  ): Promise<void> {
    const until = this.#clock.now() + options.limitMs
    while (!this.isConnectedTo(peer)) {
      if (this.#clock.now() > until) {
        throw new LabError('not-ready', `no connection with the target within ${options.limitMs / 1000} s`)
      }
      await sleep(this.#clock, CONNECT_POLL_MS, options.signal)
    }
  }

  /** `hot`: the want stands until the other one has the blob; `cold`: it has it, or never will. */
  session(temperature: 'hot' | 'cold'): ExchangeSession {
    return this.exchange.createSession({ temperature, origins: [this.asks] })
  }

  async stop(): Promise<void> {
    await this.#announce?.stop()
    await this.exchange.stop()
    await this.host.stop()
  }
}
