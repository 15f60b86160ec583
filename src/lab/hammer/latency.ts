/** Buckets to a doubling: neighbours lie 2.2 % apart. */
const PER_DOUBLING = 32
/** From 1 µs to some 18 minutes; longer ones count as that. */
const BUCKETS = 30 * PER_DOUBLING

/** Latencies in a fixed amount of memory, whatever their number: percentiles are within 2.2 %, the largest is exact. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS)
  #count = 0
  #max = 0

  add(ms: number): void {
    const at = Math.ceil(Math.log2(Math.max(1, ms * 1000)) * PER_DOUBLING)
    const bucket = Math.min(BUCKETS - 1, at)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#count += 1
    this.#max = Math.max(this.#max, ms)
  }

  get count(): number {
    return this.#count
  }

  /** Milliseconds; `null` when nothing was added. */
  get max(): number | null {
    return this.#count === 0 ? null : round(this.#max)
  }

  /** The upper bound of the bucket in which the share `q` is reached, ms; `null` when nothing was added. */
  quantile(q: number): number | null {
    if (this.#count === 0) return null
    let left = Math.max(1, Math.ceil(q * this.#count))
    for (const [at, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0) return round(Math.min(this.#max, 2 ** (at / PER_DOUBLING) / 1000))
    }
    return round(this.#max)
  }
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000
