import { availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os'
import type { Contender, LeftOut } from './contender.ts'
import { ascending, median } from './statistics.ts'

/** Figures of one run by name; the unit stands in the name. */
export type Figures = Readonly<Record<string, number>>

export interface ContenderReport {
  readonly name: string
  readonly version: string
  readonly runs: readonly Figures[]
  readonly median: Figures
  /** Least and most of the runs. */
  readonly spread: Readonly<Record<string, readonly [number, number]>>
}

/** `ok` is null where this run cannot show it, and `reason` says why. */
export interface Goal {
  readonly name: string
  readonly value: number | null
  readonly goal: string
  readonly ok: boolean | null
  readonly reason?: string
}

export interface BenchReport {
  readonly schema: 'sealsync.bench/1'
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly startedAt: string
  readonly machine: {
    readonly cpus: number
    readonly model: string
    readonly memoryBytes: number
    readonly node: string
    readonly platform: string
    /** Of the minute before the start: what else the machine was doing. */
    readonly loadAverage: number
  }
  readonly contenders: readonly ContenderReport[]
  readonly leftOut: readonly LeftOut[]
  readonly ratios: Figures
  readonly goals: readonly Goal[]
  readonly ok: boolean
}

export function machine(): BenchReport['machine'] {
  return {
    cpus: availableParallelism(),
    model: cpus()[0]?.model.trim() ?? '',
    memoryBytes: totalmem(),
    node: process.version,
    platform: platform(),
    loadAverage: round(loadavg()[0] ?? 0)
  }
}

export function contenderReport(
  contender: Pick<Contender, 'name' | 'version'>,
  runs: readonly Figures[]
): ContenderReport {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run)))]
  const valuesOf = (name: string): number[] =>
    runs.map((run) => run[name]).filter((value): value is number => value !== undefined && Number.isFinite(value))
  return {
    name: contender.name,
    version: contender.version,
    runs: runs.map((run) => mapFigures(run, round)),
    median: Object.fromEntries(names.map((name) => [name, round(median(valuesOf(name)))])),
    spread: Object.fromEntries(
      names.map((name) => {
        const sorted = ascending(valuesOf(name))
        return [name, [round(sorted[0] ?? Number.NaN), round(sorted.at(-1) ?? Number.NaN)] as const]
      })
    )
  }
}

/** What a figure must be: at most, at least, or below another contender's. */
export function atMost(name: string, value: number | undefined, bound: number | undefined, missing?: string): Goal {
  return judge({ name, value, bound, sign: '≤', missing }, (figure, limit) => figure <= limit)
}

export function atLeast(name: string, value: number | undefined, bound: number | undefined, missing?: string): Goal {
  return judge({ name, value, bound, sign: '≥', missing }, (figure, limit) => figure >= limit)
}

interface Judged {
  readonly name: string
  readonly value: number | undefined
  readonly bound: number | undefined
  readonly sign: string
  readonly missing: string | undefined
}

function judge(judged: Judged, holds: (value: number, bound: number) => boolean): Goal {
  const { name, value, bound, sign, missing } = judged
  const known = value !== undefined && Number.isFinite(value)
  const goal = bound === undefined || !Number.isFinite(bound) ? `${sign} what was left out` : `${sign} ${round(bound)}`
  if (!known || bound === undefined || !Number.isFinite(bound)) {
    return {
      name,
      value: known ? round(value) : null,
      goal,
      ok: null,
      reason: missing ?? 'was not measured in this run'
    }
  }
  return { name, value: round(value), goal, ok: holds(value, bound) }
}

/** Five significant digits: more is noise. */
const round = (value: number): number => Number(value.toPrecision(5))

function mapFigures(figures: Figures, map: (value: number) => number): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, map(value)]))
}

/** Tables for people. */
export function renderReport(report: BenchReport): string {
  const names = [...new Set(report.contenders.flatMap(({ median: figures }) => Object.keys(figures)))]
  const head = ['', ...report.contenders.map(({ name, runs }) => `${name} (${runs.length})`)]
  const rows = names.map((figure) => [
    figure,
    ...report.contenders.map(({ median: middle, spread }) => {
      const value = middle[figure]
      if (value === undefined) return '–'
      const [least, most] = spread[figure] ?? [value, value]
      return least === most ? `${value}` : `${value} [${least}–${most}]`
    })
  ])
  const goals = report.goals.map(({ name, value, goal, ok, reason }) => {
    const verdict = ok === null ? '–   ' : ok ? 'ok  ' : 'FAIL'
    return `${verdict} ${name}: ${value ?? 'unknown'} (${goal})${reason === undefined ? '' : `, ${reason}`}`
  })
  const { machine: on } = report
  return [
    `${report.name}, ${report.startedAt}, ${on.cpus} × ${on.model}, load ${on.loadAverage}, Node ${on.node}`,
    ...report.contenders.map(({ name, version }) => `  ${name}: ${version}`),
    ...report.leftOut.map(({ name, reason }) => `  ${name} left out: ${reason}`),
    '',
    ...table([head, ...rows]),
    '',
    ...Object.entries(report.ratios).map(([name, value]) => `${name}: ${value}`),
    ...goals,
    ''
  ].join('\n')
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()
  )
}
