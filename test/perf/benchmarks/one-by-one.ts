import { type Benchmark, compare } from '../harness/bench.ts'
import { runOneByOne } from '../harness/bulk-run.ts'
import { atMost } from '../harness/report.ts'
import { bulkPlan } from './catch-up.ts'

export const oneByOne: Benchmark = {
  name: 'one-by-one',
  summary: 'one 1 MiB blob at a time from one peer: the latency of a fetch',
  flags: ['rounds', 'contenders', 'count', 'blob', 'security', 'pin', 'nodeFlags'],
  run: (options, progress) => {
    const plan = { ...bulkPlan(options, 1), count: options.count ?? 200 }
    return compare(
      {
        name: 'one-by-one',
        options: plan,
        contenders: options.contenders ?? ['sealsync', 'boxo'],
        rounds: options.rounds ?? 3,
        run: (contender) => runOneByOne({ ...plan, contender }),
        judge: (reports) => ({
          ratios: {},
          goals: [atMost('p50Ms', reports.get('sealsync')?.median['p50Ms'], 5)]
        })
      },
      progress
    )
  }
}
