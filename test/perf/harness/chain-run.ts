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
 * nothing. Each `run` empties that node and lets it sync from the first block to the last.
 */
export class ChainNetwork {
  readonly #plan: ChainPlan
  readonly #directory: string
  readonly #chain: MadeChain
  readonly #holders: readonly ChainNode[]
  readonly #follower: ChainNode

  private constructor(
    plan: ChainPlan,
    made: { directory: string; chain: MadeChain; holders: readonly ChainNode[]; follower: ChainNode }
  ) {
    this.#plan = plan
    this.#directory = made.directory
    this.#chain = made.chain
    this.#holders = made.holders
    this.#follower = made.follower
  }

  /** Makes the chain, the nodes' folders and their keys. To be closed. */
  static async prepare(plan: ChainPlan, progress: Progress): Promise<ChainNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'sealsync-chain-'))
    try {
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
      for (const { dataDir } of others) {
        for (const part of ['blobs', 'db']) {
          await rm(join(dataDir, part), { recursive: true, force: true })
          await cp(join(first.dataDir, part), join(dataDir, part), { recursive: true })
        }
      }
      await rm(chain.cars, { recursive: true })
      return new ChainNetwork(plan, { directory, chain, holders: [first, ...others], follower })
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  get chain(): MadeChain {
    return this.#chain
  }

  async run(feed: ChainFeed): Promise<Figures> {
    const http = new LabHttp()
    const list = join(this.#directory, 'given.jsonl')
    await writeFile(list, '')
    for (const part of ['blobs', 'db']) await rm(join(this.#follower.dataDir, part), { recursive: true, force: true })
    const holders = this.#holders.map((node) => this.#process(http, node, `file:${this.#chain.blockList}`))
    const follower = this.#process(http, this.#follower, feed === 'list' ? `file:${list}` : 'announcements')
    const all = [...holders, follower]
    try {
      await within(START_LIMIT_MS, async (signal) => {
        for (const holder of holders) {
          await holder.start()
          await holder.ready({ signal })
        }
        await announced(holders, this.#chain.last, signal)
        await follower.start()
        await follower.ready({ signal })
        if (feed === 'list') await connected(follower, holders.length, signal)
      })
      const lines = feed === 'list' ? await readFile(this.#chain.blockList) : undefined
      return await within(SYNC_LIMIT_MS, (signal) =>
        followToEnd({ follower, holders, chain: this.#chain }, { signal, begin: () => appendFile(list, lines ?? '') })
      )
    } finally {
      for (const node of all) node.end('SIGTERM')
      await Promise.all(all.map((node) => node.ended()))
      http.close()
    }
  }

  async close(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true })
  }

  #process(http: LabHttp, node: ChainNode, feed: string): NodeProcess {
    const { name, role, dataDir, peerId, port } = node
    const address = `127.0.0.1:${port}`
    const flags = {
      '--data-dir': dataDir,
      '--role': role,
      '--identities': join(this.#directory, 'identities.json'),
      '--p2p-address': address,
      '--metrics-address': '127.0.0.1:0',
      '--api-address': '127.0.0.1:0',
      '--security': this.#plan.security,
      '--start-height': String(this.#chain.first),
      '--log-format': 'json'
    }
    return new NodeProcess(
      { clock: systemClock, http },
      {
        plan: {
          ...{ name, role, dataDir, peerId, routing: 'none', policy: 'assigned', fault: 'none' },
          public: undefined,
          ...{ listenAddress: address, dialAddress: address, logFile: join(this.#directory, `${name}.log`) }
        },
        launch: {
          launcher: LAUNCHER,
          args: [
            'run',
            '--feed',
            feed,
            ...(feed.startsWith('file:') ? ['--follow'] : []),
            ...Object.entries(flags).flat()
          ]
        }
      }
    )
  }
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

async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return work(AbortSignal.timeout(ms))
}

async function sealsync(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...args], { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}
