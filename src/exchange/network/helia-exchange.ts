/**
 * The exchange as JavaScript had it before: `@helia/bitswap` behind the same port, for comparison.
 *
 * It asks every connected peer for the block at once and cancels nothing (Helia's `want`, what a Helia node does outside of a session),
 * on a stream for every message. Everything around it is this node's own: hosts, identities, protocol id, store, counts.
 *
 * This is the one file that knows Helia. The package brings some 700 others, so it is no dependency: it is looked for beside the program
 * and in the working directory, when a node is told to use it.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Connection, Libp2p, PeerId, Stream, StreamHandlerOptions, Topology } from '@libp2p/interface'
import type { Registry } from 'prom-client'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { type Blob, BlobCid, blobFromHashed, type DigestKey, digestKey } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'
import { ExchangeError } from '../errors.ts'
import type { Exchange, ExchangeSession, ExchangeSessionOptions, ExchangeStatus, WantState } from '../exchange.ts'
import { createExchangeMetrics, type ExchangeMetrics, NO_LEVELS, temperatureOf } from '../metrics.ts'
import type { BlobSource } from '../server/server.ts'
import { exchangeStatus } from '../status.ts'
import { EXECUTION_DATA_PREFIX } from './libp2p-network.ts'

export interface HeliaComponents {
  /** Not started yet: peers learn by the first identify what a node speaks. */
  readonly libp2p: Libp2p
  readonly blocks: BlobSource
  readonly clock: Clock
  readonly register: Registry
}

const PACKAGE = '@helia/bitswap'
const PROTOCOL = `${EXECUTION_DATA_PREFIX}/ipfs/bitswap/1.2.0`
const SHA2_256 = 0x12
/** Streams of one peer: Helia opens one for every message. */
const MOST_STREAMS = 1_024

type OnStream = (stream: Stream, connection: Connection) => void

/** What is used of Helia's own classes; their package gives out no constructor, so they are taken from its files. */
interface Bitswap {
  readonly network: EventTarget & { sendMessage: SendMessage }
  readonly wantList: EventTarget
  want(cid: CID, options: { readonly signal: AbortSignal }): Promise<unknown>
  notify(cid: CID): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

type SendMessage = (peer: PeerId, message: QueuedMessage, options?: object) => Promise<void>

interface QueuedMessage {
  readonly wantlist: ReadonlyMap<unknown, { readonly wantType?: string; readonly cancel?: boolean }>
  readonly blocks: ReadonlyMap<unknown, { readonly data: Uint8Array }>
}

type BitswapClass = new (components: object) => Bitswap

/** A blob that somebody waits for. */
interface Want {
  readonly since: number
  readonly hot: boolean
  readonly arrived: Promise<Blob>
  readonly deliver: (blob: Blob) => void
  readonly ended: AbortController
  waiters: number
}

const toCid = (cid: BlobCid): CID => CID.createV0(createDigest(SHA2_256, cid.digest) as never)

/** Throws ExchangeError `helia-not-installed` that says how to have it. */
export async function loadHeliaExchange(components: HeliaComponents): Promise<Exchange> {
  // Where it lies is known at run time only, so it is required and not imported.
  const { Bitswap } = createRequire(import.meta.url)(join(dirname(entryOf(PACKAGE)), 'bitswap.js')) as {
    Bitswap: BitswapClass
  }
  const exchange = new HeliaExchange(components, Bitswap)
  await exchange.register()
  return exchange
}

function entryOf(name: string): string {
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(from).resolve(name)
    } catch {
      // The next place; at last the error below.
    }
  }
  throw new ExchangeError(
    'helia-not-installed',
    `policy helia needs the package ${name}, beside the program or in ${process.cwd()}: npm install ${name}@4.0.19`
  )
}

class HeliaExchange implements Exchange {
  readonly #components: HeliaComponents
  readonly #metrics: ExchangeMetrics
  readonly #bitswap: Bitswap
  readonly #wants = new Map<DigestKey, Want>()
  readonly #stopping = new AbortController()
  #onStream: OnStream | undefined

  constructor(components: HeliaComponents, Bitswap: BitswapClass) {
    this.#components = components
    this.#metrics = createExchangeMetrics(components.register)
    this.#bitswap = new Bitswap({
      libp2p: this.#ownLibp2p(),
      blockstore: this.#ownBlockstore(),
      // Nobody is looked up: all who could have it are connected.
      routing: { findProviders: async function* () {} },
      logger: silentLogger,
      getHasher: () => {
        throw new ExchangeError('malformed', 'a block of another hash than sha-256')
      }
    })
    this.#count()
    this.#metrics.levels(() => ({
      ...NO_LEVELS,
      peers: components.libp2p.getConnections().length,
      liveWants: this.#wants.size
    }))
  }

  /** Before the host starts. */
  async register(): Promise<void> {
    const { libp2p } = this.#components
    const options: StreamHandlerOptions = { maxInboundStreams: MOST_STREAMS, maxOutboundStreams: MOST_STREAMS }
    await libp2p.handle(PROTOCOL, (stream, connection) => this.#inbound(stream, connection), options)
  }

  async start(): Promise<void> {
    await this.#bitswap.start()
  }

  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(new ExchangeError('stopped', 'the exchange was stopped'))
    await this.#bitswap.stop()
  }

  createSession({ temperature }: ExchangeSessionOptions): ExchangeSession {
    const hot = temperature === 'hot'
    return {
      fetch: (cid, { signal }) => this.#fetch(cid, { signal, hot }),
      fetchInto: async (cid, { signal, take }) => take(await this.#fetch(cid, { signal, hot }))
    }
  }

  /** Helia has no word for it. */
  windDown(): void {}

  notifyNewBlobs(cids: readonly BlobCid[]): void {
    for (const cid of cids) {
      // A peer that cannot be told asks nobody again: Helia has it so.
      void this.#bitswap.notify(toCid(cid)).catch(() => undefined)
      if (this.#wants.has(cid.key)) void this.#deliverOwn(cid)
    }
  }

  status(): ExchangeStatus {
    return exchangeStatus(this.#metrics.totals, { liveWants: this.#wants.size, rttMs: new Map() })
  }

  wantState(cid: BlobCid): WantState | undefined {
    if (!this.#wants.has(cid.key)) return undefined
    const askedPeers = this.#components.libp2p.getConnections().length
    return { askedPeers, lastAnswerMsAgo: undefined, nextTryMs: undefined }
  }

  async #fetch(cid: BlobCid, { signal, hot }: { readonly signal: AbortSignal; readonly hot: boolean }): Promise<Blob> {
    const ended = AbortSignal.any([signal, this.#stopping.signal])
    ended.throwIfAborted()
    const want = this.#wants.get(cid.key) ?? this.#want(cid, hot)
    want.waiters += 1
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(ended.reason)
    ended.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([want.arrived, aborted])
    } finally {
      ended.removeEventListener('abort', onAbort)
      want.waiters -= 1
      if (want.waiters === 0) this.#end(cid.key, want)
    }
  }

  #want(cid: BlobCid, hot: boolean): Want {
    const { promise: arrived, resolve: deliver } = Promise.withResolvers<Blob>()
    const want = {
      since: this.#components.clock.now(),
      hot,
      arrived,
      deliver,
      ended: new AbortController(),
      waiters: 0
    }
    this.#wants.set(cid.key, want)
    // The block is taken where it is counted; of this only the asking is needed, and its end.
    this.#bitswap.want(toCid(cid), { signal: want.ended.signal }).catch(() => undefined)
    return want
  }

  #end(key: DigestKey, want: Want): void {
    if (this.#wants.get(key) === want) this.#wants.delete(key)
    want.ended.abort()
  }

  async #deliverOwn(cid: BlobCid): Promise<void> {
    const blob = await this.#components.blocks.get(cid).catch(() => undefined)
    if (blob === undefined) return
    this.#wants.get(cid.key)?.deliver(blob)
    this.#wants.delete(cid.key)
  }

  /** Every block that is read, hashed by Helia: the first copy of what is wanted is useful, every other is waste. */
  #block(digest: Uint8Array, bytes: Uint8Array): void {
    const { totals, deliverySeconds } = this.#metrics
    const key = digestKey(digest)
    const want = this.#wants.get(key)
    if (want === undefined) {
      totals.duplicateBytes += bytes.length
      totals.duplicateBlocks += 1
      return
    }
    totals.usefulBytes += bytes.length
    totals.usefulBlocks += 1
    this.#wants.delete(key)
    const waited = (this.#components.clock.now() - want.since) / 1000
    deliverySeconds.observe({ temperature: temperatureOf(want.hot) }, waited)
    // A copy: Helia's block is a part of its message, which may be 4 MiB.
    want.deliver(blobFromHashed(digest, bytes.slice()))
  }

  #count(): void {
    const { totals } = this.#metrics
    const { network, wantList } = this.#bitswap
    network.addEventListener('bitswap:message', () => {
      totals.messagesReceived += 1
    })
    wantList.addEventListener('block', (event) => {
      const { cid, block } = (event as CustomEvent<{ cid: CID; block: Uint8Array }>).detail
      this.#block(cid.multihash.digest, block)
    })
    const send = network.sendMessage.bind(network)
    network.sendMessage = async (peer, message, options) => {
      for (const { wantType, cancel } of message.wantlist.values()) {
        if (cancel === true) totals.wantsCancelled += 1
        else if (wantType !== 'WantHave') totals.wantsSent += 1
      }
      await send(peer, message, options)
      totals.messagesSent += 1
      for (const { data } of message.blocks.values()) {
        totals.sentBytes += data.length
        totals.sentBlocks += 1
      }
    }
  }

  /** libp2p as Helia sees it: its one protocol is this network's. */
  #ownLibp2p(): object {
    const { libp2p } = this.#components
    return {
      handle: async (_: unknown, onStream: OnStream) => {
        this.#onStream = onStream
      },
      unhandle: () => libp2p.unhandle(PROTOCOL),
      register: (_: unknown, topology: Topology) => libp2p.register(PROTOCOL, topology),
      unregister: (id: string) => libp2p.unregister(id),
      getConnections: () => libp2p.getConnections(),
      dialProtocol: async (peer: PeerId, _: unknown, options: object) => {
        const stream = await libp2p.dialProtocol(peer, PROTOCOL, options)
        this.#opened(stream, 'outbound')
        return stream
      }
    }
  }

  #ownBlockstore(): object {
    const { blocks } = this.#components
    const own = (cid: CID): BlobCid => BlobCid.fromDigest(cid.multihash.digest)
    return {
      has: async (cid: CID) => (await blocks.getSize(own(cid))) !== undefined,
      get: async function* (cid: CID) {
        const blob = await blocks.get(own(cid))
        if (blob === undefined) throw Object.assign(new Error(`no ${cid.toString()}`), { name: 'NotFoundError' })
        yield blob.bytes
      }
    }
  }

  #inbound(stream: Stream, connection: Connection): void {
    this.#opened(stream, 'inbound')
    if (this.#onStream === undefined) stream.abort(new Error('not started'))
    else this.#onStream(stream, connection)
  }

  #opened(stream: Stream, direction: 'inbound' | 'outbound'): void {
    const { totals } = this.#metrics
    const [opened, open] =
      direction === 'inbound'
        ? (['streamsInbound', 'openInbound'] as const)
        : (['streamsOutbound', 'openOutbound'] as const)
    totals[opened] += 1
    totals.opened(direction)
    stream.addEventListener(
      'close',
      () => {
        totals[open] -= 1
      },
      { once: true }
    )
  }
}

const silent = Object.assign(() => {}, { error() {}, trace() {}, enabled: false, newScope: () => silent })
const silentLogger = { forComponent: () => silent }
