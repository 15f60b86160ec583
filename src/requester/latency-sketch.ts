/** Figures of a sketch, ms; null while it is empty. */
export interface LatencySummary {
  readonly count: number
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
  readonly p999: number | null
  readonly max: number | null
  /** Buckets that are not empty: upper bound, ms, and count. The bounds are the same in every node, so nodes can be added up. */
  readonly buckets: readonly (readonly [upperMs: number, count: number])[]
}

/** Each bucket is this much wider than the one below: a value is at most 1 % away from its bucket's middle. */
const RELATIVE_ERROR = 0.01
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
const LOG_GAMMA = Math.log(GAMMA)
/** Bucket 0 takes everything up to this, ms. */
const SMALLEST_MS = 0.1
/** The last bucket takes everything above some 3 hours. */
const BUCKETS = 1 + Math.ceil(Math.log(1e7 / SMALLEST_MS) / LOG_GAMMA)

/**
 * Counts durations in buckets that grow by a fixed factor (the idea of DDSketch): quantiles within 1 % of a true sample, in 7 KiB
 * however many are added.
 */
export class LatencySketch {
  readonly #counts = new Float64Array(BUCKETS)
  #count = 0
  #max = 0

  /** Counts a duration, ms. Negative ones (clocks that differ) count as 0; what is not a number is ignored. */
  add(ms: number): void {
    if (Number.isNaN(ms)) return
    const value = Math.max(0, ms)
    const index = value <= SMALLEST_MS ? 0 : Math.ceil(Math.log(value / SMALLEST_MS) / LOG_GAMMA)
    const bucket = Math.min(BUCKETS - 1, index)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count += 1
    this.#max = Math.max(this.#max, value)
  }

  get count(): number {
    return this.#count
  }

  /** The smallest duration that at least the share `q` of all do not exceed; undefined while empty. */
  quantile(q: number): number | undefined {
    if (this.#count === 0) return undefined
    let left = Math.max(1, Math.ceil(q * this.#count))
    for (let index = 0; index < BUCKETS; index += 1) {
      left -= this.#counts[index] ?? 0
      if (left <= 0) return Math.min(this.#max, middleOf(index))
    }
    return this.#max
  }

  summary(): LatencySummary {
    const at = (q: number): number | null => {
      const value = this.quantile(q)
      return value === undefined ? null : rounded(value)
    }
    const buckets: [number, number][] = []
    this.#counts.forEach((count, index) => {
      if (count > 0) buckets.push([upperOf(index), count])
    })
    const max = this.#count === 0 ? null : rounded(this.#max)
    return { count: this.#count, p50: at(0.5), p95: at(0.95), p99: at(0.99), p999: at(0.999), max, buckets }
  }
}

/** The value whose distance to both edges of the bucket is the same share of them. */
function middleOf(index: number): number {
  return index === 0 ? SMALLEST_MS : (SMALLEST_MS * GAMMA ** index * 2) / (1 + GAMMA)
}

const upperOf = (index: number): number => Math.round(SMALLEST_MS * GAMMA ** index * 1_000) / 1_000
const rounded = (ms: number): number => Math.round(ms * 100) / 100
