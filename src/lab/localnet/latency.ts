import type { LatencyFigures } from './status.ts'

/** Announce to stored over several nodes. `method` says how the percentiles were made. */
export interface MergedLatency {
  readonly count: number
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly p999: number | null
  readonly max: number | null
  /**
   * `histogram`: from the sum of all nodes' histograms, the upper bound of a bucket. `worst-node`: the largest of the nodes' own
   * percentiles, an upper bound, since a node gave no histogram.
   */
  readonly method: 'histogram' | 'worst-node' | 'none'
}

const QUANTILES = { p50: 0.5, p95: 0.95, p99: 0.99, p999: 0.999 } as const
type Bucket = readonly [upperMs: number, count: number]

/**
 * The upper bound of the bucket in which the share `q` of observations is reached, never above `max`. Not interpolated: a node may leave
 * out its empty buckets, and then nobody knows where a bucket begins.
 */
export function histogramQuantile(buckets: readonly Bucket[], q: number, max: number): number {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0)
  let left = Math.max(1, Math.ceil(q * total))
  for (const [upper, count] of buckets) {
    left -= count
    if (left <= 0) return Math.min(upper, max)
  }
  return max
}

function sumBuckets(all: readonly LatencyFigures[]): Bucket[] {
  const sum = new Map<number, number>()
  for (const { buckets = [] } of all)
    for (const [upper, count] of buckets) sum.set(upper, (sum.get(upper) ?? 0) + count)
  return [...sum].sort(([a], [b]) => a - b)
}

/** One set of figures for all nodes that observed anything. */
export function mergeLatency(nodes: readonly LatencyFigures[]): MergedLatency {
  const seen = nodes.filter((figures) => figures.count > 0)
  const count = seen.reduce((sum, figures) => sum + figures.count, 0)
  if (count === 0) return { count: 0, p50: null, p95: null, p99: null, p999: null, max: null, method: 'none' }
  const max = Math.max(...seen.map((figures) => figures.max))
  const exact = seen.every((figures) => figures.buckets !== undefined)
  const buckets = exact ? sumBuckets(seen) : []
  const quantile = (key: keyof typeof QUANTILES): number =>
    exact ? histogramQuantile(buckets, QUANTILES[key], max) : Math.max(...seen.map((figures) => figures[key]))
  return {
    count,
    p50: quantile('p50'),
    p95: quantile('p95'),
    p99: quantile('p99'),
    p999: quantile('p999'),
    max,
    method: exact ? 'histogram' : 'worst-node'
  }
}
