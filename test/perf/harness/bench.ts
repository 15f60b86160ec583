import { type Contender, type ContenderName, CONTENDERS, isLeftOut, type LeftOut, prepare } from './contender.ts'
import { type BenchReport, type ContenderReport, contenderReport, type Figures, type Goal, machine } from './report.ts'

/** What a benchmark is run with; each names the flags it heeds. */
export interface BenchOptions {
  readonly rounds?: number
  readonly contenders?: readonly ContenderName[]
  readonly nodes?: readonly number[]
  readonly modes?: readonly string[]
  readonly producers?: number
  readonly seconds?: number
  readonly warmUp?: number
  readonly rate?: number
  readonly blob?: number
  readonly delay?: readonly number[]
  readonly silent?: number
  readonly silentProducer?: number
  readonly holders?: readonly number[]
  readonly bytes?: number
  readonly count?: number
  readonly blocks?: number
  readonly keys?: number
  readonly gib?: number
  readonly data?: string
  readonly security?: 'tls' | 'noise'
  readonly pin?: boolean
  readonly nodeFlags?: readonly string[]
}

export interface Benchmark {
  readonly name: string
  /** One line for the list. */
  readonly summary: string
  readonly flags: readonly (keyof BenchOptions)[]
  run(options: BenchOptions, progress: Progress): Promise<BenchReport>
}

export type Progress = (text: string) => void

export interface Comparison {
  readonly name: string
  readonly options: Readonly<Record<string, unknown>>
  readonly contenders: readonly ContenderName[]
  readonly rounds: number
  /** One run of one contender. */
  run(contender: Contender): Promise<Figures>
  judge(reports: ReadonlyMap<string, ContenderReport>, leftOut: readonly LeftOut[]): { ratios: Figures; goals: Goal[] }
}

/**
 * Runs the contenders in rounds, forwards and backwards in turn (A B B A …), so that what the machine does meanwhile falls on
 * all of them alike.
 */
export async function compare(comparison: Comparison, progress: Progress): Promise<BenchReport> {
  const startedAt = new Date().toISOString()
  const on = machine()
  const prepared = await Promise.all(comparison.contenders.map(prepare))
  const leftOut = prepared.filter(isLeftOut)
  const contenders = prepared.filter((contender): contender is Contender => !isLeftOut(contender))
  for (const { name, reason } of leftOut) progress(`${name} is left out: ${reason}`)
  const runs = new Map<string, Figures[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < comparison.rounds; round += 1) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed()
    for (const contender of order) {
      progress(`round ${round + 1} of ${comparison.rounds}: ${contender.name}`)
      runs.get(contender.name)?.push(await comparison.run(contender))
    }
  }
  const reports = contenders.map((contender) => contenderReport(contender, runs.get(contender.name) ?? []))
  const { ratios, goals } = comparison.judge(new Map(reports.map((report) => [report.name, report])), leftOut)
  return {
    schema: 'sealsync.bench/1',
    name: comparison.name,
    options: comparison.options,
    startedAt,
    machine: on,
    contenders: reports,
    leftOut,
    ratios,
    goals,
    ok: goals.every(({ ok }) => ok !== false)
  }
}

export function isContender(name: string): name is ContenderName {
  return (CONTENDERS as readonly string[]).includes(name)
}

/** Why a contender's figure is missing. */
export function reasonOf(leftOut: readonly LeftOut[], name: string): string {
  return leftOut.find((one) => one.name === name)?.reason ?? `${name} was not among the contenders`
}

export function ratio(of: number | undefined, to: number | undefined): number {
  return of === undefined || to === undefined ? Number.NaN : Number((of / to).toPrecision(4))
}
