/**
 * The DHT, for comparison: what a node does that runs one, on the staked network alone.
 *
 * A Kademlia server under a protocol of the network's own (flow-go: `/flow/dht/<sporkid>`). Every new blob is provided, all of them are
 * provided again every so often, and providers are looked up for wants that stall. Peers are known by the addresses of the identity
 * table only, as everywhere here.
 *
 * This is the one file that knows `@libp2p/kad-dht`. It is an optional package and loaded only when a node is told to have a DHT.
 */
import type { KadDHT, KadDHTComponents, KadDHTInit, kadDHT } from '@libp2p/kad-dht'
import type { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { BlobCid, PeerIdText } from '../../model/index.ts'
import { type Clock, deadline, messageOf, type Service } from '../../util/index.ts'
import { P2pError } from '../errors.ts'
import { toMultiaddrText } from '../identity-table/address.ts'
import type { IdentityTable } from '../identity-table/table.ts'
import { dhtProbe } from './libp2p-metrics.ts'
import type { DhtMetrics } from './metrics.ts'
import { type DhtOptions, validateDhtOptions } from './options.ts'
import { ProvideQueue } from './provide-queue.ts'
import { DATASTORE_PREFIX, ProviderRecords } from './provider-records.ts'
import type { RecordTable } from './record-table.ts'

export interface DhtComponents {
  readonly self: PeerIdText
  readonly identities: Pick<IdentityTable, 'byPeerId' | 'isAdmitted'>
  readonly records: RecordTable
  /** Every blob that this node has. */
  readonly blobs: () => AsyncIterable<BlobCid>
  readonly holds: (cid: BlobCid) => Promise<boolean>
  readonly clock: Clock
  readonly metrics: DhtMetrics
}

/** Services of libp2p by name, each made of libp2p's components. */
export type Libp2pServices = Readonly<Record<string, (components: never) => unknown>>

const SHA2_256 = 0x12

const toCid = (cid: BlobCid): CID => CID.createV1(raw.code, createDigest(SHA2_256, cid.digest))

/** The DHT of a node. Made by {@link loadDht}; runs as long as the host does that was given its services. */
export class Dht implements Service {
  readonly services: Libp2pServices
  readonly #components: DhtComponents
  readonly #options: DhtOptions
  readonly #records: ProviderRecords
  readonly #queue: ProvideQueue
  #kad: KadDHT | undefined

  constructor(
    components: DhtComponents,
    options: DhtOptions,
    loaded: { readonly kadDHT: typeof kadDHT; readonly ping: typeof ping }
  ) {
    this.#components = components
    this.#options = options
    const { self, holds, clock, metrics, records } = components
    this.#records = new ProviderRecords({ table: records, self, holds, clock, metrics }, options)
    this.#queue = new ProvideQueue(
      { provide: (cid, { signal }) => this.#provide(cid, signal), clock, metrics },
      options
    )
    const probe = dhtProbe(metrics)
    const make = loaded.kadDHT(this.#init())
    this.services = {
      ping: loaded.ping(),
      dht: (given: KadDHTComponents) => {
        this.#kad = make(this.#withOwn(given, probe.metrics))
        return this.#kad
      }
    }
    metrics.levels(() => ({
      ownRecords: this.#records.ownRecords,
      otherRecords: this.#records.otherRecords,
      recordBytes: this.#records.bytes,
      reprovideBacklog: this.#records.backlog,
      provideQueue: this.#queue.size,
      routingTable: probe.routingTableSize()
    }))
  }

  /** Before the host starts: every blob that is here is due in the first round. */
  async start(): Promise<void> {
    await this.#records.open(this.#components.blobs())
  }

  async stop(): Promise<void> {
    this.#queue.stop()
    this.#records.stop()
  }

  /** Tells the network that these are here, when their turn comes. */
  provide(cids: readonly BlobCid[]): void {
    for (const cid of cids) this.#queue.add(cid)
  }

  /** These were deleted here: they are not provided any more, and what others were told of them runs out. */
  async withdraw(cids: readonly BlobCid[]): Promise<void> {
    for (const cid of cids) this.#queue.remove(cid)
    await this.#records.withdraw(cids)
  }

  /** Peers that are said to have the blob, as they become known; this node is left out. Ends by itself. */
  async *findProviders(cid: BlobCid, options: { readonly signal: AbortSignal }): AsyncGenerator<PeerIdText> {
    if (this.#kad === undefined) return
    const limit = deadline(this.#components.clock, this.#options.operationTimeoutMs, options.signal)
    const events = this.#kad.findProviders(toCid(cid), { signal: limit.signal })[Symbol.asyncIterator]()
    let left = this.#options.maxProviders
    try {
      for (let next = await events.next(); next.done !== true && left > 0; next = await events.next()) {
        const named = next.value.name === 'PROVIDER' ? next.value.providers : []
        const peers = named
          .map(({ id }) => id.toString() as PeerIdText)
          .filter((peer) => peer !== this.#components.self)
        yield* peers.slice(0, left)
        left -= peers.length
      }
    } finally {
      limit.end()
      await events.return?.()
    }
  }

  async #provide(cid: BlobCid, signal: AbortSignal): Promise<void> {
    if (this.#kad === undefined) return
    const events = this.#kad.provide(toCid(cid), { signal })[Symbol.asyncIterator]()
    while ((await events.next()).done !== true);
  }

  #init(): KadDHTInit {
    const { protocol, reprovideEveryMs, reprovideConcurrency, reprovideQueue } = this.#options
    const { recordLifetimeMs, reprovideThresholdMs } = this.#options
    return {
      protocol,
      clientMode: false,
      datastorePrefix: DATASTORE_PREFIX,
      reprovide: {
        interval: reprovideEveryMs,
        threshold: reprovideThresholdMs,
        validity: recordLifetimeMs,
        concurrency: reprovideConcurrency,
        maxQueueSize: reprovideQueue
      },
      peerInfoMapper: (peer) => {
        const identity = this.#components.identities.byPeerId(peer.id.toString() as PeerIdText)
        const known = identity !== undefined && this.#components.identities.isAdmitted(identity.peerId)
        return { ...peer, multiaddrs: known ? [multiaddr(toMultiaddrText(identity))] : [] }
      }
    }
  }

  /** libp2p's components, with this node's records and metrics in the place of libp2p's. */
  #withOwn(given: KadDHTComponents, metrics: NonNullable<KadDHTComponents['metrics']>): KadDHTComponents {
    const { peerId, privateKey, registrar, addressManager, peerStore, connectionManager, events, logger, ping } = given
    const datastore = this.#records as unknown as KadDHTComponents['datastore']
    return {
      ...{ peerId, privateKey, registrar, addressManager, peerStore, connectionManager, events, logger, ping },
      datastore,
      metrics
    }
  }
}

/** Loads the packages of the DHT. Throws P2pError `dht-not-installed`, or `option-invalid`. */
export async function loadDht(components: DhtComponents, options: DhtOptions): Promise<Dht> {
  validateDhtOptions(options)
  const [kad, pings] = await Promise.all([import('@libp2p/kad-dht'), import('@libp2p/ping')]).catch(missing)
  return new Dht(components, options, { kadDHT: kad.kadDHT, ping: pings.ping })
}

function missing(cause: unknown): never {
  const message = `routing dht needs the optional packages @libp2p/kad-dht and @libp2p/ping: install them beside sealsync (${messageOf(cause)})`
  throw new P2pError('dht-not-installed', message, { cause })
}
