import { setTimeout as pause } from 'node:timers/promises'
import type { StatsOutput } from '../peers/commands.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
import { arrivals, BlobHerd, missingOf, settled, type Want } from './blob-herd.ts'
import type { Contender } from './contender.ts'
import { Mesh, type MeshNode } from './mesh.ts'
import { cpuSeconds, memory } from './process-figures.ts'
import type { Figures } from './report.ts'
import { latencies, median, sum } from './statistics.ts'

export interface HerdPlan {
  readonly contender: Contender
  readonly nodes: number
  readonly producers: number
  readonly seconds: number
  readonly warmUpSeconds: number
  /** Blobs a second, and bytes of each. */
  readonly rate: number
  readonly blobBytes: number
  readonly delayMs: number
  /** Fetchers and producers that are stopped dead half way, their sockets open. */
  readonly silent: number
  readonly silentProducers: number
  readonly security: 'tls' | 'noise'
  readonly nodeFlags: readonly string[]
}

/** Blobs that a node keeps: what peers may still ask for. */
const KEEP = 64
/** After an announcement: some wants are answered, few blobs delivered. */
const SILENCE_AFTER_MS = 10

interface Reading {
  readonly node: MeshNode
  readonly stats: StatsOutput
  readonly cpuSeconds: number
}

/** The producers make a blob, all others want it at once (`BlobHerd`). Counted is what happens after the warm-up. */
export async function runHerd(plan: HerdPlan): Promise<Figures> {
  const mesh = await Mesh.start({
    contender: plan.contender,
    nodes: Array.from({ length: plan.nodes }, (_, at) => ({
      role: at < plan.producers ? ('execution' as const) : ('access' as const),
      keep: KEEP
    })),
    security: plan.security,
    delayMs: plan.delayMs,
    nodeFlags: plan.nodeFlags
  })
  try {
    return await new Herd(mesh, plan).run()
  } finally {
    await mesh.stop()
  }
}

class Herd {
  readonly #mesh: Mesh
  readonly #plan: HerdPlan
  readonly #blobs: BlobHerd
  #wants: readonly Want[] = []
  #silenced = false

  constructor(mesh: Mesh, plan: HerdPlan) {
    this.#mesh = mesh
    this.#plan = plan
    this.#blobs = new BlobHerd(mesh, plan)
  }

  async run(): Promise<Figures> {
    const { seconds, warmUpSeconds } = this.#plan
    await settled(await this.#blobs.produce(warmUpSeconds, () => {}))
    const before = await this.#read()
    const started = monotonicMs()
    this.#wants = await this.#blobs.produce(seconds, ({ at, of }) =>
      at === Math.floor(of / 2) ? this.#silence() : undefined
    )
    const wallSeconds = (monotonicMs() - started) / 1000
    await settled(this.#wants)
    return this.#figures(before, await this.#read(), wallSeconds)
  }

  async #silence(): Promise<void> {
    const { silent, silentProducers } = this.#plan
    if (silent + silentProducers === 0 || this.#silenced) return
    this.#silenced = true
    await pause(SILENCE_AFTER_MS)
    const first = (role: MeshNode['role'], count: number): MeshNode[] =>
      this.#mesh.live.filter((node) => node.role === role).slice(0, count)
    for (const node of [...first('execution', silentProducers), ...first('access', silent)]) {
      node.process.suspend()
      node.live = false
    }
  }

  #read(): Promise<Reading[]> {
    return Promise.all(
      this.#mesh.live.map(async (node) => ({
        node,
        stats: await this.#mesh.stats(node),
        cpuSeconds: cpuSeconds(node.process.pid)
      }))
    )
  }

  #figures(before: readonly Reading[], after: readonly Reading[], wallSeconds: number): Figures {
    const grown = after.map((reading) =>
      growth(
        before.find(({ node }) => node === reading.node),
        reading
      )
    )
    const fetchers = grown.filter(({ node }) => node.role === 'access')
    const producers = grown.filter(({ node }) => node.role === 'execution')
    const total = (of: readonly Growth[], pick: (one: Growth) => number): number => sum(of.map(pick))
    const useful = total(fetchers, ({ useful: bytes }) => bytes)
    const sent = total(grown, ({ sent: bytes }) => bytes)
    const blobs = new Set(this.#wants.map(({ blob }) => blob)).size
    const perNode = (role: MeshNode['role']): number =>
      (100 * median(grown.filter(({ node }) => node.role === role).map((one) => one.cpuSeconds))) / wallSeconds
    return {
      duplicateRatio: total(fetchers, ({ waste }) => waste) / useful,
      missing: missingOf(this.#wants),
      ...prefixed('storedMs', latencies(arrivals(this.#wants))),
      ...prefixed('everywhereMs', latencies(this.#everywhere())),
      producerUploadShare: total(producers, (one) => one.sent) / sent,
      producerCopiesPerBlob: Math.max(...producers.map((one) => one.sent)) / this.#plan.blobBytes / blobs,
      streamsOpenedPerSecondPerNode: total(grown, ({ opened }) => opened) / grown.length / wallSeconds,
      streamsOpenPerPeer: Math.max(...after.map(({ stats }) => stats.streams.openPerPeer)),
      messagesReceivedPerBlobAndFetcher: total(fetchers, ({ messages }) => messages) / fetchers.length / blobs,
      cpuPercentFetcher: perNode('access'),
      cpuPercentProducer: perNode('execution'),
      cpuPercentAllNodes: (100 * total(grown, (one) => one.cpuSeconds)) / wallSeconds,
      loopLagP99Ms: Math.max(...after.map(({ stats }) => stats.loopLagP99Ms ?? 0)),
      rssPeakMiB: Math.max(...after.map(({ node }) => memory(node.process.pid).peakBytes)) / 1_048_576
    }
  }

  /** Per blob, when the last live fetcher had it. */
  #everywhere(): number[] {
    const last = new Map<number, number>()
    for (const { blob, node, ms } of this.#wants) {
      if (node.live) last.set(blob, Math.max(last.get(blob) ?? 0, ms ?? Number.POSITIVE_INFINITY))
    }
    return [...last.values()].filter(Number.isFinite)
  }
}

interface Growth {
  readonly node: MeshNode
  readonly useful: number
  readonly waste: number
  readonly sent: number
  readonly opened: number
  readonly messages: number
  readonly cpuSeconds: number
}

function growth(before: Reading | undefined, after: Reading): Growth {
  const grown = (pick: (stats: StatsOutput) => number): number =>
    pick(after.stats) - (before === undefined ? 0 : pick(before.stats))
  return {
    node: after.node,
    useful: grown(({ payloadBytes }) => payloadBytes.useful),
    waste: grown(({ payloadBytes }) => payloadBytes.duplicate + payloadBytes.partial),
    sent: grown(({ payloadBytes }) => payloadBytes.sent),
    opened: grown(({ streams }) => streams.opened),
    messages: grown(({ messages }) => messages.received),
    cpuSeconds: after.cpuSeconds - (before?.cpuSeconds ?? 0)
  }
}

/** `{p50: 1}` under `storedMs` becomes `{storedMsP50: 1}`. */
export function prefixed(prefix: string, figures: object): Figures {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      `${prefix}${name[0]?.toUpperCase() ?? ''}${name.slice(1)}`,
      value as number
    ])
  )
}
