/**
 * A node's network side, driven by JSON lines: the p2p host with a P-256 identity, the exchange, blobs in memory. What a blob
 * goes through is what it goes through in a node, but for the disk: fetch, verify, store, tell the exchange.
 */
import { createHash } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Registry } from 'prom-client'
import { createBudgetMetrics, defaultBudgetOptions, type MemoryAccount, MemoryBudget } from '#src/budget/index.ts'
import {
  createExchange,
  type Exchange,
  EXECUTION_DATA_PREFIX,
  Libp2pNetwork,
  type PeerDirectory,
  PUBLIC_EXECUTION_DATA_PREFIX
} from '#src/exchange/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import { type Blob, BlobCid, blobOf, type DigestKey, type ExecutionDataId, type PeerIdText } from '#src/model/index.ts'
import {
  createGuestMetrics,
  createHost,
  createP2pMetrics,
  defaultGuestOptions,
  defaultHostOptions,
  generateNetworkKey,
  generateObserverKey,
  GuestGater,
  GuestTable,
  type Host,
  type HostComponents,
  type HostTable,
  IdentityTable,
  type P2pMetrics,
  parseIdentities
} from '#src/p2p/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import { sleep, systemClock, systemRng, toHex } from '#src/util/index.ts'
import type { ListenInput, NodeAddress, PutInput, StatsOutput, WantInput, WantOutput } from './commands.ts'
import { type Command, monotonicMs } from './line-protocol.ts'
import { testBytes } from './test-blobs.ts'

const CONNECT_LIMIT_MS = 60_000
const BITSWAP = '/ipfs/bitswap'

/** Blobs in memory: all, or the newest few; and such that are made anew for every reader. */
class PeerBlobs {
  readonly #store = new MemoryBlockstore()
  readonly #onDemand = new Map<DigestKey, { readonly seed: number; readonly size: number }>()
  readonly #keep: number
  readonly #order: BlobCid[] = []

  constructor(keep: number) {
    this.#keep = keep
  }

  async put(blob: Blob): Promise<void> {
    if (this.#keep === 0) return
    await this.#store.put(blob)
    if (this.#keep === Number.POSITIVE_INFINITY) return
    this.#order.push(blob.cid)
    const oldest = this.#order.length > this.#keep ? this.#order.shift() : undefined
    if (oldest !== undefined) await this.#store.deleteMany([oldest])
  }

  putOnDemand(cid: BlobCid, seed: number, size: number): void {
    this.#onDemand.set(cid.key, { seed, size })
  }

  async has(cid: BlobCid): Promise<boolean> {
    return this.#onDemand.has(cid.key) || (await this.#store.has(cid))
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#onDemand.get(cid.key)?.size ?? (await this.#store.getSize(cid))
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    const made = this.#onDemand.get(cid.key)
    // The bytes were hashed when the blob was put; they are the same every time.
    if (made !== undefined) return { cid, bytes: testBytes(made.seed, made.size) } as Blob
    return this.#store.get(cid)
  }
}

/** An account that remembers the most it has held. */
class PeakAccount implements MemoryAccount {
  readonly #inner: MemoryAccount
  peakBytes = 0

  constructor(inner: MemoryAccount) {
    this.#inner = inner
  }

  get name(): string {
    return this.#inner.name
  }

  get capBytes(): number {
    return this.#inner.capBytes
  }

  get reservedBytes(): number {
    return this.#inner.reservedBytes
  }

  tryReserve(bytes: number): boolean {
    const reserved = this.#inner.tryReserve(bytes)
    this.peakBytes = Math.max(this.peakBytes, this.#inner.reservedBytes)
    return reserved
  }

  release(bytes: number): void {
    this.#inner.release(bytes)
  }
}

interface Running {
  readonly host: Host
  readonly exchange: Exchange
  readonly blobs: PeerBlobs
  readonly send: PeakAccount
  readonly table: HostTable
  /** Peers disconnected so far, by reason. */
  readonly cooldowns: () => Promise<Readonly<Record<string, number>>>
}

const table = new IdentityTable([])
const guests = new GuestTable()
let strangers: PeerDirectory = { access: [], execution: [] }
const wants = new Map<number, AbortController>()
const loop = monitorEventLoopDelay({ resolution: 20 })
let running: Running | undefined

/** The node, once it listens. */
export function peer(): Running {
  if (running === undefined) throw new Error('listen first')
  return running
}

async function listen(input: ListenInput): Promise<object> {
  const register = new Registry()
  const common = { clock: systemClock, rng: systemRng }
  const isPlain = input.channel === 'plain'
  const identity = isPlain ? anonymous(register) : staked()
  const metrics = createP2pMetrics(register)
  const host = await createHost(
    { ...common, ...identity, log: silentLogger, metrics },
    { ...defaultHostOptions, security: input.security ?? 'both', wideWindows: input.policy !== 'classic' }
  )
  const channel = isPlain ? '' : input.channel === 'public' ? PUBLIC_EXECUTION_DATA_PREFIX : EXECUTION_DATA_PREFIX
  const network = new Libp2pNetwork(
    {
      libp2p: host.libp2p,
      onPenalty: (id, reason) => {
        process.stderr.write(`${host.peerId} penalised ${id}: ${reason}\n`)
        host.peers.coolDown(id, reason)
      }
    },
    { protocolPrefix: channel }
  )
  await network.register()
  const budget = new MemoryBudget({ metrics: createBudgetMetrics(register) }, defaultBudgetOptions)
  const blobs = new PeerBlobs(input.keep ?? Number.POSITIVE_INFINITY)
  const send = new PeakAccount(budget.account('send'))
  const exchange = createExchange(
    {
      ...common,
      network,
      blocks: blobs,
      requestFilter: (id) => (isPlain ? guests.isAdmitted(id) : table.mayRequest(id)),
      peerDirectory: isPlain ? () => strangers : directory(),
      selfPeer: host.peerId,
      logger: silentLogger,
      register,
      channel,
      receiveAccount: budget.account('receive'),
      sendAccount: send
    },
    {
      policy: input.policy ?? 'assigned',
      ...(input.forgiving === true ? { client: { unsolicitedBytes: Number.MAX_SAFE_INTEGER } } : {})
    }
  )
  await host.start()
  await exchange.start()
  loop.enable()
  running = { host, exchange, blobs, send, table: identity.table, cooldowns: () => cooldownsOf(metrics) }
  return {
    peerId: host.peerId,
    publicKey: toHex(identity.point),
    port: Number(/\/tcp\/(\d+)/.exec(host.addresses()[0] ?? '')?.[1]),
    version: ''
  }
}

async function cooldownsOf({ cooldowns }: P2pMetrics): Promise<Record<string, number>> {
  const { values } = await cooldowns.get()
  return Object.fromEntries(values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.reason, value]))
}

/** As a staked node has it. */
function staked() {
  const key = generateNetworkKey()
  return { key, table, point: key.publicKey.point }
}

/** As an access node has its public host: with a key that every libp2p reads, for whoever comes. */
function anonymous(register: Registry) {
  const key = generateObserverKey()
  const metrics = createGuestMetrics(register)
  const gater: HostComponents['gater'] = (cooldowns) =>
    new GuestGater({ table: guests, cooldowns, clock: systemClock, metrics }, defaultGuestOptions)
  return { key, table: guests, gater, point: key.point }
}

/** The same object until the table changes. */
function directory(): () => PeerDirectory {
  const read = (): PeerDirectory => ({
    access: table.accessPeers.map((identity) => identity.peerId),
    execution: table.executionPeers.map((identity) => identity.peerId)
  })
  let current = read()
  table.onChange(() => {
    current = read()
  })
  return () => current
}

/** Takes the nodes for the staked set; ends when all of them are connected. */
async function connect({ nodes }: { readonly nodes: readonly NodeAddress[] }): Promise<object> {
  if (guests === peer().table) return meet(nodes)
  const entries = nodes.map(({ publicKey, role, port }) => ({
    Role: role,
    Address: `127.0.0.1:${port}`,
    NodeID: createHash('sha256').update(publicKey).digest('hex'),
    NetworkPubKey: publicKey
  }))
  table.replace(parseIdentities(JSON.stringify(entries)))
  const deadline = monotonicMs() + CONNECT_LIMIT_MS
  for (;;) {
    const statuses = peer().host.peerStatuses()
    if (statuses.length >= nodes.length - 1 && statuses.every(({ connected }) => connected)) {
      return { connections: statuses.length }
    }
    if (monotonicMs() > deadline) {
      throw new Error(`${statuses.filter(({ connected }) => !connected).length} peers are not connected`)
    }
    await sleep(systemClock, 10)
  }
}

/** Nobody is dialled: ends when all the others have come. */
async function meet(nodes: readonly NodeAddress[]): Promise<object> {
  const others = nodes.map(({ peerId }) => peerId as PeerIdText).filter((id) => id !== peer().host.peerId)
  strangers = { access: others, execution: [] }
  while (!others.every((id) => guests.isAdmitted(id))) await sleep(systemClock, 10)
  return { connections: others.length }
}

async function put({ from, count, size, onDemand }: PutInput): Promise<object> {
  const { blobs } = peer()
  const cids: string[] = []
  for (let seed = from; seed < from + count; seed += 1) {
    const blob = blobOf(testBytes(seed, size))
    if (onDemand === true) blobs.putOnDemand(blob.cid, seed, size)
    else await blobs.put(blob)
    cids.push(blob.cid.toExecutionDataId())
  }
  return { cids }
}

const parse = (digest: string): BlobCid => BlobCid.fromExecutionDataId(digest as ExecutionDataId)

function announce({ cids }: { readonly cids: readonly string[] }): object {
  peer().exchange.notifyNewBlobs(cids.map(parse))
  return {}
}

async function want(input: WantInput, id: number): Promise<WantOutput> {
  const { exchange, blobs } = peer()
  const startedAt = monotonicMs()
  const controller = new AbortController()
  wants.set(id, controller)
  const session = exchange.createSession({
    temperature: input.hot === true ? 'hot' : 'cold',
    origins: (input.origins ?? []) as readonly PeerIdText[]
  })
  const cids = input.cids.map(parse)
  const storedAt = cids.map(() => 0)
  const fetchOne = async (at: number): Promise<void> => {
    const cid = cids[at] as BlobCid
    await session.fetchInto(cid, { signal: controller.signal, take: (blob) => blobs.put(blob) })
    exchange.notifyNewBlobs([cid])
    storedAt[at] = monotonicMs()
  }
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < cids.length) await fetchOne(next++)
  }
  try {
    await Promise.all(Array.from({ length: Math.min(input.inFlight ?? cids.length, cids.length) }, worker))
  } finally {
    wants.delete(id)
  }
  return { startedAt, storedAt }
}

/** Breaks every connection off, as a link that fails does; they are dialled again by themselves. */
function cut(): object {
  const connections = peer().host.libp2p.getConnections()
  for (const connection of connections) connection.abort(new Error('cut'))
  return { cut: connections.length }
}

function cancel({ want: id }: { readonly want: number }): object {
  const controller = wants.get(id)
  controller?.abort(new Error('cancelled'))
  return { found: controller !== undefined }
}

async function held({ cids }: { readonly cids: readonly string[] }): Promise<object> {
  const found = await Promise.all(cids.map((digest) => peer().blobs.has(parse(digest))))
  return { held: found.filter(Boolean).length }
}

/** SHA-256 of the stored bytes, one blob after the other. */
async function sum({ cids }: { readonly cids: readonly string[] }): Promise<object> {
  const hash = createHash('sha256')
  for (const digest of cids) {
    const blob = await peer().blobs.get(parse(digest))
    if (blob === undefined) throw new Error(`${digest} is not stored`)
    hash.update(blob.bytes)
  }
  return { sha256: hash.digest('hex') }
}

async function stats(): Promise<StatsOutput & { readonly liveWants: number; readonly wantsTimedOut: number }> {
  const { exchange, host, send, cooldowns } = peer()
  const status = exchange.status()
  const perPeer = new Map<string, number>()
  for (const connection of host.libp2p.getConnections()) {
    const own = connection.streams.filter((stream) => stream.protocol?.includes(BITSWAP)).length
    const id = connection.remotePeer.toString()
    perPeer.set(id, (perPeer.get(id) ?? 0) + own)
  }
  const lag = loop.percentile(99) / 1e6
  loop.reset()
  return {
    payloadBytes: status.payloadBytes,
    blobs: status.blobs,
    wants: { sent: status.wants.sent, cancelled: status.wants.cancelled },
    messages: status.messages,
    streams: {
      opened: status.streams.opened,
      open: status.streams.open,
      openPerPeer: Math.max(0, ...perPeer.values())
    },
    liveWants: status.wants.live,
    wantsTimedOut: status.wants.timedOut,
    sendBytesPeak: send.peakBytes,
    loopLagP99Ms: lag,
    cooldowns: await cooldowns()
  }
}

/** What a peer answers to; see README.md. */
export const commands: Readonly<Record<string, Command>> = {
  listen,
  connect,
  put,
  announce,
  want,
  cancel,
  cut,
  held,
  sum,
  stats
}

export async function close(): Promise<void> {
  loop.disable()
  await running?.exchange.stop()
  await running?.host.stop()
}
