/**
 * The network around a target of our own: an execution node that makes blocks, the target in its cgroup, and staked peers in the
 * driver. Each block's blobs are also put into what all load peers hold together, as they would be with other access nodes that were
 * faster: whoever the target asks has them.
 */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { Height, NodeIdentity, PeerIdText } from '../../model/index.ts'
import { generateNetworkKey, type NetworkKey, parseIdentities, peerIdOf } from '../../p2p/index.ts'
import { type Clock, type Rng, sleep, systemRng, toHex } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { type FedBlock, Feeder, type Ingest } from '../localnet/feeder.ts'
import type { LabHttp } from '../localnet/http.ts'
import { NodeProcess } from '../localnet/node-process.ts'
import { runArguments } from '../localnet/plan.ts'
import { freePorts } from '../localnet/ports.ts'
import {
  copyHistory,
  type InitNode,
  type PreparedNetwork,
  type PreparedNode,
  prepareNetwork
} from '../localnet/prepare.ts'
import { type BlockSource, gateBlocks, takeBlocks } from '../localnet/source.ts'
import { SYNTHETIC_FIRST_HEIGHT, syntheticSource, type SyntheticShape } from '../localnet/synthetic-source.ts'
import { defaultLocalnetOptions, type LocalnetOptions } from '../options.ts'
import { Announced } from './announced.ts'
import { type Catalogue, carBlobs, type KnownBlob, RecentBlobs } from './blobs.ts'
import type { Cage } from './cage.ts'
import { LoadPeer } from './load-peer.ts'
import type { HammerOptions } from './options.ts'
import { OwnTarget } from './target.ts'
import { Throttle } from './throttle.ts'

export interface ArenaComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly http: LabHttp
  readonly initNode: InitNode
  readonly ingest: Ingest
  readonly launcher: string
  readonly cage: Cage | undefined
  readonly catalogue: Catalogue
  readonly note: (line: string) => void
}

export interface ArenaPlan {
  readonly options: HammerOptions
  /** Staked peers of the target in the driver. */
  readonly peers: number
  /** Further ones behind a slow link. */
  readonly slow: number
  /** Blobs and indexes that the execution node begins with. */
  readonly history?: string
  readonly firstHeight?: Height
}

/** A block that was given to the network, with its blobs. */
export interface MadeBlock {
  readonly height: Height
  readonly blobs: readonly KnownBlob[]
}

/** What load peers hold: some 20 s of a storm's blocks. */
const RECENT_BYTES = 96 * 1_048_576
const SLOW_BYTES_PER_SECOND = 2 * 1_048_576
const CONNECT_LIMIT_MS = 60_000
/** When blocks come as fast as they are taken: so many bytes are given and not yet synced at most, and blocks within these bounds. */
const OPEN_BYTES = 32 * 1_048_576
const OPEN_BLOCKS = { least: 4, most: 512 } as const
const POLL_MS = 10
/** Blocks whose blobs are remembered for when they are announced. */
const KEPT_BLOCKS = 64
const STOP_LIMIT_MS = 40_000

interface LoadIdentity {
  readonly key: NetworkKey
  readonly identity: NodeIdentity
}

export class Arena {
  readonly target: OwnTarget
  readonly execution: NodeProcess
  readonly fed: FedBlock[] = []
  readonly peers: LoadPeer[] = []
  readonly slowPeers: LoadPeer[] = []
  readonly blockList: string
  readonly #announced: Announced
  readonly #components: ArenaComponents
  readonly #plan: ArenaPlan
  readonly #prepared: PreparedNetwork
  readonly #load: readonly LoadIdentity[]
  readonly #identities: readonly NodeIdentity[]
  readonly #recent = new RecentBlobs(RECENT_BYTES)
  readonly #made = new Map<Height, readonly KnownBlob[]>()
  readonly #listeners = new Set<(block: MadeBlock) => void>()
  readonly #announcements = new Set<(block: MadeBlock) => void>()
  #throttle: Throttle | undefined
  #next: Height
  readonly #onExit = (): void => this.#kill()

  private constructor(components: ArenaComponents, plan: ArenaPlan, parts: ArenaParts) {
    this.#components = components
    this.#announced = new Announced(components.clock)
    this.#plan = plan
    this.#prepared = parts.prepared
    this.#load = parts.load
    this.#identities = parts.identities
    this.blockList = parts.prepared.paths.blockList
    this.#next = plan.firstHeight ?? SYNTHETIC_FIRST_HEIGHT
    const [execution, access] = parts.prepared.nodes
    if (execution === undefined || access === undefined) throw new Error('an arena has two nodes')
    this.execution = this.#process(execution)
    const { cage, note } = components
    const { profile, settings } = plan.options
    const planned = { ...access, settings: { profile, ...settings } }
    this.target = new OwnTarget({ node: this.#process(planned, cage?.prefix), cage, note }, { profile })
  }

  /** Makes folders, keys and the identity table; nothing runs yet. To be closed. */
  static async prepare(components: ArenaComponents, plan: ArenaPlan): Promise<Arena> {
    const localnet = localnetOptions(plan)
    const prepared = await prepareNetwork({ rng: systemRng, initNode: components.initNode }, localnet)
    try {
      const [execution] = prepared.nodes
      if (plan.history !== undefined && execution !== undefined) await copyHistory(plan.history, execution.dataDir)
      return new Arena(components, plan, { prepared, ...(await addPeers(prepared, plan.peers + plan.slow)) })
    } catch (error) {
      await prepared.cleanUp()
      throw error
    }
  }

  /** The highest whose announcement has reached the first peer. */
  get heard(): Height | undefined {
    return this.#announced.height
  }

  /** The newest height that was made. */
  get newest(): Height | undefined {
    return this.#next > (this.#plan.firstHeight ?? SYNTHETIC_FIRST_HEIGHT) ? this.#next - 1 : undefined
  }

  get clock(): Clock {
    return this.#components.clock
  }

  identityOf(peer: PeerIdText): NodeIdentity {
    const found = this.#identities.find(({ peerId }) => peerId === peer)
    if (found === undefined) throw new Error(`${peer} is not in the identity table`)
    return found
  }

  /** Starts the processes, then the peers, and waits until all of them are connected with the target. */
  async start({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    process.prependOnceListener('exit', this.#onExit)
    for (const node of [this.execution, this.target.node]) {
      await node.start()
      await node.ready({ signal })
    }
    this.target.keep()
    const { clock, rng } = this.#components
    const target = this.identityOf(this.target.peerId)
    const execution = this.identityOf(this.execution.plan.peerId)
    const throttle = new Throttle({ clock }, { target: target.port, bytesPerSecond: SLOW_BYTES_PER_SECOND })
    if (this.#plan.slow > 0) {
      this.#throttle = throttle
      const port = await throttle.start()
      for (const { key, identity } of this.#load.slice(this.#plan.peers)) {
        // It listens where nobody knows, so that the target cannot go round the slow link.
        const listen = { host: '127.0.0.1', port: 0 }
        const identities = [identity, { ...target, port }]
        const asks = target.peerId
        this.slowPeers.push(
          await LoadPeer.start({ clock, rng }, { key, listen, identities, asks, blobs: this.#recent })
        )
      }
    }
    for (const { key, identity } of this.#load.slice(0, this.#plan.peers)) {
      const known = { identities: [identity, target, execution], asks: target.peerId, blobs: this.#recent }
      const onAnnounced = this.peers.length === 0 ? { onAnnounced: (height: Height) => this.#onAnnounced(height) } : {}
      const options = { key, listen: identity, ...known, ...onAnnounced }
      this.peers.push(await LoadPeer.start({ clock, rng }, options))
    }
    for (const peer of [...this.peers, ...this.slowPeers])
      await peer.connected(this.target.peerId, { limitMs: CONNECT_LIMIT_MS, signal })
    await this.#executionConnected(signal)
  }

  /** Gives the function that ends it. */
  onBlock(listener: (block: MadeBlock) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back for each block in the moment in which its announcement reaches the first peer. Gives the function that ends it. */
  onAnnounced(listener: (block: MadeBlock) => void): () => void {
    this.#announcements.add(listener)
    return () => this.#announcements.delete(listener)
  }

  /**
   * Makes blocks at a rate until `signal` aborts, and never has two of them announced closer: a burst with which a busy driver or execution
   * node catches up would count as the target's being behind. Throws LabError `ingest-failed`.
   */
  async feed(use: { readonly shape: Shape; readonly rate: number; readonly signal: AbortSignal }): Promise<void> {
    const { rate, signal } = use
    const spaced = gateBlocks(this.#source(use.shape), () =>
      this.#announced.before(this.newest, { ms: 1000 / rate, signal })
    )
    await this.#feeder(spaced, { rate, catchUpMs: 0 }).run({ signal })
  }

  /** Makes blocks as fast as the target syncs them: so many, or until `signal` aborts. */
  async push(use: {
    readonly shape: Shape
    readonly blocks?: number
    readonly signal: AbortSignal
    readonly consecutive: () => Height | undefined
  }): Promise<void> {
    const { clock } = this.#components
    const { chunkBytes = [OPEN_BYTES / OPEN_BLOCKS.least] } = use.shape
    const bytes = chunkBytes.reduce((sum, length) => sum + length, 0)
    const open = Math.min(OPEN_BLOCKS.most, Math.max(OPEN_BLOCKS.least, Math.floor(OPEN_BYTES / bytes)))
    const gated: BlockSource = gateBlocks(this.#source(use.shape), async () => {
      while (!use.signal.aborted && this.fed.length > 0) {
        const behind = (this.newest ?? 0) - (use.consecutive() ?? (this.newest ?? 0) - open)
        if (behind < open) return
        await sleep(clock, POLL_MS, use.signal).catch(() => undefined)
      }
    })
    const source = use.blocks === undefined ? gated : takeBlocks(gated, use.blocks)
    await this.#feeder(source, { rate: 1_000 }).run({ signal: use.signal })
  }

  /** Waits until the target has every block that was made. Throws LabError `not-ready`, or the signal's reason. */
  async synced(use: {
    readonly limitMs: number
    readonly signal: AbortSignal
    readonly consecutive: () => Height | undefined
  }): Promise<void> {
    const { clock } = this.#components
    const until = clock.now() + use.limitMs
    while ((use.consecutive() ?? -1) < (this.newest ?? -1)) {
      if (clock.now() > until) {
        const at = `${use.consecutive() ?? '-'} of ${this.newest}`
        throw new LabError('not-ready', `the target is at height ${at} after ${use.limitMs / 1000} s`)
      }
      await sleep(clock, POLL_MS, use.signal)
    }
  }

  /** Blocks that the execution node holds already are listed, which makes it announce them. */
  list(lines: readonly string[], upTo: Height): Promise<void> {
    this.#next = upTo + 1
    return writeFile(this.blockList, `${lines.join('\n')}\n`, { flag: 'a' })
  }

  async close(): Promise<readonly string[]> {
    const reasons: string[] = []
    for (const peer of [...this.peers, ...this.slowPeers]) await peer.stop().catch(() => undefined)
    await this.#throttle?.stop()
    const late = (node: NodeProcess): { cancel(): void } =>
      this.#components.clock.setTimer(STOP_LIMIT_MS, () => {
        reasons.push(`${node.plan.name} did not stop in time and was killed`)
        node.end('SIGKILL')
      })
    const timers = [late(this.target.node), late(this.execution)]
    await this.target.release()
    await this.target.node.ended()
    this.execution.end('SIGTERM')
    await this.execution.ended()
    for (const timer of timers) timer.cancel()
    process.off('exit', this.#onExit)
    await this.#prepared.cleanUp()
    return reasons
  }

  #process(plan: PreparedNode, prefix?: readonly string[]): NodeProcess {
    const { clock, http, launcher } = this.#components
    const shared = {
      options: localnetOptions(this.#plan),
      paths: this.#prepared.paths,
      firstHeight: this.#plan.firstHeight ?? SYNTHETIC_FIRST_HEIGHT
    }
    return new NodeProcess(
      { clock, http },
      { plan, launch: { launcher, args: runArguments(plan, shared), ...(prefix === undefined ? {} : { prefix }) } }
    )
  }

  #source(shape: Shape): BlockSource {
    const { seed } = this.#plan.options
    const inner = syntheticSource({ ...shape, seed: seed + this.#next, atOnce: true }, this.#next)
    const made = this.#made
    const recent = this.#recent
    return {
      ...inner,
      async *blocks() {
        for await (const block of inner.blocks()) {
          const blobs = carBlobs(block.car)
          for (const blob of blobs) recent.put(blob)
          made.set(
            block.height,
            blobs.map(({ cid, bytes }) => ({ cid, size: bytes.length }))
          )
          yield block
        }
      }
    }
  }

  #feeder(source: BlockSource, pace: { readonly rate: number; readonly catchUpMs?: number }): Feeder {
    const { clock, ingest } = this.#components
    const targets = (): NodeProcess[] => (this.execution.answering ? [this.execution] : [])
    const onBlock = (fed: readonly FedBlock[]): void => this.#onFed(fed.at(-1))
    return new Feeder({ clock, ingest, targets, onBlock }, { source, blockList: this.blockList, ...pace })
  }

  #onFed(block: FedBlock | undefined): void {
    if (block === undefined) return
    const blobs = this.#made.get(block.height) ?? []
    for (const height of this.#made.keys()) if (height <= block.height - KEPT_BLOCKS) this.#made.delete(height)
    this.#next = block.height + 1
    this.fed.push(block)
    this.#components.catalogue.add(block.height, blobs)
    const cids = blobs.map(({ cid }) => cid)
    for (const peer of [...this.peers, ...this.slowPeers]) peer.exchange.notifyNewBlobs(cids)
    for (const listener of this.#listeners) listener({ height: block.height, blobs })
  }

  #onAnnounced(height: Height): void {
    this.#announced.add(height)
    const blobs = this.#made.get(height)
    if (blobs !== undefined) for (const listener of this.#announcements) listener({ height, blobs })
  }

  async #executionConnected(signal: AbortSignal): Promise<void> {
    const { clock } = this.#components
    const until = clock.now() + CONNECT_LIMIT_MS
    const wanted = 1 + this.#plan.peers + this.#plan.slow
    while ((await this.target.status({ signal }).catch(() => undefined))?.connections !== wanted) {
      if (clock.now() > until) throw new LabError('not-ready', 'the execution node is not connected with the target')
      await sleep(clock, POLL_MS * 5, signal)
    }
  }

  #kill(): void {
    this.target.node.end('SIGKILL')
    this.execution.end('SIGKILL')
  }
}

/** What blocks look like; without a blob size they are of mixed sizes. */
export type Shape = Omit<SyntheticShape, 'seed'>

interface ArenaParts {
  readonly prepared: PreparedNetwork
  readonly load: readonly LoadIdentity[]
  readonly identities: readonly NodeIdentity[]
}

function localnetOptions({ options }: ArenaPlan): LocalnetOptions {
  const { seed, out } = options
  return { ...defaultLocalnetOptions, execution: 1, access: 1, seed, ...(out === undefined ? {} : { out }) }
}

/** Puts so many access nodes more into the identity table, which live in the driver. */
async function addPeers(prepared: PreparedNetwork, count: number): Promise<Omit<ArenaParts, 'prepared'>> {
  const ports = await freePorts(count, systemRng)
  const { identities: path } = prepared.paths
  const entries = JSON.parse(await readFile(path, 'utf8')) as unknown[]
  const keys = ports.map((port) => {
    const key = generateNetworkKey()
    const { point } = key.publicKey
    entries.push({
      Role: 'access',
      Address: `127.0.0.1:${port}`,
      NodeID: createHash('sha256').update(point).digest('hex'),
      NetworkPubKey: toHex(point)
    })
    return key
  })
  const text = JSON.stringify(entries, null, 2)
  await writeFile(path, `${text}\n`)
  const identities = parseIdentities(text, path)
  const load = keys.map((key) => {
    const identity = identities.find(({ peerId }) => peerId === peerIdOf(key))
    if (identity === undefined) throw new Error('a key that was put into the identity table is not there')
    return { key, identity }
  })
  return { load, identities }
}
