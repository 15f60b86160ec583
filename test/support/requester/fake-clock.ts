import type { Clock, Timer } from '#src/util/index.ts'

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #now = 1_000
  #order = 0
  #timers: Entry[] = []

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#now
  }

  setTimer(ms: number, run: () => void): Timer {
    this.#order += 1
    const entry = { at: this.#now + Math.max(0, ms), order: this.#order, run }
    this.#timers.push(entry)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((timer) => timer !== entry)
      }
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Moves on timer by timer; what each one set off runs to its end before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)
        .at(0)
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await settle()
    }
    this.#now = until
  }
}

/** Lets everything run that needs no time. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 2; round += 1) await new Promise((resolve) => setImmediate(resolve))
}
