import { defaultExchangeOptions } from '#src/exchange/index.ts'
import { type Benchmark, compare } from '../harness/bench.ts'
import { prefixed } from '../harness/herd-run.ts'
import { type HostilePlan, runHostile } from '../harness/hostile-run.ts'
import { atMost, type Figures, type Goal } from '../harness/report.ts'
import { HOSTILE_MODES } from '#src/lab/hammer/attacks.ts'

const MIB = 1_048_576
/** What a peer gone bad may cost its target in resident memory, and everybody in their slowest deliveries. */
const MOST_RSS_MIB = 64
const MOST_P99_RATIO = 1.5
/** What answers wants falsely; and the time after which another holder has delivered at the latest: the hard limit and a second. */
const LIES: readonly string[] = ['have-and-silence', 'half-blocks']
const MOST_MS_FOR_A_LIE = defaultExchangeOptions.client.hardLimitMs + 1000
const NEVER_ASKED = 'nobody asked the hostile peer for anything in this run'

export const hostile: Benchmark = {
  name: 'hostile',
  summary:
    'a herd, and a peer of the table that goes bad half way: memory and CPU of its target, latency of all others',
  flags: ['rounds', 'modes', 'nodes', 'producers', 'seconds', 'warmUp', 'rate', 'blob', 'security', 'nodeFlags'],
  run: (options, progress) => {
    const modes = options.modes ?? Object.keys(HOSTILE_MODES)
    const plan: Omit<HostilePlan, 'contender' | 'mode'> = {
      nodes: options.nodes?.[0] ?? 8,
      // One: with two, everybody is a child of theirs, and nobody would ask the hostile peer for anything.
      producers: options.producers ?? 1,
      seconds: options.seconds ?? 15,
      warmUpSeconds: options.warmUp ?? 6,
      rate: options.rate ?? 3,
      blobBytes: options.blob ?? MIB,
      security: options.security ?? 'tls',
      nodeFlags: options.nodeFlags ?? []
    }
    return compare(
      {
        name: 'hostile',
        options: { ...plan, modes },
        contenders: ['sealsync'],
        rounds: options.rounds ?? 3,
        run: async (contender) => {
          let figures: Figures = {}
          for (const mode of modes) {
            progress(mode)
            figures = { ...figures, ...prefixed(`${mode}: `, await runHostile({ ...plan, contender, mode })) }
          }
          return figures
        },
        judge: (reports) => {
          const median = reports.get('sealsync')?.median ?? {}
          return { ratios: {}, goals: modes.flatMap((mode) => goalsOf(mode, median)) }
        }
      },
      progress
    )
  }
}

function goalsOf(mode: string, median: Figures): Goal[] {
  const figure = (name: string): number | undefined => median[`${mode}: ${name}`]
  const goal = (name: string, bound: number): Goal => atMost(`${mode}: ${name}`, figure(name), bound)
  // A lie costs whoever believes it one late blob; what is late then is the hundredth part of a short run.
  const slowest = LIES.includes(mode) ? goal('MaxAttackMs', MOST_MS_FOR_A_LIE) : goal('P99Ratio', MOST_P99_RATIO)
  const goals = [goal('RssGrowthMiB', MOST_RSS_MIB), slowest, goal('Missing', 0)]
  if (mode === 'none' || figure('AttackPerSecond') !== 0) return goals
  return goals.map(({ name, value, goal: bound }) => ({ name, value, goal: bound, ok: null, reason: NEVER_ASKED }))
}
