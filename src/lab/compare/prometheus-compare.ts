/**
 * The table of a comparison, out of a Prometheus that scrapes both builds in production. The time is cut into slices, each of which is a
 * round: what both builds did in the same minutes. Builds are told apart by labels of `sealsync_build_info`.
 *
 * Slices that lack one of the builds count for nothing, and are told of. What a measured run has and a running network has not (a quiet
 * time, a workload of its own) is left out of the table.
 */
import type { Effect, Pair } from './effects.ts'
import { effectOf } from './effects.ts'
import type { Points, Slices } from './prometheus.ts'
import {
  type ArmQuery,
  FACTS,
  PROMETHEUS_MEASURES,
  type PrometheusMeasure,
  type SliceFacts
} from './prometheus-measures.ts'
import type { PrometheusOptions } from './prometheus-options.ts'
import { verdictOf } from './report.ts'

/** `compare prometheus --json`: the report of a comparison whose runs are slices of time. */
export interface PrometheusReport {
  readonly schema: 'sealsync.compare/1'
  readonly ok: boolean
  readonly reasons: readonly string[]
  readonly seed: number
  readonly workload: {
    readonly source: 'prometheus'
    readonly url: string
    readonly from: string
    readonly to: string
    readonly sliceSeconds: number
  }
  /** Slices; both arms are in each. */
  readonly rounds: number
  readonly order: readonly 'ab'[]
  readonly arms: { readonly a: PrometheusArm; readonly b: PrometheusArm }
  readonly effects: readonly Effect[]
  readonly verdict: string
}

export interface PrometheusArm {
  readonly options: { readonly name: string }
  /** Slices in which it had nodes. */
  readonly runs: readonly SliceSample[]
}

/** What one arm did in one slice. */
export interface SliceSample {
  readonly from: string
  readonly to: string
  readonly nodes: number
  readonly figures: Readonly<Record<string, number>>
}

/** Asks for one number a slice. Throws when there is no Prometheus that answers. */
export type AskPoints = (expr: string, slices: Slices, options: { readonly signal: AbortSignal }) => Promise<Points>

/** Queries under way at one time: a server limits those of all who ask (20 by default). */
const PARALLEL = 4

interface ArmSlices {
  readonly facts: readonly (SliceFacts | undefined)[]
  readonly figures: ReadonlyMap<string, Points>
}

/** Throws what `ask` throws; everything else that is missing stands in the report's `reasons`. */
export async function comparePrometheus(
  ask: AskPoints,
  options: PrometheusOptions,
  { signal }: { readonly signal: AbortSignal }
): Promise<PrometheusReport> {
  const slices = slicesOf(options)
  const read = (matchers: string): Promise<ArmSlices> => readArm(ask, { matchers, slices, signal })
  const a = await read(options.a)
  const b = await read(options.b)
  const effects = PROMETHEUS_MEASURES.flatMap((measure) => {
    const pairs = pairsOf(measure, a, b)
    return pairs.length === 0 ? [] : [effectOf(measure, pairs, options.seed)]
  })
  const reasons = reasonsOf(options, a, b)
  return {
    schema: 'sealsync.compare/1',
    ok: reasons.length === 0,
    reasons,
    seed: options.seed,
    workload: {
      source: 'prometheus',
      url: options.url,
      from: timeOf(options.from),
      to: timeOf(options.to),
      sliceSeconds: slices.seconds
    },
    rounds: slices.count,
    order: Array.from({ length: slices.count }, () => 'ab' as const),
    arms: { a: armOf(options.a, a, slices), b: armOf(options.b, b, slices) },
    effects,
    verdict: verdictOf(options, effects)
  }
}

/** The end of the time is the end of the last slice. */
function slicesOf({ from, to, slices: count }: PrometheusOptions): Slices {
  const seconds = Math.floor((to - from) / count)
  return { seconds, count, firstEnd: to - seconds * (count - 1) }
}

async function readArm(
  ask: AskPoints,
  arm: { readonly matchers: string; readonly slices: Slices; readonly signal: AbortSignal }
): Promise<ArmSlices> {
  const { matchers, slices, signal } = arm
  const query: ArmQuery = { matchers, seconds: slices.seconds }
  const points = (expr: (query: ArmQuery) => string): Promise<Points> => ask(expr(query), slices, { signal })
  const nodes = await points(FACTS.nodes)
  const none = { facts: nodes.map(() => undefined), figures: new Map<string, Points>() }
  if (nodes.every((count) => count === null)) return none
  const [bytes, blobs] = [await points(FACTS.usefulBytes), await points(FACTS.usefulBlobs)]
  const figures = new Map<string, Points>()
  const waiting = [...PROMETHEUS_MEASURES]
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      figures.set(next.metric, await points(next.expr))
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
  const facts = nodes.map((count, at): SliceFacts | undefined =>
    count === null
      ? undefined
      : { nodes: count, usefulBytes: bytes[at] ?? 0, usefulBlobs: blobs[at] ?? 0, seconds: slices.seconds }
  )
  return { facts, figures }
}

function pairsOf({ metric, floor }: PrometheusMeasure, a: ArmSlices, b: ArmSlices): Pair[] {
  return a.facts.flatMap((_, at) => {
    const [factsA, factsB] = [a.facts[at], b.facts[at]]
    const [valueA, valueB] = [a.figures.get(metric)?.[at] ?? null, b.figures.get(metric)?.[at] ?? null]
    if (factsA === undefined || factsB === undefined || valueA === null || valueB === null) return []
    const least = floor === undefined ? 0 : Math.max(floor(factsA), floor(factsB))
    return [{ a: valueA, b: valueB, forRatio: [Math.max(valueA, least), Math.max(valueB, least)] }]
  })
}

function reasonsOf(options: PrometheusOptions, a: ArmSlices, b: ArmSlices): string[] {
  const there = ({ facts }: ArmSlices): number => facts.filter((fact) => fact !== undefined).length
  const arms = [
    { flag: '--a', matchers: options.a, slices: there(a), facts: a.facts },
    { flag: '--b', matchers: options.b, slices: there(b), facts: b.facts }
  ]
  const missing = arms
    .filter(({ slices }) => slices === 0)
    .map(
      ({ flag, matchers }) =>
        `no node of ${flag} '${matchers}' between --from and --to: does Prometheus scrape it, and is its sealsync_build_info labelled so?`
    )
  if (missing.length > 0) return missing
  const both = a.facts.filter((fact, at) => fact !== undefined && b.facts[at] !== undefined).length
  if (both === 0) return ['the two builds were never there at the same time']
  return arms
    .filter(({ facts }) => facts.every((fact) => (fact?.usefulBytes ?? 0) === 0))
    .map(({ flag, matchers }) => `the nodes of ${flag} '${matchers}' received nothing in this time`)
}

function armOf(name: string, arm: ArmSlices, { firstEnd, seconds }: Slices): PrometheusArm {
  const runs = arm.facts.flatMap((facts, at): SliceSample[] => {
    if (facts === undefined) return []
    const figures = [...arm.figures].flatMap(([metric, points]) => {
      const value = points[at]
      return value === null || value === undefined ? [] : [[metric, value] as const]
    })
    const end = firstEnd + at * seconds
    return [{ from: timeOf(end - seconds), to: timeOf(end), nodes: facts.nodes, figures: Object.fromEntries(figures) }]
  })
  return { options: { name }, runs }
}

const timeOf = (unixSeconds: number): string => new Date(unixSeconds * 1000).toISOString()
