import type { ListenInput, ListenOutput, NodeAddress, StatsOutput } from '../peers/commands.ts'
import type { Contender } from './contender.ts'
import { PeerProcess } from './peer-process.ts'
import { Relay } from './relay.ts'

export interface NodePlan {
  readonly role: NodeAddress['role']
  /** Blobs that it keeps; without it all. */
  readonly keep?: number
  /** Core to stay on. */
  readonly core?: number | undefined
  /** Everything to and from it passes a link of so many bytes a second. */
  readonly bytesPerSecond?: number
  /** A peer of the table that can go bad. */
  readonly hostile?: boolean
}

export interface MeshPlan {
  readonly contender: Contender
  readonly nodes: readonly NodePlan[]
  readonly security?: 'tls' | 'noise'
  /** One way, every link. */
  readonly delayMs?: number
  readonly nodeFlags?: readonly string[]
}

/** A node of a running mesh. */
export interface MeshNode {
  readonly process: PeerProcess
  readonly peerId: string
  readonly role: NodeAddress['role']
  /** False from the moment in which it was stopped dead. */
  live: boolean
}

/** Processes of one contender, each connected to each. */
export class Mesh {
  readonly contender: Contender
  readonly nodes: readonly MeshNode[]
  readonly #relays: readonly Relay[]

  private constructor(contender: Contender, nodes: readonly MeshNode[], relays: readonly Relay[]) {
    this.contender = contender
    this.nodes = nodes
    this.#relays = relays
  }

  get live(): readonly MeshNode[] {
    return this.nodes.filter((node) => node.live)
  }

  /** Starts the processes and connects them. What was started is ended when that fails. */
  static async start(plan: MeshPlan): Promise<Mesh> {
    const processes: PeerProcess[] = []
    const relays: Relay[] = []
    try {
      for (const { core, hostile = false } of plan.nodes) {
        processes.push(new PeerProcess(plan.contender.launch({ core, hostile, nodeFlags: plan.nodeFlags ?? [] })))
      }
      const listening = await Promise.all(
        processes.map((process, at) => process.call<ListenOutput>('listen', listenInput(plan, plan.nodes[at])))
      )
      const addresses = await dialPorts(plan, listening, relays)
      await Promise.all(processes.map((process, at) => process.call('connect', { nodes: addresses(at) })))
      const nodes = processes.map((process, at) => ({
        process,
        peerId: listening[at]?.peerId ?? '',
        role: plan.nodes[at]?.role ?? 'access',
        live: true
      }))
      return new Mesh(plan.contender, nodes, relays)
    } catch (error) {
      await Promise.all([...processes.map((process) => process.killed()), ...relays.map((relay) => relay.stop())])
      throw error
    }
  }

  stats(node: MeshNode): Promise<StatsOutput> {
    return node.process.call<StatsOutput>('stats')
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => (node.live ? node.process.stop() : node.process.killed())))
    await Promise.all(this.#relays.map((relay) => relay.stop()))
  }
}

function listenInput(plan: MeshPlan, node: NodePlan | undefined): ListenInput {
  return {
    ...plan.contender.listen,
    ...(plan.security === undefined ? {} : { security: plan.security }),
    ...(node?.hostile === true ? { forgiving: true } : {}),
    ...(node?.keep === undefined ? {} : { keep: node.keep })
  }
}

/** Where node `at` dials the others: at their own ports, or at the relay's before them. */
async function dialPorts(
  plan: MeshPlan,
  listening: readonly ListenOutput[],
  relays: Relay[]
): Promise<(at: number) => NodeAddress[]> {
  const delayMs = plan.delayMs ?? 0
  const own = listening.map(({ port }) => port)
  const delay = delayMs > 0 ? await started(relays, Relay.delay(delayMs, own)) : undefined
  const direct = delay?.ports ?? own
  const slow = plan.nodes.findIndex(({ bytesPerSecond }) => bytesPerSecond !== undefined)
  const rate = plan.nodes[slow]?.bytesPerSecond
  const throttle = rate === undefined ? undefined : await started(relays, Relay.throttle(rate, direct))
  return (at) =>
    listening.map(({ peerId, publicKey }, other) => {
      // Whichever of the two dials, the way between them is the slow one.
      const port = (at === slow || other === slow ? throttle?.ports : undefined)?.[other] ?? direct[other] ?? 0
      return { peerId, publicKey, role: plan.nodes[other]?.role ?? 'access', port }
    })
}

async function started(relays: Relay[], starting: Promise<Relay>): Promise<Relay> {
  const relay = await starting
  relays.push(relay)
  return relay
}
