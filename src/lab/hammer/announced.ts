import type { Height } from '../../model/index.ts'
import { type Clock, sleep } from '../../util/index.ts'

const POLL_MS = 10
/** A block that is not announced by then will not be; the next one is made. */
const HEARD_LIMIT_MS = 5_000

/** What was heard announced beside the target. */
export class Announced {
  readonly #clock: Clock
  /** The highest whose announcement has reached the first peer. */
  height: Height | undefined
  #heardAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(height: Height): void {
    this.height = Math.max(this.height ?? height, height)
    this.#heardAt = this.#clock.now()
  }

  /** Waits until a height was announced `ms` ago; not for one that nobody hears of. */
  async before(
    height: Height | undefined,
    { ms, signal }: { readonly ms: number; readonly signal: AbortSignal }
  ): Promise<void> {
    const until = this.#clock.now() + HEARD_LIMIT_MS
    for (;;) {
      const isHeard = height === undefined || height <= (this.height ?? 0)
      const left = isHeard ? this.#heardAt + ms - this.#clock.now() : POLL_MS
      if (left <= 0 || this.#clock.now() >= until || signal.aborted) return
      await sleep(this.#clock, left, signal).catch(() => undefined)
    }
  }
}
