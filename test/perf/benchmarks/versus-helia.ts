import { type Benchmark, compare, ratio, reasonOf } from '../harness/bench.ts'
import { atLeast } from '../harness/report.ts'
import { bulkPlan, holdersPrefix, runHolders } from './catch-up.ts'

/** How many times its verified MB/s ours must be, by number of holders. */
const GOALS: ReadonlyMap<number, number> = new Map([
  [1, 3],
  [4, 8]
])

const HELIAS = ['helia', 'helia-tuned'] as const

export const versusHelia: Benchmark = {
  name: 'versus-helia',
  summary:
    'side by side with @helia/bitswap, as its users start it and with our flags: verified MB/s and duplicates with 1 and 4 holders',
  flags: ['rounds', 'holders', 'bytes', 'blob', 'security', 'pin', 'nodeFlags'],
  run: (options, progress) => {
    const counts = options.holders ?? [1, 4]
    const plans = counts.map((holders) => bulkPlan({ ...options, bytes: options.bytes ?? 256 * 1_048_576 }, holders))
    return compare(
      {
        name: 'versus-helia',
        options: { ...plans[0], holders: counts },
        contenders: ['sealsync', ...HELIAS],
        rounds: options.rounds ?? 5,
        run: (contender) => runHolders(contender, plans),
        judge: (reports, leftOut) => {
          const times = HELIAS.flatMap((helia) =>
            counts.map((holders) => {
              const figure = `${holdersPrefix(holders)}mbPerSecond`
              const value = ratio(reports.get('sealsync')?.median[figure], reports.get(helia)?.median[figure])
              return { helia, holders, name: `${holdersPrefix(holders)}MB/s to ${helia}'s`, value }
            })
          )
          return {
            ratios: Object.fromEntries(times.map(({ name, value }) => [name, value])),
            // Held against Helia as its users have it; with our flags it is shown.
            goals: times
              .filter(({ helia }) => helia === 'helia')
              .map(({ helia, holders, name, value }) =>
                atLeast(name, value, GOALS.get(holders) ?? 1, reasonOf(leftOut, helia))
              )
          }
        }
      },
      progress
    )
  }
}
