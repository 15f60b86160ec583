import type { Clock } from '../util/index.ts'

/** Lets `burst` events through at once and `perSecond` after that. Two numbers of state, so one a peer is cheap. */
export class TokenBucket {
  readonly perSecond: number
  readonly burst: number
  readonly #clock: Clock
  #tokens: number
  #filledAt: number

  constructor(clock: Clock, rate: { readonly perSecond: number; readonly burst: number }) {
    this.#clock = clock
    this.perSecond = rate.perSecond
    this.burst = rate.burst
    this.#tokens = rate.burst
    this.#filledAt = clock.now()
  }

  /** False when the bucket holds less; nothing is taken then. */
  take(tokens = 1): boolean {
    const now = this.#clock.now()
    const gained = (Math.max(0, now - this.#filledAt) / 1000) * this.perSecond
    this.#tokens = Math.min(this.burst, this.#tokens + gained)
    this.#filledAt = now
    if (this.#tokens < tokens) return false
    this.#tokens -= tokens
    return true
  }
}
