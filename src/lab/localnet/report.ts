import type { LocalnetOptions } from '../options.ts'
import { duplicateRatio, nodeFigures, sumPayload } from './figures.ts'
import type { FedBlock } from './feeder.ts'
import { type MergedLatency, mergeLatency } from './latency.ts'
import type { NodeMonitor } from './monitor.ts'
import type { Restart } from './faults.ts'
import type { ResourceFigures } from './resources.ts'
import type { Sample } from './samples.ts'
import type { PayloadBytes } from './status.ts'

/** One node in the report. */
export interface NodeReport {
  readonly name: string
  readonly role: string
  readonly peerId: string
  readonly pid: number | null
  readonly routing: string
  readonly policy: string
  /** `b` for the second build of a mixed mesh. */
  readonly arm: 'a' | 'b'
  /** What was done to it half way. */
  readonly fault: string
  readonly ready: boolean
  readonly exitCode: number | null
  readonly heights: { readonly highest: number | null; readonly consecutive: number | null }
  readonly payloadBytes: PayloadBytes
  readonly duplicateRatio: number
  readonly duplicateShareOfReceived: number
  readonly blobs: { readonly received: number; readonly unique: number }
  readonly wants: {
    readonly sent: number
    readonly cancelled: number
    readonly hedged: number
    readonly timedOut: number
  }
  readonly streams: {
    readonly opened: number
    readonly inbound: number
    readonly outbound: number
    readonly openMax: number
    /** `null` when the run had no steady state. */
    readonly openedPerSecondSteady: number | null
    readonly other: Readonly<Record<string, unknown>>
  }
  readonly connections: number
  readonly rssBytes: { readonly idle: number | null; readonly peak: number }
  readonly anonBytes: { readonly idle: number | null; readonly peak: number }
  readonly cpuSeconds: number
  readonly eventLoopLagMs: { readonly p99: number }
  /** From the closed mesh until all had caught up; `null` of a node that was not there at both ends. */
  readonly resources: ResourceFigures | null
  /** Its lives, oldest first; only of a node that was started again. */
  readonly runs?: readonly RunReport[]
}

export interface RunReport {
  readonly presentAtStart: number
  readonly refetched: number
  readonly payloadBytes: PayloadBytes
  readonly cpuSeconds: number
  /** From the start of the process to its first answer; absent for the first life. */
  readonly readyMs?: number
  /** From the start of the process until `/readyz` answered 200, and until it held all that was given by then. */
  readonly healthyMs?: number
  readonly headMs?: number
  /** From the kill that ended the life before, with the pause of 3 s. */
  readonly crashToHealthyMs?: number
  readonly crashToHeadMs?: number
}

/** `localnet --json`. Its meaning is fixed; fields may be added. */
export interface LocalnetReport {
  readonly schema: 'sealsync.localnet/1'
  readonly ok: boolean
  readonly reasons: readonly string[]
  /** The run came to its end and no node died or gave wrong bytes: its figures stand, even if nodes did not keep up (`ok` is false then). */
  readonly measured: boolean
  readonly seed: number
  readonly version: string
  readonly revision: string
  readonly startedAt: string
  readonly machine: {
    readonly cpus: number
    readonly memoryBytes: number
    readonly node: string
    readonly platform: string
  }
  readonly arm: {
    readonly routing: string
    readonly security: string
    readonly profile: string
    readonly policy: string
    /** Settings of every node beside these. */
    readonly settings: Readonly<Record<string, string>>
  }
  readonly workload: {
    readonly source: string
    readonly blocks: number
    readonly blobs: number
    readonly bytes: number
    readonly blockRate: number
    readonly delayMs: number
    readonly firstHeight: number
    readonly lastHeight: number | null
  }
  readonly wallSeconds: number
  readonly nodes: readonly NodeReport[]
  readonly totals: {
    readonly duplicateRatio: number
    readonly usefulBytes: number
    readonly duplicateBytes: number
    readonly producerUploadShare: number
    readonly streamsOpenedPerSecondPerNode: number | null
  }
  readonly latencyMs: { readonly announceToStored: MergedLatency }
  /** CPU time outside of the nodes. */
  readonly driver: { readonly cpuSeconds: number; readonly relayCpuSeconds: number | null }
  /** Memory and disk of every node over time; only of a run with `--retention`. */
  readonly samples?: readonly Sample[]
}

export interface ReportInput {
  readonly options: LocalnetOptions
  readonly reasons: readonly string[]
  readonly measured: boolean
  readonly version: string
  readonly revision: string
  readonly startedAt: string
  readonly machine: LocalnetReport['machine']
  readonly source: string
  readonly firstHeight: number
  readonly fed: readonly FedBlock[]
  readonly wallSeconds: number
  readonly monitors: readonly NodeMonitor[]
  readonly steadyRate: (monitor: NodeMonitor) => number | undefined
  readonly resources: (monitor: NodeMonitor) => ResourceFigures | undefined
  readonly restarts: readonly Restart[]
  readonly samples: readonly Sample[]
  readonly driver: LocalnetReport['driver']
}

function nodeReport(monitor: NodeMonitor, input: ReportInput): NodeReport {
  const { node, status, runs } = monitor
  const { streams, eventLoopLagP99Ms, announceToStored: _latency, ...counted } = nodeFigures(runs)
  const restarts = input.restarts.filter(({ name }) => name === node.plan.name)
  const lives = runs.map((run, at) => {
    const { presentAtStart, refetched, payloadBytes, cpuSeconds } = run
    const { name: _name, ...times } = restarts[at - 1] ?? { name: '' }
    return { presentAtStart, refetched, payloadBytes, cpuSeconds, ...times }
  })
  return {
    name: node.plan.name,
    role: node.plan.role,
    peerId: node.plan.peerId,
    pid: node.pid ?? null,
    routing: node.plan.routing,
    policy: node.plan.policy,
    arm: node.plan.arm,
    fault: node.plan.fault,
    ready: node.addresses !== undefined && status !== undefined,
    exitCode: node.exit?.code ?? null,
    heights: { highest: status?.heights.highest ?? null, consecutive: status?.heights.consecutive ?? null },
    ...counted,
    streams: { ...streams, openedPerSecondSteady: input.steadyRate(monitor) ?? null },
    connections: status?.connections ?? 0,
    ...monitor.memory(),
    eventLoopLagMs: { p99: eventLoopLagP99Ms },
    resources: input.resources(monitor) ?? null,
    ...(lives.length > 1 ? { runs: lives } : {})
  }
}

function totalsOf(nodes: readonly NodeReport[]): LocalnetReport['totals'] {
  const all = sumPayload(nodes.map((node) => node.payloadBytes))
  const producers = sumPayload(nodes.filter((node) => node.role === 'execution').map((node) => node.payloadBytes))
  const rates = nodes.flatMap(({ streams }) =>
    streams.openedPerSecondSteady === null ? [] : [streams.openedPerSecondSteady]
  )
  return {
    duplicateRatio: duplicateRatio(all),
    usefulBytes: all.useful,
    duplicateBytes: all.duplicate,
    producerUploadShare: all.sent > 0 ? producers.sent / all.sent : 0,
    streamsOpenedPerSecondPerNode: rates.length > 0 ? rates.reduce((sum, rate) => sum + rate, 0) / rates.length : null
  }
}

/** The report of a run that has ended. */
export function buildReport(input: ReportInput): LocalnetReport {
  const { options, fed } = input
  const nodes = input.monitors.map((monitor) => nodeReport(monitor, input))
  const observed = input.monitors.filter(({ node }) => node.plan.role === 'access').flatMap(({ runs }) => runs)
  return {
    schema: 'sealsync.localnet/1',
    ok: input.reasons.length === 0,
    reasons: input.reasons,
    measured: input.measured,
    seed: options.seed,
    version: input.version,
    revision: input.revision,
    startedAt: input.startedAt,
    machine: input.machine,
    arm: {
      routing: options.routing,
      security: options.security,
      profile: options.profile,
      policy: options.policy,
      settings: options.settings
    },
    workload: {
      source: input.source,
      blocks: fed.length,
      blobs: fed.reduce((sum, block) => sum + block.blobs, 0),
      bytes: fed.reduce((sum, block) => sum + block.bytes, 0),
      blockRate: options.rate,
      delayMs: options.delayMs,
      firstHeight: input.firstHeight,
      lastHeight: fed.at(-1)?.height ?? null
    },
    wallSeconds: input.wallSeconds,
    nodes,
    totals: totalsOf(nodes),
    latencyMs: { announceToStored: mergeLatency(observed.map((run) => run.announceToStored)) },
    driver: input.driver,
    ...(options.retention === undefined ? {} : { samples: input.samples })
  }
}
