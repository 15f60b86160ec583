import { execFile } from 'node:child_process'
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LabHttp } from '#src/lab/localnet/http.ts'
import { NodeProcess } from '#src/lab/localnet/node-process.ts'
import { freePorts } from '#src/lab/localnet/ports.ts'
import type { NodeRole, PeerIdText } from '#src/model/index.ts'
import { systemClock, systemRng } from '#src/util/index.ts'
import { makeChain, type MadeChain } from './chain-source.ts'
import type { Progress } from './bench.ts'
import { followToEnd } from './chain-watch.ts'
import type { Figures } from './report.ts'

const LAUNCHER = fileURLToPath(new URL('../../../bin/sealsync.mjs', import.meta.url))
/** What a data directory has beside its keys. */
const DATA = ['blobs', 'db']
const START_LIMIT_MS = 60_000
/** Nothing of a chain of some hundred MB takes so long. */
const SYNC_LIMIT_MS = 300_000

export interface ChainPlan {
  readonly holders: number
  readonly blocks: number
  readonly security: 'tls' | 'noise'
}

/** Where the syncing node learns of the blocks: announcements carry the CIDs of each tree, a list names its root alone. */
export const FEEDS = ['announcements', 'list'] as const
export type ChainFeed = (typeof FEEDS)[number]

interface ChainNode {
  readonly name: string
  readonly role: NodeRole
  readonly dataDir: string
  readonly port: number
  readonly peerId: PeerIdText
  readonly entry: unknown
}

/**
 * A network of the product's own processes on disk: holders that have imported a chain and announce it, and a node that has
 * nothing. Each `run` empties that node and lets it sync from the first block to the last; the holders go on meanwhile.
 */
export class ChainNetwork {
  readonly chain: MadeChain
  readonly #directory: string
  readonly #http: LabHttp
  readonly #holders: readonly NodeProcess[]
  readonly #follower: ChainNode
  readonly #plan: ChainPlan

  private constructor(plan: ChainPlan, made: Made, holders: readonly NodeProcess[]) {
    this.#plan = plan
    this.chain = made.chain
    this.#directory = made.directory
    this.#http = made.http
    this.#holders = holders
    this.#follower = made.follower
  }

  /** Makes the chain, the nodes' folders and their keys, and starts the holders. To be closed. */
  static async prepare(plan: ChainPlan, progress: Progress): Promise<ChainNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'sealsync-chain-'))
    const started: NodeProcess[] = []
    try {
      const { holders, ...made } = await makeNodes(plan, directory, progress)
      for (const node of holders) started.push(nodeProcess(plan, made, { node, feed: `file:${made.chain.blockList}` }))
      const signal = AbortSignal.timeout(START_LIMIT_MS)
      for (const holder of started) {
        await holder.start()
        await holder.ready({ signal })
      }
      await announced(started, made.chain.last, signal)
      return new ChainNetwork(plan, made, started)
    } catch (error) {
      await endAll(started)
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  async run(feed: ChainFeed): Promise<Figures> {
    const list = join(this.#directory, 'given.jsonl')
    await writeFile(list, '')
    await empty(this.#follower)
    const made = { directory: this.#directory, chain: this.chain, http: this.#http }
    const node = this.#follower
    const follower = nodeProcess(this.#plan, made, { node, feed: feed === 'list' ? `file:${list}` : 'announcements' })
    try {
      const starting = AbortSignal.timeout(START_LIMIT_MS)
      await follower.start()
      await follower.ready({ signal: starting })
      if (feed === 'list') await connected(follower, this.#holders.length, starting)
      const lines = feed === 'list' ? await readFile(this.chain.blockList) : ''
      return await followToEnd(
        { follower, holders: this.#holders, chain: this.chain },
        { signal: AbortSignal.timeout(SYNC_LIMIT_MS), begin: () => appendFile(list, lines) }
      )
    } finally {
      await endAll([follower])
    }
  }

  async close(): Promise<void> {
    await endAll(this.#holders)
    this.#http.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

interface Made {
  readonly directory: string
  readonly chain: MadeChain
  readonly http: LabHttp
  readonly follower: ChainNode
}

async function makeNodes(
  plan: ChainPlan,
  directory: string,
  progress: Progress
): Promise<Made & { readonly holders: readonly ChainNode[] }> {
  progress(`making ${plan.blocks} blocks`)
  const chain = await makeChain(directory, plan.blocks)
  const ports = await freePorts(plan.holders + 1, systemRng)
  const nodes: ChainNode[] = []
  for (const [at, port] of ports.entries()) nodes.push(await initNode(directory, at < plan.holders, { at, port }))
  await writeFile(join(directory, 'identities.json'), JSON.stringify(nodes.map(({ entry }) => entry)))
  const follower = nodes.at(-1)
  const [first, ...others] = nodes.slice(0, -1)
  if (first === undefined || follower === undefined) throw new Error('a chain needs a holder')
  progress(`importing ${chain.blobs} blobs, ${(chain.bytes / 1e6).toFixed(0)} MB`)
  await sealsync('import', chain.cars, '--data-dir', first.dataDir, '--feed', `file:${chain.blockList}`)
  for (const other of others) {
    await empty(other)
    for (const part of DATA) await cp(join(first.dataDir, part), join(other.dataDir, part), { recursive: true })
  }
  await rm(chain.cars, { recursive: true })
  return { directory, chain, http: new LabHttp(), holders: [first, ...others], follower }
}

async function empty({ dataDir }: ChainNode): Promise<void> {
  for (const part of DATA) await rm(join(dataDir, part), { recursive: true, force: true })
}

async function endAll(nodes: readonly NodeProcess[]): Promise<void> {
  for (const node of nodes) node.end('SIGTERM')
  await Promise.all(nodes.map((node) => node.ended()))
}

function nodeProcess(
  plan: ChainPlan,
  made: Omit<Made, 'follower'>,
  { node, feed }: { readonly node: ChainNode; readonly feed: string }
): NodeProcess {
  const { name, role, dataDir, peerId, port } = node
  const address = `127.0.0.1:${port}`
  const flags = {
    '--data-dir': dataDir,
    '--role': role,
    '--identities': join(made.directory, 'identities.json'),
    '--p2p-address': address,
    '--metrics-address': '127.0.0.1:0',
    '--api-address': '127.0.0.1:0',
    '--security': plan.security,
    '--start-height': String(made.chain.first),
    '--log-format': 'json'
  }
  const follow = feed.startsWith('file:') ? ['--follow'] : []
  return new NodeProcess(
    { clock: systemClock, http: made.http },
    {
      plan: {
        ...{ name, role, dataDir, peerId, routing: 'none', policy: 'assigned', fault: 'none' },
        ...{ settings: {}, arm: 'a' },
        public: undefined,
        ...{ listenAddress: address, dialAddress: address, logFile: join(made.directory, `${name}.log`) }
      },
      launch: { launcher: LAUNCHER, args: ['run', '--feed', feed, ...follow, ...Object.entries(flags).flat()] }
    }
  )
}

async function initNode(
  directory: string,
  holds: boolean,
  { at, port }: { readonly at: number; readonly port: number }
): Promise<ChainNode> {
  const role = holds ? 'execution' : 'access'
  const name = holds ? `holder-${at + 1}` : 'follower'
  const dataDir = join(directory, name)
  await mkdir(dataDir)
  const entry = JSON.parse(
    await sealsync('init', '--data-dir', dataDir, '--role', role, '--address', `127.0.0.1:${port}`, '--json')
  ) as unknown
  const { peerId } = JSON.parse(await sealsync('identity', '--data-dir', dataDir, '--json')) as { peerId: PeerIdText }
  return { name, role, dataDir, port, peerId, entry }
}

/** Until each holder has found all of its blocks: what a syncing node then asks for is there. */
async function announced(holders: readonly NodeProcess[], last: number, signal: AbortSignal): Promise<void> {
  for (const holder of holders) {
    while ((await holder.status({ signal })).heights.consecutive !== last) await pause(signal)
  }
}

async function connected(node: NodeProcess, peers: number, signal: AbortSignal): Promise<void> {
  while ((await node.status({ signal })).connections < peers) await pause(signal)
}

async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise((resolve) => setTimeout(resolve, 50))
}

async function sealsync(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...args], { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}
