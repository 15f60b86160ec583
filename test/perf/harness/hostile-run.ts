import { setTimeout as pause } from 'node:timers/promises'
import type { CalmOutput, StatsOutput, WantOutput } from '../peers/commands.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
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
const DRAIN_MS = 15_000

interface Want {
  readonly node: MeshNode
  ms?: number
}

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
  #made = 0

  constructor(mesh: Mesh, plan: HostilePlan) {
    this.#mesh = mesh
    this.#plan = plan
    this.#hostile = mesh.nodes.at(-1) as MeshNode
    this.#honest = mesh.nodes.slice(0, -1)
    this.#target = mesh.nodes[plan.producers] as MeshNode
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
    await this.#settled([before, during, after])
    const stats = await this.#mesh.stats(this.#target)
    return {
      ...this.#latencies([before, after], during),
      rssGrowthMiB: (during.rssPeakBytes - before.rssPeakBytes) / MIB,
      rssAboveStartMiB: (during.rssPeakBytes - rss) / MIB,
      rssPeakMiB: during.rssPeakBytes / MIB,
      cpuPercentCalm: before.cpuPercent,
      cpuPercentAttack: during.cpuPercent,
      missing: this.#missing([before, during, after]),
      cut: sum(Object.values(stats.cooldowns ?? {})),
      attackPerSecond: done / seconds,
      shutOut,
      duplicateRatio: await this.#duplicateRatio()
    }
  }

  #latencies(calm: readonly Span[], during: Span): Figures {
    const arrivals = (spans: readonly Span[]): number[] =>
      spans.flatMap(({ wants }) => wants.flatMap(({ ms }) => (ms === undefined ? [] : [ms])))
    const [without, beside] = [latencies(arrivals(calm)), latencies(arrivals([during]))]
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
    const wants: Want[] = []
    resetPeak(pid)
    const [started, cpu] = [monotonicMs(), cpuSeconds(pid)]
    const step = 1000 / this.#plan.rate
    const count = Math.max(1, Math.round((seconds * 1000) / step))
    for (let at = 0; at < count; at += 1) {
      await pause(Math.max(0, started + at * step - monotonicMs()))
      wants.push(...(await this.#oneBlob()))
    }
    await pause(Math.max(0, started + count * step - monotonicMs()))
    const wallSeconds = (monotonicMs() - started) / 1000
    const { peakBytes } = memory(pid)
    return { wants, cpuPercent: (100 * (cpuSeconds(pid) - cpu)) / wallSeconds, rssPeakBytes: peakBytes }
  }

  async #oneBlob(): Promise<Want[]> {
    this.#made += 1
    const producers = this.#honest.filter(({ role }) => role === 'execution')
    const put = { from: this.#made, count: 1, size: this.#plan.blobBytes }
    const [made] = await Promise.all(producers.map(({ process }) => process.call<{ cids: string[] }>('put', put)))
    const cids = made?.cids ?? []
    this.#cids.unshift(...cids)
    this.#cids.length = Math.min(this.#cids.length, KEEP)
    await Promise.all(producers.map(({ process }) => process.call('announce', { cids })))
    const input = { ...this.#mesh.contender.want, cids, hot: true, origins: producers.map(({ peerId }) => peerId) }
    const announcedAt = monotonicMs()
    // What it fetches is nobody's figure, but others wait for it to pass that on. Once it is cut, or answers no more, it fails.
    this.#hostile.process.call('want', input).catch(() => {})
    return this.#honest
      .filter(({ role }) => role === 'access')
      .map((node) => {
        const want: Want = { node }
        node.process.call<WantOutput>('want', input).then(
          ({ storedAt }) => {
            want.ms = (storedAt[0] ?? 0) - announcedAt
          },
          () => {}
        )
        return want
      })
  }

  #missing(spans: readonly Span[]): number {
    return sum(spans.map(({ wants }) => wants.filter(({ ms }) => ms === undefined).length))
  }

  async #settled(spans: readonly Span[]): Promise<void> {
    const until = monotonicMs() + DRAIN_MS
    while (this.#missing(spans) > 0 && monotonicMs() < until) await pause(20)
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
