import type { Clock } from '../util/index.ts'

/** A read that takes longer waited for the disk, or might as well have been made in another thread, ms. */
const SLOW_MS = 0.2
/** Reads that go to other threads after a slow one. */
const READS_APART = 256

/**
 * Whether small reads are answered from memory just now. They are then done sooner in the thread that needs them than another has been
 * asked and has answered; where they wait for a disk they must not hold the event loop. So each is timed: after a slow one the next 256 go to
 * other threads, then one is tried again.
 */
export class ReadPace {
  readonly #clock: Pick<Clock, 'now'>
  #apart = 0
  #since = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Whether a read may be made in this thread; its time begins. */
  isQuick(): boolean {
    if (this.#apart > 0) {
      this.#apart -= 1
      return false
    }
    this.#since = this.#clock.now()
    return true
  }

  /** To be asked after each: whether it took too long. The time of the next one begins. */
  isSlow(): boolean {
    const now = this.#clock.now()
    const slow = now - this.#since > SLOW_MS
    this.#since = now
    if (slow) this.#apart = READS_APART
    return slow
  }
}
