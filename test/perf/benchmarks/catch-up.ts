import { type Benchmark, type BenchOptions, compare } from '../harness/bench.ts'
import { type BulkPlan, runBulk } from '../harness/bulk-run.ts'
import type { Contender } from '../harness/contender.ts'
import { atLeast, atMost, type ContenderReport, type Figures, type Goal } from '../harness/report.ts'

const MIB = 1_048_576

export function bulkPlan(options: BenchOptions, holders: number): Omit<BulkPlan, 'contender'> {
  return {
    holders,
    bytes: options.bytes ?? 1024 * MIB,
    blobBytes: options.blob ?? MIB,
    security: options.security ?? 'tls',
    pin: options.pin ?? true,
    nodeFlags: options.nodeFlags ?? []
  }
}

/** The figures of one run after the other, each under its number of holders. */
export async function runHolders(
  contender: Contender,
  plans: readonly Omit<BulkPlan, 'contender'>[]
): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const plan of plans) {
    for (const [name, value] of Object.entries(await runBulk({ ...plan, contender }))) {
      figures[holdersPrefix(plan.holders) + name] = value
    }
  }
  return figures
}

export const holdersPrefix = (holders: number): string => `${holders} holders: `

function goalsOf(reports: ReadonlyMap<string, ContenderReport>, counts: readonly number[]): Goal[] {
  const ours = reports.get('sealsync')?.median ?? {}
  const figure = (holders: number, name: string): number | undefined => ours[holdersPrefix(holders) + name]
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  return [
    ...counts.map((holders) =>
      atMost(`${holdersPrefix(holders)}duplicateRatio`, figure(holders, 'duplicateRatio'), 0.0005)
    ),
    ...(most > least
      ? [atLeast(`MB/s with ${most} holders`, figure(most, 'mbPerSecond'), figure(least, 'mbPerSecond'))]
      : [])
  ]
}

export const catchUp: Benchmark = {
  name: 'catch-up',
  summary: 'one node fetches much data that every other holds: verified MB/s, CPU, duplicates',
  flags: ['rounds', 'contenders', 'holders', 'bytes', 'blob', 'security', 'pin', 'nodeFlags'],
  run: (options, progress) => {
    const counts = options.holders ?? [1, 4, 9]
    const plans = counts.map((holders) => bulkPlan(options, holders))
    return compare(
      {
        name: 'catch-up',
        options: { ...plans[0], holders: counts },
        contenders: options.contenders ?? ['sealsync'],
        rounds: options.rounds ?? 5,
        run: (contender) => runHolders(contender, plans),
        judge: (reports) => ({ ratios: {}, goals: goalsOf(reports, counts) })
      },
      progress
    )
  }
}
