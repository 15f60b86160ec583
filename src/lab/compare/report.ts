import type { LocalnetReport } from '../localnet/report.ts'
import type { Arm } from './arms.ts'
import type { Effect } from './effects.ts'
import type { ArmProfile } from './profiles.ts'

/** `compare --json`. Its meaning is fixed; fields may be added. */
export interface CompareReport {
  readonly schema: 'sealsync.compare/1'
  readonly ok: boolean
  readonly reasons: readonly string[]
  /** What an arm did not keep up with, in runs that were measured all the same: no failure of the comparison. */
  readonly shortfalls: readonly string[]
  readonly seed: number
  readonly version: string
  readonly revision: string
  readonly startedAt: string
  readonly machine: LocalnetReport['machine'] | null
  readonly workload: CompareWorkload
  readonly rounds: number
  /** Runs as they were made; `ab` is a mixed mesh of both. */
  readonly order: readonly ('a' | 'b' | 'ab')[]
  readonly arms: { readonly a: ArmReport; readonly b: ArmReport }
  readonly effects: readonly Effect[]
  readonly verdict: string
  /** With `--profiles`, of one access node of each arm. */
  readonly profiles: { readonly a: ArmProfile; readonly b: ArmProfile } | null
  readonly wallSeconds: number
}

export interface ArmReport {
  readonly options: Arm
  /** Every run, those that failed too. Of a mixed mesh each run stands under both arms. */
  readonly runs: readonly LocalnetReport[]
}

export interface CompareWorkload {
  readonly source: string
  readonly execution: number
  readonly access: number
  readonly rate: number
  readonly blobSize: number | null
  readonly blobsPerBlock: number | null
  readonly delayMs: number
  readonly forMs: number | null
  readonly blocks: number | null
  readonly mixed: boolean
  /** Blocks that every node had before. */
  readonly history: number
  /** How the arms with a DHT provide everything again, and by how much time is compressed against flow-go's 12 h. */
  readonly reprovide: ReprovideNote | null
}

export interface ReprovideNote {
  readonly intervalMs: number
  readonly thresholdMs: number
  readonly queue: number
  readonly concurrency: number
  readonly compression: number
  /** Whether a node ended a round within the window. */
  readonly roundEnded: boolean | null
}

const WORDS: readonly (readonly [metric: string, words: string])[] = [
  ['rssBytes.peak', 'peak memory'],
  ['cpuSecondsPerGiB', 'CPU'],
  ['streamsOpenedPerSecond', 'streams'],
  ['duplicateBytes', 'duplicate bytes'],
  ['duplicateBytesPerSecond', 'duplicate bytes'],
  ['announceToStoredMs.p50', 'time to store']
]

const times = (ratio: number): string => (ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2))

/** One sentence: what the second arm takes against the first. */
export function verdictOf(names: { readonly a: string; readonly b: string }, effects: readonly Effect[]): string {
  if (effects.length === 0) return `Nothing can be said of ${names.a} and ${names.b}: no pair of runs was completed.`
  const of = (metric: string): Effect | undefined => effects.find((effect) => effect.metric === metric)
  const told = WORDS.flatMap(([metric, words]) => {
    const effect = of(metric)
    return effect?.better === 'none' || effect?.ratio === undefined || effect.ratio === null
      ? []
      : [`${times(effect.ratio)} times the ${words}`]
  })
  const none = WORDS.flatMap(([metric, words]) => (of(metric)?.better === 'none' ? [words] : []))
  const rest = none.length === 0 ? '' : `; no difference to be seen in ${none.join(', ')}`
  const wins = (arm: 'a' | 'b'): number => effects.filter(({ better }) => better === arm).length
  const score = `${names.a} is better off in ${wins('a')} of ${effects.length} measures, ${names.b} in ${wins('b')}`
  return told.length === 0
    ? `${score}${rest}.`
    : `Against ${names.a}, ${names.b} takes ${told.join(', ')}${rest}; ${score}.`
}
