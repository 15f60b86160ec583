import { type Benchmark, type BenchOptions, compare, ratio, reasonOf } from '../harness/bench.ts'
import type { LeftOut } from '../harness/contender.ts'
import { type HerdPlan, runHerd } from '../harness/herd-run.ts'
import { atMost, type ContenderReport, type Figures, type Goal } from '../harness/report.ts'

const MIB = 1_048_576
/** Copies of a blob that a producer may send: its children in the tree, and one for somebody whose parent is gone. */
const MOST_COPIES = 5
/** From so many nodes on the tree is deep enough for the producers to send less than the others. */
const DEEP = 20

/** The plan of a herd without its contender, from the flags. */
export function herdPlan(
  options: BenchOptions,
  shape: { nodes: number; delayMs: number }
): Omit<HerdPlan, 'contender'> {
  const silentProducers = options.silentProducer ?? 0
  return {
    ...shape,
    producers: options.producers ?? (silentProducers > 0 ? 3 : 2),
    seconds: options.seconds ?? 30,
    warmUpSeconds: options.warmUp ?? 5,
    rate: options.rate ?? 3,
    blobBytes: options.blob ?? MIB,
    silent: options.silent ?? 0,
    silentProducers,
    security: options.security ?? 'tls',
    nodeFlags: options.nodeFlags ?? []
  }
}

/** What a herd of ours must show, against boxo's where it ran beside it. */
export function herdGoals(
  reports: ReadonlyMap<string, ContenderReport>,
  about: { plan: Omit<HerdPlan, 'contender'>; prefix: string; leftOut: readonly LeftOut[] }
): Goal[] {
  const { plan, prefix, leftOut } = about
  const figure = (contender: string, name: string): number | undefined => reports.get(contender)?.median[prefix + name]
  const ours = (name: string): number | undefined => figure('sealsync', name)
  const quiet = plan.silent + plan.silentProducers > 0
  const named = (name: string): string => `${prefix}${name}`
  const goals = [
    atMost(named('duplicateRatio'), ours('duplicateRatio'), quiet ? 0.001 : 0.0005),
    atMost(named('missing'), ours('missing'), 0),
    atMost(named('streamsOpenedPerSecondPerNode'), ours('streamsOpenedPerSecondPerNode'), 0),
    atMost(named('streamsOpenPerPeer'), ours('streamsOpenPerPeer'), 4)
  ]
  if (quiet) goals.push(atMost(named('storedMsP99'), ours('storedMsP99'), 1000))
  else {
    const missing = reasonOf(leftOut, 'boxo')
    for (const name of ['storedMsP50', 'storedMsP99']) {
      goals.push(atMost(`${named(name)} against boxo's`, ours(name), figure('boxo', name), missing))
    }
    goals.push(atMost(named('producerCopiesPerBlob'), ours('producerCopiesPerBlob'), MOST_COPIES))
    if (plan.nodes >= DEEP) goals.push(atMost(named('producerUploadShare'), ours('producerUploadShare'), 0.55))
  }
  return goals
}

export function herdRatios(reports: ReadonlyMap<string, ContenderReport>, prefix = ''): Figures {
  const ours = reports.get('sealsync')?.median
  return Object.fromEntries(
    [...reports.values()]
      .filter(({ name }) => name !== 'sealsync')
      .flatMap(({ name, median }) =>
        ['storedMsP50', 'storedMsP99', 'cpuPercentAllNodes', 'rssPeakMiB'].map((figure) => [
          `${prefix}${figure}, sealsync to ${name}`,
          ratio(ours?.[prefix + figure], median[prefix + figure])
        ])
      )
  )
}

export const herd: Benchmark = {
  name: 'herd',
  summary: 'producers make a blob, all others want it at once: duplicates, latency, upload, streams, CPU, memory',
  flags: [
    'rounds',
    'contenders',
    'nodes',
    'producers',
    'seconds',
    'warmUp',
    'rate',
    'blob',
    'delay',
    'silent',
    'silentProducer',
    'security',
    'nodeFlags'
  ],
  run: (options, progress) => {
    const plan = herdPlan(options, { nodes: options.nodes?.[0] ?? 10, delayMs: options.delay?.[0] ?? 0 })
    return compare(
      {
        name: 'herd',
        options: { ...plan },
        contenders: options.contenders ?? ['sealsync', 'boxo'],
        rounds: options.rounds ?? 3,
        run: (contender) => runHerd({ ...plan, contender }),
        judge: (reports, leftOut) => ({
          ratios: herdRatios(reports),
          goals: herdGoals(reports, { plan, prefix: '', leftOut })
        })
      },
      progress
    )
  }
}
