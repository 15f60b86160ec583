import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NodeProcess } from '#src/lab/localnet/node-process.ts'
import type { Height } from '#src/model/index.ts'
import type { ListenOutput, NodeAddress } from '../peers/commands.ts'
import { type ChainNode, type ChainSettings, DATA, empty, endAll, nodeProcess, pause, sealsync } from './chain-nodes.ts'
import type { MadeChain } from './chain-source.ts'
import type { Contender } from './contender.ts'
import { PeerProcess } from './peer-process.ts'

/**
 * Holders give way to the node that is measured, as if they were on machines of their own: four of them would else have four times its
 * share of the cores. A third of the usual weight each; with much less they come too late where the machine has other work.
 */
const NICE = 5
const GIVE_WAY = ['nice', '-n', String(NICE)] as const

/** Whoever holds a chain, each in a process of its own. */
export interface ChainHolders {
  readonly pids: readonly number[]
  /** Told of a syncing node that listens now. */
  meet(node: NodeAddress): Promise<void>
  end(): Promise<void>
}

/** Nodes of the product's own, which have imported the chain and announce it. */
export class NodeHolders implements ChainHolders {
  readonly #nodes: readonly NodeProcess[]

  private constructor(nodes: readonly NodeProcess[]) {
    this.#nodes = nodes
  }

  static async start(
    settings: ChainSettings,
    { nodes, chain }: { readonly nodes: readonly ChainNode[]; readonly chain: MadeChain },
    signal: AbortSignal
  ): Promise<NodeHolders> {
    await imported(nodes, chain)
    const started: NodeProcess[] = []
    try {
      const feed = `file:${chain.blockList}`
      for (const node of nodes) started.push(nodeProcess(settings, { node, feed, prefix: GIVE_WAY }))
      for (const holder of started) {
        await holder.start()
        await giveWay(holder.pid)
        await holder.ready({ signal })
      }
      await announced(started, chain.last, signal)
      return new NodeHolders(started)
    } catch (error) {
      await endAll(started)
      throw error
    }
  }

  get pids(): readonly number[] {
    return this.#nodes.flatMap(({ pid }) => pid ?? [])
  }

  /** It is in their identity table. */
  async meet(): Promise<void> {}

  end(): Promise<void> {
    return endAll(this.#nodes)
  }
}

/** Peers of another implementation's: bitswap alone, over a chain that lies in CAR files. */
export class PeerHolders implements ChainHolders {
  /** Their entries in the network's identity table, as flow-go writes one. */
  readonly entries: readonly unknown[]
  readonly #peers: readonly PeerProcess[]

  private constructor(peers: readonly PeerProcess[], listening: readonly ListenOutput[]) {
    this.#peers = peers
    this.entries = listening.map(({ publicKey, port }, at) => ({
      Role: 'execution',
      Address: `127.0.0.1:${port}`,
      NodeID: (at + 1).toString(16).padStart(64, '0'),
      NetworkPubKey: publicKey,
      Weight: 100,
      Ejected: false
    }))
  }

  static async start(
    contender: Contender,
    {
      holders,
      security,
      chain
    }: { readonly holders: number; readonly security: 'tls' | 'noise'; readonly chain: MadeChain }
  ): Promise<PeerHolders> {
    const launch = contender.launch({ core: undefined, nodeFlags: [] })
    const [file, ...args] = [...GIVE_WAY, launch.file, ...launch.args]
    const peers = Array.from({ length: holders }, () => new PeerProcess({ ...launch, file, args }))
    try {
      const listen = { ...contender.listen, security }
      const listening = await Promise.all(peers.map((peer) => peer.call<ListenOutput>('listen', listen)))
      for (const peer of peers) {
        const { blobs } = await peer.call<{ readonly blobs: number }>('load', { folder: chain.cars })
        if (blobs !== chain.blobs) throw new Error(`${contender.name} found ${blobs} of ${chain.blobs} blobs`)
      }
      return new PeerHolders(peers, listening)
    } catch (error) {
      await Promise.all(peers.map((peer) => peer.stop()))
      throw error
    }
  }

  get pids(): readonly number[] {
    return this.#peers.map(({ pid }) => pid)
  }

  async meet(node: NodeAddress): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.call('connect', { nodes: [node] })))
  }

  async end(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.stop()))
  }
}

/** Where the kernel shares the cores between sessions, a process's own priority counts within its session alone (`sched(7)`). */
async function giveWay(pid: number | undefined): Promise<void> {
  await writeFile(`/proc/${pid}/autogroup`, String(NICE)).catch(() => undefined)
}

/** Imports the chain once and gives each node a copy. */
async function imported([first, ...others]: readonly ChainNode[], chain: MadeChain): Promise<void> {
  if (first === undefined) throw new Error('a chain needs a holder')
  await sealsync('import', chain.cars, '--data-dir', first.dataDir, '--feed', `file:${chain.blockList}`)
  for (const other of others) {
    await empty(other)
    for (const part of DATA) await cp(join(first.dataDir, part), join(other.dataDir, part), { recursive: true })
  }
  await rm(chain.cars, { recursive: true })
}

/** Until each holder has found all of its blocks: what a syncing node then asks for is there. */
async function announced(holders: readonly NodeProcess[], last: Height, signal: AbortSignal): Promise<void> {
  for (const holder of holders) {
    while ((await holder.status({ signal })).heights.consecutive !== last) await pause(signal)
  }
}
