/** A producer that was held up catches up with so many seconds' worth of blocks at most; the rest of the delay is dropped. */
const CATCH_UP_SECONDS = 2

/**
 * An open schedule: event n is due n / rate seconds after the start, however long those before it took. After a delay the events
 * follow one another at once, up to {@link CATCH_UP_SECONDS} worth of them.
 */
export class OpenSchedule {
  readonly #intervalMs: number
  readonly #maxBehindMs: number
  #dueMs: number

  constructor(startMs: number, rate: number) {
    this.#intervalMs = 1000 / rate
    this.#maxBehindMs = Math.max(this.#intervalMs, CATCH_UP_SECONDS * 1000)
    this.#dueMs = startMs
  }

  /** How long to wait for the next event, ms. */
  next(nowMs: number): number {
    const due = Math.max(this.#dueMs, nowMs - this.#maxBehindMs)
    this.#dueMs = due + this.#intervalMs
    return Math.max(0, due - nowMs)
  }
}
