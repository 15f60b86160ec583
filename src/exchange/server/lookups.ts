import { BoundedQueue } from '../../util/index.ts'

/** Look-ups that may wait for each one that runs: all ledgers of a few dozen peers. */
const WAITING_PER_RUNNING = 64

/** Questions to the store, so many at one time, so many more in line. */
export class Lookups {
  readonly #concurrent: number
  readonly #waiting: BoundedQueue<() => Promise<void>>
  #running = 0

  constructor(concurrent: number) {
    this.#concurrent = concurrent
    this.#waiting = new BoundedQueue(concurrent * WAITING_PER_RUNNING)
  }

  get full(): boolean {
    return this.#waiting.size >= this.#waiting.capacity
  }

  /** `lookup` must not reject. Dropped when the line is full: ask `full` first. */
  add(lookup: () => Promise<void>): void {
    this.#waiting.push(lookup)
    this.#next()
  }

  clear(): void {
    this.#waiting.clear()
  }

  #next(): void {
    while (this.#running < this.#concurrent) {
      const lookup = this.#waiting.shift()
      if (lookup === undefined) return
      this.#running += 1
      void lookup().finally(() => {
        this.#running -= 1
        this.#next()
      })
    }
  }
}
