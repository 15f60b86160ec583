/** Randomness as a port. */
export interface Rng {
  /** A number in [0, 1). */
  next(): number
}

export const systemRng: Rng = { next: () => Math.random() }

/**
 * A small deterministic generator (mulberry32) for simulations, workloads and tests; not for secrets.
 * The seed's low 32 bits count.
 */
export function seededRng(seed: number): Rng {
  let state = seed >>> 0
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0
      let t = state
      t = Math.imul(t ^ (t >>> 15), t | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
    }
  }
}
