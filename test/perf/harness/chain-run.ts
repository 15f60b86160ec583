import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LabHttp } from '#src/lab/localnet/http.ts'
import type { NodeProcess } from '#src/lab/localnet/node-process.ts'
import { freePorts } from '#src/lab/localnet/ports.ts'
import { systemRng } from '#src/util/index.ts'
import type { Progress } from './bench.ts'
import { type ChainHolders, NodeHolders, PeerHolders } from './chain-holders.ts'
import { type ChainNode, type ChainSettings, empty, endAll, initNode, nodeProcess, pause } from './chain-nodes.ts'
import { makeChain, type MadeChain } from './chain-source.ts'
import { followToEnd } from './chain-watch.ts'
import type { Contender } from './contender.ts'
import type { Figures } from './report.ts'

const START_LIMIT_MS = 60_000
/** Nothing of a chain of some hundred MB takes so long. */
const SYNC_LIMIT_MS = 300_000

export interface ChainPlan {
  readonly holders: number
  readonly blocks: number
  readonly security: 'tls' | 'noise'
  /** Who holds the chain, where it is not nodes of the product's own. */
  readonly heldBy?: Contender
}

/** Where the syncing node learns of the blocks: announcements carry the CIDs of each tree, a list names its root alone. */
export const FEEDS = ['announcements', 'list'] as const
export type ChainFeed = (typeof FEEDS)[number]

interface Parts {
  readonly settings: ChainSettings
  readonly chain: MadeChain
  readonly follower: ChainNode
  readonly holders: ChainHolders
}

/**
 * A network of real processes on disk: holders of a chain, and a node of the product's own that has nothing. Each `run` empties
 * that node and lets it sync from the first block to the last; the holders go on meanwhile.
 */
export class ChainNetwork {
  readonly chain: MadeChain
  readonly #parts: Parts
  readonly #plan: ChainPlan

  private constructor(plan: ChainPlan, parts: Parts) {
    this.#plan = plan
    this.#parts = parts
    this.chain = parts.chain
  }

  /** Makes the chain, the nodes' folders and their keys, and starts the holders. To be closed. */
  static async prepare(plan: ChainPlan, progress: Progress): Promise<ChainNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'sealsync-chain-'))
    const http = new LabHttp()
    try {
      return new ChainNetwork(plan, await makeParts(plan, { directory, http }, progress))
    } catch (error) {
      http.close()
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  /** `checks`: whether the node decodes every block before it counts. */
  async run(feed: ChainFeed, checks: boolean): Promise<Figures> {
    const { settings, chain, follower: node, holders } = this.#parts
    const list = join(settings.directory, 'given.jsonl')
    await writeFile(list, '')
    await empty(node)
    const follower = nodeProcess(settings, {
      node,
      feed: feed === 'list' ? `file:${list}` : 'announcements',
      flags: { '--check-content': checks ? 'all' : 'none' }
    })
    try {
      const starting = AbortSignal.timeout(START_LIMIT_MS)
      await follower.start()
      await follower.ready({ signal: starting })
      const { peerId, port, entry } = node
      await holders.meet({ peerId, port, publicKey: entry.NetworkPubKey, role: 'access' })
      if (feed === 'list') await connected(follower, this.#plan.holders, starting)
      const lines = feed === 'list' ? await readFile(chain.blockList) : ''
      return await followToEnd(
        { follower, holderPids: holders.pids, chain },
        { signal: AbortSignal.timeout(SYNC_LIMIT_MS), begin: () => appendFile(list, lines) }
      )
    } finally {
      await endAll([follower])
    }
  }

  async close(): Promise<void> {
    const { settings, holders } = this.#parts
    await holders.end()
    settings.http.close()
    await rm(settings.directory, { recursive: true, force: true })
  }
}

async function makeParts(
  plan: ChainPlan,
  { directory, http }: { readonly directory: string; readonly http: LabHttp },
  progress: Progress
): Promise<Parts> {
  progress(`making ${plan.blocks} blocks`)
  const chain = await makeChain(directory, plan.blocks)
  progress(`${chain.blobs} blobs, ${(chain.bytes / 1e6).toFixed(0)} MB, for ${plan.holders} holders`)
  const identities = join(directory, 'identities.json')
  const settings = { directory, identities, http, first: chain.first, security: plan.security }
  const [port = 0, ...ports] = await freePorts(plan.holders + 1, systemRng)
  const follower = await initNode(directory, { name: 'follower', role: 'access', port })
  const known = async (entries: readonly unknown[]): Promise<void> =>
    writeFile(identities, JSON.stringify([...entries, follower.entry]))
  if (plan.heldBy !== undefined) {
    const holders = await PeerHolders.start(plan.heldBy, { ...plan, chain })
    await known(holders.entries)
    return { settings, chain, follower, holders }
  }
  const nodes: ChainNode[] = []
  for (const [at, port] of ports.entries()) {
    nodes.push(await initNode(directory, { name: `holder-${at + 1}`, role: 'execution', port }))
  }
  await known(nodes.map(({ entry }) => entry))
  const holders = await NodeHolders.start(settings, { nodes, chain }, AbortSignal.timeout(START_LIMIT_MS))
  return { settings, chain, follower, holders }
}

async function connected(node: NodeProcess, peers: number, signal: AbortSignal): Promise<void> {
  while ((await node.status({ signal })).connections < peers) await pause(signal)
}
