import { type Benchmark, compare } from '../harness/bench.ts'
import { prefixed } from '../harness/herd-run.ts'
import { type HostilePlan, runHostile } from '../harness/hostile-run.ts'
import { atMost, type Figures, type Goal } from '../harness/report.ts'
import { HOSTILE_MODES } from '../peers/attacks.ts'

const MIB = 1_048_576
/** What a peer gone bad may cost its target in resident memory, and everybody in their slowest deliveries. */
const MOST_RSS_MIB = 64
const MOST_P99_RATIO = 1.5

export const hostile: Benchmark = {
  name: 'hostile',
  summary:
    'a herd, and a peer of the table that goes bad half way: memory and CPU of its target, latency of all others',
  flags: ['rounds', 'modes', 'nodes', 'producers', 'seconds', 'warmUp', 'rate', 'blob', 'security', 'nodeFlags'],
  run: (options, progress) => {
    const modes = options.modes ?? Object.keys(HOSTILE_MODES)
    const plan: Omit<HostilePlan, 'contender' | 'mode'> = {
      nodes: options.nodes?.[0] ?? 8,
      producers: options.producers ?? 2,
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
  const goal = (name: string, bound: number): Goal => atMost(`${mode}: ${name}`, median[`${mode}: ${name}`], bound)
  return [goal('RssGrowthMiB', MOST_RSS_MIB), goal('P99Ratio', MOST_P99_RATIO), goal('Missing', 0)]
}
