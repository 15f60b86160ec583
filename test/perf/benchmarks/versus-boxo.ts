import { type Benchmark, type BenchOptions, compare, ratio, reasonOf } from '../harness/bench.ts'
import type { Contender } from '../harness/contender.ts'
import { type HerdPlan, runHerd } from '../harness/herd-run.ts'
import { atLeast, type ContenderReport, type Figures, type Goal } from '../harness/report.ts'
import { bulkPlan, holdersPrefix, runHolders } from './catch-up.ts'
import { herdGoals, herdPlan, herdRatios } from './herd.ts'

/** Of boxo's MB/s; going past it is no goal yet. */
const BULK_SHARE = 0.8

const herdPrefix = (plan: Omit<HerdPlan, 'contender'>): string => `herd of ${plan.nodes}, ${plan.delayMs} ms: `

function herdPlans(options: BenchOptions): Omit<HerdPlan, 'contender'>[] {
  return (options.nodes ?? [10, 20]).flatMap((nodes) =>
    (options.delay ?? [0, 10]).map((delayMs) => herdPlan(options, { nodes, delayMs }))
  )
}

async function runHerds(contender: Contender, plans: readonly Omit<HerdPlan, 'contender'>[]): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const plan of plans) {
    for (const [name, value] of Object.entries(await runHerd({ ...plan, contender }))) {
      figures[herdPrefix(plan) + name] = value
    }
  }
  return figures
}

function bulkGoals(reports: ReadonlyMap<string, ContenderReport>, counts: readonly number[], missing: string): Goal[] {
  return counts.map((holders) => {
    const figure = `${holdersPrefix(holders)}mbPerSecond`
    const share = ratio(reports.get('sealsync')?.median[figure], reports.get('boxo')?.median[figure])
    return atLeast(`${holdersPrefix(holders)}MB/s to boxo's`, share, BULK_SHARE, missing)
  })
}

export const versusBoxo: Benchmark = {
  name: 'versus-boxo',
  summary: "side by side with Go's boxo: herds of 10 and 20 at 0 and 10 ms, bulk from 1 and 9 holders",
  flags: [
    'rounds',
    'contenders',
    'nodes',
    'delay',
    'seconds',
    'warmUp',
    'holders',
    'bytes',
    'security',
    'pin',
    'nodeFlags'
  ],
  run: (options, progress) => {
    const herds = herdPlans(options)
    const counts = options.holders ?? [1, 9]
    const bulks = counts.map((holders) => bulkPlan({ ...options, bytes: options.bytes ?? 512 * 1_048_576 }, holders))
    return compare(
      {
        name: 'versus-boxo',
        options: { herds, bulk: { ...bulks[0], holders: counts } },
        contenders: options.contenders ?? ['sealsync', 'boxo'],
        rounds: options.rounds ?? 3,
        run: async (contender) => ({ ...(await runHerds(contender, herds)), ...(await runHolders(contender, bulks)) }),
        judge: (reports, leftOut) => ({
          ratios: Object.assign({}, ...herds.map((plan) => herdRatios(reports, herdPrefix(plan)))) as Figures,
          goals: [
            ...herds.flatMap((plan) => herdGoals(reports, { plan, prefix: herdPrefix(plan), leftOut })),
            ...bulkGoals(reports, counts, reasonOf(leftOut, 'boxo'))
          ]
        })
      },
      progress
    )
  }
}
