import { LatencyHistogram } from './latency.ts'
import type { PhaseReport } from './report.ts'

/** How a request ended: served, refused in so many words, or neither. `by` is a short name: an error code, a limit. */
export type Outcome =
  | { readonly kind: 'ok'; readonly bytes: number }
  | { readonly kind: 'rejected'; readonly by: string }
  | { readonly kind: 'failed'; readonly by: string }

/** Different reasons kept by name; a target that makes up ever new ones does not fill the driver. */
const MAX_REASONS = 64

/** What came of the requests of a phase. */
export class Tally {
  readonly latency = new LatencyHistogram()
  #ok = 0
  #bytes = 0
  readonly #rejectedBy = new Map<string, number>()
  readonly #failedBy = new Map<string, number>()

  get ok(): number {
    return this.#ok
  }

  get bytes(): number {
    return this.#bytes
  }

  get rejected(): number {
    return total(this.#rejectedBy)
  }

  get failed(): number {
    return total(this.#failedBy)
  }

  /** Counts one; only what was served has a latency. */
  add(outcome: Outcome, ms: number): void {
    if (outcome.kind === 'ok') {
      this.#ok += 1
      this.#bytes += outcome.bytes
      this.latency.add(ms)
    } else {
      count(outcome.kind === 'rejected' ? this.#rejectedBy : this.#failedBy, outcome.by)
    }
  }

  report(name: string, seconds: number): PhaseReport {
    return {
      name,
      seconds: Math.round(seconds * 1000) / 1000,
      requests: { ok: this.#ok, rejected: this.rejected, failed: this.failed },
      rejectedBy: Object.fromEntries(this.#rejectedBy),
      ...(this.#failedBy.size === 0 ? {} : { failedBy: Object.fromEntries(this.#failedBy) }),
      bytes: this.#bytes,
      latencyMs: { p50: this.latency.quantile(0.5), p99: this.latency.quantile(0.99), max: this.latency.max }
    }
  }
}

/** A short name of an error: its code where it has one. */
export function nameOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  if (typeof code === 'string' && code !== '') return code.slice(0, 64)
  return typeof name === 'string' ? name : 'error'
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, n) => sum + n, 0)

function count(counts: Map<string, number>, name: string): void {
  const key = counts.has(name) || counts.size < MAX_REASONS ? name : 'other'
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
