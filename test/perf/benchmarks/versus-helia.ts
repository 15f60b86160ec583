import { type Benchmark, compare, ratio, reasonOf } from '../harness/bench.ts'
import { atLeast } from '../harness/report.ts'
import { bulkPlan, holdersPrefix, runHolders } from './catch-up.ts'

/** How many times its verified MB/s ours must be, by number of holders. */
const GOALS: ReadonlyMap<number, number> = new Map([
  [1, 3],
  [4, 8]
])

export const versusHelia: Benchmark = {
  name: 'versus-helia',
  summary: 'side by side with @helia/bitswap: verified MB/s and duplicates with 1 and 4 holders',
  flags: ['rounds', 'holders', 'bytes', 'blob', 'security', 'pin', 'nodeFlags'],
  run: (options, progress) => {
    const counts = options.holders ?? [1, 4]
    const plans = counts.map((holders) => bulkPlan({ ...options, bytes: options.bytes ?? 256 * 1_048_576 }, holders))
    return compare(
      {
        name: 'versus-helia',
        options: { ...plans[0], holders: counts },
        contenders: ['sealsync', 'helia'],
        rounds: options.rounds ?? 5,
        run: (contender) => runHolders(contender, plans),
        judge: (reports, leftOut) => {
          const times = counts.map((holders) => {
            const figure = `${holdersPrefix(holders)}mbPerSecond`
            return [
              holders,
              ratio(reports.get('sealsync')?.median[figure], reports.get('helia')?.median[figure])
            ] as const
          })
          return {
            ratios: Object.fromEntries(
              times.map(([holders, value]) => [`${holdersPrefix(holders)}MB/s to helia's`, value])
            ),
            goals: times.map(([holders, value]) =>
              atLeast(
                `${holdersPrefix(holders)}MB/s to helia's`,
                value,
                GOALS.get(holders) ?? 1,
                reasonOf(leftOut, 'helia')
              )
            )
          }
        }
      },
      progress
    )
  }
}
