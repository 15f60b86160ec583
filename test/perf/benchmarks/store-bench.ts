import { readFileSync } from 'node:fs'
import { type BenchReport, contenderReport, type Figures, type Goal, machine } from '../harness/report.ts'
import { inOwnProcess } from '../harness/own-process.ts'
import type { LeftOut } from '../harness/contender.ts'

const PROGRAM = new URL('../store/run.ts', import.meta.url)
const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string
}

/** One run of a benchmark of the store. */
export const storeRun = (name: string, settings: object, nodeFlags: readonly string[] | undefined): Promise<Figures> =>
  inOwnProcess(PROGRAM, [name, JSON.stringify(settings)], nodeFlags === undefined ? {} : { nodeFlags })

export interface Runs {
  readonly name: string
  readonly version?: string
  readonly figures: readonly Figures[]
}

export function storeReport(report: {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly startedAt: string
  readonly machine: BenchReport['machine']
  readonly runs: readonly Runs[]
  readonly leftOut?: readonly LeftOut[]
  judge(medians: ReadonlyMap<string, Figures>): { readonly ratios?: Figures; readonly goals: readonly Goal[] }
}): BenchReport {
  const contenders = report.runs.map((run) =>
    contenderReport({ name: run.name, version: run.version ?? `sealsync ${version}` }, run.figures)
  )
  const { ratios = {}, goals } = report.judge(new Map(contenders.map((one) => [one.name, one.median])))
  return {
    schema: 'sealsync.bench/1',
    name: report.name,
    options: report.options,
    startedAt: report.startedAt,
    machine: report.machine,
    contenders,
    leftOut: report.leftOut ?? [],
    ratios,
    goals,
    ok: goals.every(({ ok }) => ok !== false)
  }
}

export const begin = (): { readonly startedAt: string; readonly machine: BenchReport['machine'] } => ({
  startedAt: new Date().toISOString(),
  machine: machine()
})
