import type { Registry } from 'prom-client'
import type { MemoryAccount } from '../budget/account.ts'
import type { Logger } from '../log/logger.ts'
import type { BlobCid, PeerIdText } from '../model/index.ts'
import {
  type Clock,
  defaultTimerWheelOptions,
  type NextTurn,
  type Rng,
  systemNextTurn,
  TimerWheel
} from '../util/index.ts'
import { ByteAccount } from './byte-account.ts'
import { ExchangeClient } from './client/client.ts'
import type { PeerDirectory } from './client/peer-choice.ts'
import { ExchangeError } from './errors.ts'
import type {
  Exchange,
  ExchangeSession,
  ExchangeSessionOptions,
  ExchangeStatus,
  ProviderRouter,
  WantState
} from './exchange.ts'
import { createExchangeMetrics, type ExchangeMetrics, temperatureOf } from './metrics.ts'
import type { InboundEvents } from './network/inbound-reader.ts'
import type { ExchangeNetwork } from './network/network.ts'
import type { LinkEvents } from './network/peer-link.ts'
import { Peers } from './network/peers.ts'
import { ReceiveAccount } from './network/receive-account.ts'
import type { ExchangeOptions } from './options.ts'
import { type BlobSource, ExchangeServer } from './server/server.ts'
import { exchangeStatus } from './status.ts'

export interface ExchangeComponents {
  readonly network: ExchangeNetwork
  readonly blocks: BlobSource
  /** Whether a peer may ask: staked, not ejected, of the right role. */
  readonly requestFilter: (peer: PeerIdText) => boolean
  readonly peerDirectory: () => PeerDirectory
  readonly selfPeer: PeerIdText
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  readonly register: Registry
  /** Flow's name of the blob channel, the label `prefix` of its bitswap metrics; default: the staked network's. */
  readonly channel?: string
  readonly nextTurn?: NextTurn
  /** Without one nobody is looked up and nothing is provided. */
  readonly router?: ProviderRouter
  /** Shares of the node's memory budget; without them the exchange keeps to its own options. */
  readonly receiveAccount?: MemoryAccount
  readonly sendAccount?: MemoryAccount
}

/**
 * The exchange: bitswap with one asker per blob.
 *
 * Joins four parts that do not know each other: the peers' streams (`network/`), the messages on them (`message/`), the
 * asking side (`client/`) and the serving side (`server/`). All state moves in the turn in which an event arrives; time,
 * randomness, network and store come through ports, so the same code runs in production and in simulation.
 *
 * In: stream → decoder → admission → hash → client (first valid copy: delivered) or counted as waste.
 * Out: wants → ledger → scheduler → store → the peer's data stream.
 */
export class ExchangeService implements Exchange {
  readonly #components: ExchangeComponents
  readonly #metrics: ExchangeMetrics
  readonly #wheel: TimerWheel
  readonly #receive: ReceiveAccount
  readonly #peers: Peers
  /** Connected peers that are being disconnected. */
  readonly #penalised = new Set<PeerIdText>()
  readonly client: ExchangeClient
  readonly server: ExchangeServer
  #state: 'new' | 'running' | 'stopped' = 'new'
  #windsDown = false

  constructor(components: ExchangeComponents, options: ExchangeOptions) {
    const { clock, rng, network, nextTurn = systemNextTurn } = components
    this.#components = components
    this.#metrics = createExchangeMetrics(components.register, components.channel)
    this.#wheel = new TimerWheel(clock, defaultTimerWheelOptions)
    const { totals } = this.#metrics
    this.#receive = new ReceiveAccount(
      components.receiveAccount ?? new ByteAccount('receive', options.client.receiveBytes),
      { bytesPerPeer: options.client.receiveBytesPerPeer, waitingPerPeer: options.client.maxPausedPerPeer }
    )
    this.#peers = new Peers(
      {
        clock,
        totals,
        outbound: { network, clock, rng, nextTurn, totals },
        inbound: { wheel: this.#wheel, totals, receive: this.#receive, events: this.#inboundEvents() },
        linkEvents: (peer) => this.#linkEvents(peer),
        penalise: (peer, reason) => this.#penalise(peer, reason)
      },
      options
    )
    this.client = new ExchangeClient(
      {
        clock,
        rng,
        wheel: this.#wheel,
        metrics: this.#metrics,
        selfPeer: components.selfPeer,
        peerDirectory: components.peerDirectory,
        link: (peer) => this.#peers.link(peer),
        dropReceiving: (peer) => this.#peers.dropReceiving(peer),
        busyMs: (peer) => this.server.busyMs(peer),
        penalise: (peer, reason) => this.#penalise(peer, reason),
        ...(components.router === undefined ? {} : { router: components.router })
      },
      options
    )
    this.server = new ExchangeServer(
      {
        clock,
        wheel: this.#wheel,
        nextTurn,
        blocks: components.blocks,
        requestFilter: components.requestFilter,
        sendAccount: components.sendAccount ?? new ByteAccount('send', options.server.sendBytes),
        totals,
        onServed: ({ peer, hot, seconds, repeated }) => {
          this.#metrics.serveSeconds.observe({ temperature: temperatureOf(hot) }, seconds)
          if (!repeated) this.#peers.useful(peer, 1)
        },
        rttMs: (peer) => this.client.peer(peer)?.rttMs,
        penalise: (peer, reason) => this.#penalise(peer, reason)
      },
      options.server
    )
    this.#readLevels()
  }

  /** Bytes reserved for blocks that are arriving. */
  get receivingBytes(): number {
    return this.#receive.reservedBytes
  }

  /** Rejects with ExchangeError `stopped` after `stop`. */
  async start(): Promise<void> {
    if (this.#state !== 'new') throw new ExchangeError('stopped', 'an exchange is started once')
    this.#state = 'running'
    this.#components.network.start({
      connected: (peer) => this.#connected(peer),
      disconnected: (peer) => this.#disconnected(peer),
      inbound: (peer, stream) => this.#peers.inbound(peer, stream)
    })
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    if (this.#state === 'running') this.#components.network.stop()
    this.#state = 'stopped'
    this.client.stop()
    this.server.stop()
    this.#peers.stop()
    this.#wheel.stop()
  }

  createSession(options: ExchangeSessionOptions): ExchangeSession {
    const origins = options.origins ?? []
    const hot = options.temperature === 'hot'
    const common = { hot, origins, session: {} }
    return {
      fetch: (cid, { signal }) => this.client.fetch({ ...common, cid, signal, take: (blob) => blob }),
      fetchInto: (cid, { signal, take }) => this.client.fetch({ ...common, cid, signal, take })
    }
  }

  windDown(): void {
    this.#windsDown = true
    for (const link of this.#peers.links()) link.tellWindingDown()
  }

  notifyNewBlobs(cids: readonly BlobCid[]): void {
    this.server.appeared(cids.map((cid) => cid.key))
    this.#components.router?.provide(cids)
    for (const cid of cids) if (this.client.isWanted(cid.key)) void this.#deliverOwn(cid)
  }

  wantState(cid: BlobCid): WantState | undefined {
    return this.client.wantState(cid)
  }

  status(): ExchangeStatus {
    const { totals } = this.#metrics
    const rttMs = new Map<PeerIdText, number>()
    for (const state of this.client.peers()) if (state.rttMs !== undefined) rttMs.set(state.peer, state.rttMs)
    return exchangeStatus(totals, { liveWants: this.client.liveWants, rttMs })
  }

  /** A blob that is wanted and turned up in the store by another way is handed over from there. */
  async #deliverOwn(cid: BlobCid): Promise<void> {
    const blob = await this.#components.blocks.get(cid).catch(() => undefined)
    if (blob !== undefined) this.client.found(blob)
  }

  #connected(peer: PeerIdText): void {
    if (!this.#peers.connected(peer)) return
    const link = this.#peers.link(peer)
    if (link === undefined) return
    this.server.connected(peer, link)
    this.client.connected(peer)
    // Who may ask may also be asked. Opened only at the first word, streams would cost every peer's first blob a round trip.
    if (this.#components.requestFilter(peer)) link.keepOpen()
    if (this.#windsDown) link.tellWindingDown()
  }

  #disconnected(peer: PeerIdText): void {
    this.#penalised.delete(peer)
    this.#peers.disconnected(peer)
    this.server.disconnected(peer)
    this.client.disconnected(peer)
  }

  /** Once for a connection: what is still being read when it is cut breaks the same rule again. */
  #penalise(peer: PeerIdText, reason: string): void {
    if (this.#penalised.has(peer)) return
    this.#penalised.add(peer)
    this.#components.logger.warn({ peer, reason }, 'peer broke the rules of the exchange, disconnecting it')
    this.#components.network.penalise(peer, reason)
  }

  #linkEvents(peer: PeerIdText): LinkEvents {
    return {
      wantsLeft: (keys) => {
        this.#peers.useful(peer, keys.length)
        this.client.wantsLeft(peer, keys)
      },
      controlLost: () => this.client.controlLost(peer),
      dataReady: () => this.server.dataReady(peer),
      dataLost: () => this.server.dataLost(peer)
    }
  }

  #inboundEvents(): InboundEvents {
    return {
      admit: (peer) => this.client.admit(peer),
      progress: (peer) => this.client.progress(peer),
      block: (peer, block) => this.client.block(peer, block),
      skipped: (peer, length) => this.client.skipped(peer, length),
      partial: (peer, block) => this.client.partial(peer, block),
      words: (peer, bytes) => this.#peers.words(peer, bytes),
      message: (peer, summary) => {
        this.client.heard(peer)
        if (summary.windingDown === true) this.client.windingDown(peer)
        if (summary.presences.length > 0) this.client.presences(peer, summary.presences)
        this.server.message(peer, summary)
      },
      broken: (peer, reason) => {
        this.#components.logger.debug({ peer, reason }, 'inbound stream reset')
        if (reason === 'slow') this.#peers.slow(peer)
        else this.#penalise(peer, reason)
      },
      closed: (reader) => this.#peers.closed(reader),
      lost: (peer) => this.client.answersLost(peer)
    }
  }

  #readLevels(): void {
    this.#metrics.levels(() => ({
      peers: this.#peers.size,
      liveWants: this.client.liveWants,
      waitingFetches: this.client.waitingFetches,
      ledgerWants: this.server.ledgerWants,
      queuedBlocks: this.server.queuedBlocks,
      sendBytes: this.server.bytesInFlight,
      receiveBytes: this.#receive.reservedBytes,
      wantAgeSeconds: this.client.wantAgeSeconds(),
      peerWindowBytes: this.client.peerWindowBytes(),
      peersByStrikes: this.client.peersByStrikes(),
      oldestQueuedSeconds: this.server.oldestQueuedSeconds
    }))
  }
}
