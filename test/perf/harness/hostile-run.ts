import { setTimeout as pause } from 'node:timers/promises'
import type { CalmOutput, StatsOutput } from '../peers/commands.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
import { arrivals, BlobHerd, missingOf, settled, type Want } from './blob-herd.ts'
import type { Contender } from './contender.ts'
import { Mesh, type MeshNode } from './mesh.ts'
import { cpuSeconds, memory, resetPeak } from './process-figures.ts'
import type { Figures } from './report.ts'
import { latencies, sum } from './statistics.ts'

export interface HostilePlan {
  readonly contender: Contender
  readonly mode: string
  /** Honest nodes, producers among them; the hostile one comes on top, an access node of the table. */
  readonly nodes: number
  readonly producers: number
  /** Of the calm before and of the attack; half of it is the calm behind. */
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly rate: number
  readonly blobBytes: number
  readonly security: 'tls' | 'noise'
  readonly nodeFlags: readonly string[]
}

const MIB = 1_048_576
/** Blobs that a node keeps, all there before the attack: what the attacker can ask for, and memory that grows no more. */
const KEEP = 16

/**
 * A herd with a peer among it that goes bad, with calm before and behind, so that what grows with time falls on both. What it is
 * aimed at is one access node; the latencies are those of all honest fetchers. Its memory is compared peak with peak, over as
 * many seconds: between two full collections it rises by itself, by what the blobs of those seconds take.
 */
export async function runHostile(plan: HostilePlan): Promise<Figures> {
  const roleOf = (at: number): MeshNode['role'] => (at < plan.producers ? 'execution' : 'access')
  const mesh = await Mesh.start({
    contender: plan.contender,
    nodes: [
      ...Array.from({ length: plan.nodes }, (_, at) => ({ role: roleOf(at), keep: KEEP })),
      { role: 'access', keep: KEEP, hostile: true }
    ],
    security: plan.security,
    nodeFlags: plan.nodeFlags
  })
  try {
    return await new Assault(mesh, plan).run()
  } finally {
    await mesh.stop()
  }
}

/** What the target was like over some seconds. */
interface Span {
  readonly wants: readonly Want[]
  readonly cpuPercent: number
  readonly rssPeakBytes: number
}

class Assault {
  readonly #mesh: Mesh
  readonly #plan: HostilePlan
  readonly #hostile: MeshNode
  readonly #honest: readonly MeshNode[]
  readonly #target: MeshNode
  /** Digests of the newest blobs. */
  readonly #cids: string[] = []
  readonly #blobs: BlobHerd

  constructor(mesh: Mesh, plan: HostilePlan) {
    this.#mesh = mesh
    this.#plan = plan
    this.#hostile = mesh.nodes.at(-1) as MeshNode
    this.#honest = mesh.nodes.slice(0, -1)
    this.#target = mesh.nodes[plan.producers] as MeshNode
    this.#blobs = new BlobHerd(mesh, { ...plan, uncounted: this.#hostile })
  }

  async run(): Promise<Figures> {
    const { seconds, warmUpSeconds, mode } = this.#plan
    await this.#span(warmUpSeconds)
    const before = await this.#span(seconds)
    const rss = memory(this.#target.process.pid).rssBytes
    const cids = this.#cids.slice(0, KEEP)
    await this.#hostile.process.call('attack', { mode, target: this.#target.peerId, cids })
    const during = await this.#span(seconds)
    const { done, shutOut } = await this.#hostile.process.call<CalmOutput>('calm')
    const after = await this.#span(seconds / 2)
    const wants = [before, during, after].flatMap((span) => span.wants)
    await settled(wants)
    const stats = await this.#mesh.stats(this.#target)
    return {
      ...this.#latencies([before, after], during),
      rssGrowthMiB: (during.rssPeakBytes - before.rssPeakBytes) / MIB,
      rssAboveStartMiB: (during.rssPeakBytes - rss) / MIB,
      rssPeakMiB: during.rssPeakBytes / MIB,
      cpuPercentCalm: before.cpuPercent,
      cpuPercentAttack: during.cpuPercent,
      missing: missingOf(wants),
      cut: sum(Object.values(stats.cooldowns ?? {})),
      attackPerSecond: done / seconds,
      shutOut,
      duplicateRatio: await this.#duplicateRatio()
    }
  }

  #latencies(calm: readonly Span[], during: Span): Figures {
    const without = latencies(arrivals(calm.flatMap(({ wants }) => wants)))
    const beside = latencies(arrivals(during.wants))
    return {
      p50CalmMs: without.p50,
      p50AttackMs: beside.p50,
      p99CalmMs: without.p99,
      p99AttackMs: beside.p99,
      maxAttackMs: beside.max,
      p99Ratio: beside.p99 / without.p99
    }
  }

  async #span(seconds: number): Promise<Span> {
    const { pid } = this.#target.process
    resetPeak(pid)
    const [started, cpu] = [monotonicMs(), cpuSeconds(pid)]
    const wants = await this.#blobs.produce(seconds, ({ cids }) => {
      this.#cids.unshift(...cids)
      this.#cids.length = Math.min(this.#cids.length, KEEP)
    })
    await pause(Math.max(0, started + seconds * 1000 - monotonicMs()))
    const wallSeconds = (monotonicMs() - started) / 1000
    const { peakBytes } = memory(pid)
    return { wants, cpuPercent: (100 * (cpuSeconds(pid) - cpu)) / wallSeconds, rssPeakBytes: peakBytes }
  }

  async #duplicateRatio(): Promise<number> {
    const all: StatsOutput[] = await Promise.all(
      this.#honest.filter(({ role }) => role === 'access').map((node) => this.#mesh.stats(node))
    )
    const total = (pick: (stats: StatsOutput) => number): number => sum(all.map(pick))
    return (
      total(({ payloadBytes }) => payloadBytes.duplicate + payloadBytes.partial) /
      total(({ payloadBytes }) => payloadBytes.useful)
    )
  }
}
