import type { Clock } from '../util/index.ts'

/** So many units at once, so many more a second. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #capacity: number
  readonly #perSecond: number
  #level: number
  #at: number

  constructor(clock: Clock, limits: { readonly capacity: number; readonly perSecond: number }) {
    this.#clock = clock
    this.#capacity = limits.capacity
    this.#perSecond = limits.perSecond
    this.#level = limits.capacity
    this.#at = clock.now()
  }

  /** False, and nothing taken, when there is not so much in it. */
  tryTake(units: number): boolean {
    const now = this.#clock.now()
    this.#level = Math.min(this.#capacity, this.#level + ((now - this.#at) * this.#perSecond) / 1000)
    this.#at = now
    if (this.#level < units) return false
    this.#level -= units
    return true
  }

  /** Puts back what was taken for nothing. */
  give(units: number): void {
    this.#level = Math.min(this.#capacity, this.#level + units)
  }
}
