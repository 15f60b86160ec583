/** A producer that was held up catches up with so many ms worth of blocks at most; the rest of the delay is dropped. */
const CATCH_UP_MS = 2_000

/**
 * An open schedule: event n is due n / rate seconds after the start, however long those before it took. After a delay the events
 * follow one another at once, up to `catchUpMs` worth of them: with 0 they are never closer than at the rate.
 */
export class OpenSchedule {
  readonly #intervalMs: number
  readonly #maxBehindMs: number
  #dueMs: number

  constructor(startMs: number, rate: number, catchUpMs = CATCH_UP_MS) {
    this.#intervalMs = 1000 / rate
    this.#maxBehindMs = catchUpMs === 0 ? 0 : Math.max(this.#intervalMs, catchUpMs)
    this.#dueMs = startMs
  }

  /** How long to wait for the next event, ms. */
  next(nowMs: number): number {
    const due = Math.max(this.#dueMs, nowMs - this.#maxBehindMs)
    this.#dueMs = due + this.#intervalMs
    return Math.max(0, due - nowMs)
  }
}
