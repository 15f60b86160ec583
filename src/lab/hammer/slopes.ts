import type { Slope } from './report.ts'

/** One look at a figure. */
export interface Point {
  readonly atMs: number
  readonly value: number
}

/** Equal pieces of a run; neighbouring samples are alike, the means of pieces are nearly independent. */
const PIECES = 20
const HOUR_MS = 3_600_000
/** Student's t for 95 %, two-sided, by degrees of freedom; beyond, the normal distribution is near enough. */
const T95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1]

/**
 * How a figure changes with time: the least-squares line through the means of equal pieces, with the 95 % interval of its slope.
 * `undefined` for fewer than three pieces with samples.
 */
export function slopeOf(
  points: readonly Point[],
  what: { readonly name: string; readonly unit: string }
): Slope | undefined {
  const means = pieces(points)
  const n = means.length
  if (n < 3) return undefined
  const meanOf = (of: (point: Point) => number): number => means.reduce((sum, point) => sum + of(point), 0) / n
  const [midTime, midValue] = [meanOf(({ atMs }) => atMs), meanOf(({ value }) => value)]
  const spread = means.reduce((sum, { atMs }) => sum + (atMs - midTime) ** 2, 0)
  if (spread === 0) return undefined
  const slope = means.reduce((sum, { atMs, value }) => sum + (atMs - midTime) * (value - midValue), 0) / spread
  const left = means.reduce((sum, { atMs, value }) => sum + (value - midValue - slope * (atMs - midTime)) ** 2, 0)
  const half = (T95[n - 3] ?? 1.96) * Math.sqrt(left / (n - 2) / spread)
  return {
    ...what,
    perHour: slope * HOUR_MS,
    ci95: [(slope - half) * HOUR_MS, (slope + half) * HOUR_MS],
    samples: points.length
  }
}

function pieces(points: readonly Point[]): Point[] {
  const first = points[0]?.atMs ?? 0
  const span = (points.at(-1)?.atMs ?? 0) - first
  const sums = Array.from({ length: PIECES }, () => ({ atMs: 0, value: 0, count: 0 }))
  for (const { atMs, value } of points) {
    const sum = sums[Math.min(PIECES - 1, Math.floor(((atMs - first) / Math.max(1, span)) * PIECES))]
    if (sum === undefined) continue
    sum.atMs += atMs
    sum.value += value
    sum.count += 1
  }
  return sums
    .filter(({ count }) => count > 0)
    .map(({ atMs, value, count }) => ({ atMs: atMs / count, value: value / count }))
}
