import { type Rng, seededRng } from '../../util/index.ts'
import { median } from '../localnet/figures.ts'

export interface Interval {
  readonly low: number
  readonly high: number
}

/** The middle of an arm's runs, and how far they lie apart. */
export interface Centre {
  readonly median: number
  /** Largest less smallest. */
  readonly spread: number
}

export const centreOf = (values: readonly number[]): Centre => ({
  median: median(values) ?? Number.NaN,
  spread: Math.max(...values) - Math.min(...values)
})

/** Draws of the bootstrap: with more of them the ends of an interval move by less than they are shown with. */
const DRAWS = 4_000

const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

function drawn(values: readonly number[], rng: Rng): number[] {
  return values.map(() => values[Math.floor(rng.next() * values.length)] ?? Number.NaN)
}

/**
 * The 95 % interval of how many times b is of a: percentiles of the ratio of geometric means over draws with replacement from the runs of
 * each arm. The same seed gives the same interval. All values are above 0.
 */
export function ratioInterval(a: readonly number[], b: readonly number[], seed: number): Interval {
  const rng = seededRng(seed)
  const ratios = Array.from({ length: DRAWS }, () => geometricMean(drawn(b, rng)) / geometricMean(drawn(a, rng)))
  ratios.sort((x, y) => x - y)
  const at = (share: number): number => ratios[Math.min(DRAWS - 1, Math.floor(share * DRAWS))] ?? Number.NaN
  return { low: at(0.025), high: at(0.975) }
}
