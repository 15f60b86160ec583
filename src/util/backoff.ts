import type { Rng } from './rng.ts'

export interface BackoffOptions {
  /** First delay, ms. */
  readonly initialMs: number
  /** Largest delay, ms. */
  readonly maxMs: number
  /** Share of the delay that is random, 0 to 1: the delay lies in [delay × (1 − jitter), delay]. */
  readonly jitter: number
}

/** The delay before try `attempt` (0 is the first repetition), doubling each time, in ms. */
export function backoffMs(attempt: number, options: BackoffOptions, rng: Rng): number {
  const full = Math.min(options.maxMs, options.initialMs * 2 ** Math.min(attempt, 40))
  return full * (1 - options.jitter * rng.next())
}
