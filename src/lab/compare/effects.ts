import { MEASURES, type Measure, type Side } from './measures.ts'
import { type Centre, centreOf, ratioInterval } from './statistics.ts'

/** One measure of both arms. */
export interface Effect {
  readonly metric: string
  readonly unit: string
  readonly a: Centre
  readonly b: Centre
  /** How many times b is of a, by the medians; `null` where one of them is 0 and 0 cannot be told from little. */
  readonly ratio: number | null
  readonly ci95: readonly [low: number, high: number] | null
  /** The arm that is better off; `none` when the interval holds 1: then there is no effect to be seen. */
  readonly better: 'a' | 'b' | 'none'
  /** Rounds in which the difference points the same way as the ratio. */
  readonly agreeing: number
  readonly rounds: number
}

/** Two sides of one round, in one order or the other. */
export interface Round {
  readonly a: Side
  readonly b: Side
}

/** Every measure that was seen on both sides. `mixed`: both sides were in one run. */
export function effectsOf(
  rounds: readonly Round[],
  options: { readonly seed: number; readonly mixed: boolean }
): Effect[] {
  return MEASURES.filter(({ wholeRun }) => !options.mixed || wholeRun !== true).flatMap((measure) => {
    const pairs = rounds.flatMap((round) => pairOf(measure, round))
    return pairs.length === 0 ? [] : [effectOf(measure, pairs, options.seed)]
  })
}

/** A measure of both arms at one time. */
export interface Pair {
  readonly a: number
  readonly b: number
  /** With the least that can be seen in the place of less. */
  readonly forRatio: readonly [a: number, b: number]
}

function pairOf({ of, floor }: Measure, round: Round): Pair[] {
  const [a, b] = [of(round.a), of(round.b)]
  if (a === null || b === null) return []
  const least = floor === undefined ? 0 : Math.max(floor(round.a), floor(round.b))
  return [{ a, b, forRatio: [Math.max(a, least), Math.max(b, least)] }]
}

/** What at least one pair says. */
export function effectOf(
  { metric, unit, better }: Pick<Measure, 'metric' | 'unit' | 'better'>,
  pairs: readonly Pair[],
  seed: number
): Effect {
  const common = {
    metric,
    unit,
    a: centreOf(pairs.map(({ a }) => a)),
    b: centreOf(pairs.map(({ b }) => b)),
    rounds: pairs.length
  }
  const [a, b] = [pairs.map(({ forRatio }) => forRatio[0]), pairs.map(({ forRatio }) => forRatio[1])]
  if ([...a, ...b].some((value) => value <= 0)) {
    return { ...common, ratio: null, ci95: null, better: 'none', agreeing: pairs.length }
  }
  const ratio = centreOf(b).median / centreOf(a).median
  const ratios = pairs.map(({ forRatio }) => forRatio[1] / forRatio[0])
  const { low, high } = withRounds(ratioInterval(a, b, seed), ratios)
  const worse = low > 1 ? 'more' : high < 1 ? 'less' : 'none'
  return {
    ...common,
    ratio,
    ci95: [low, high],
    better: worse === 'none' ? 'none' : (worse === 'more') === (better === 'less') ? 'a' : 'b',
    agreeing: ratios.filter((one) => Math.sign(one - 1) === Math.sign(ratio - 1)).length
  }
}

/**
 * A bootstrap of few runs is too sure of itself. So where a single round went the other way, or none way, the interval reaches 1: an
 * effect is what every repetition shows.
 */
function withRounds(interval: { low: number; high: number }, ratios: readonly number[]): { low: number; high: number } {
  const everyWay = Math.min(...ratios) <= 1 && Math.max(...ratios) >= 1
  return everyWay ? { low: Math.min(1, interval.low), high: Math.max(1, interval.high) } : interval
}
