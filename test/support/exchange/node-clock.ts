import type { Clock, Timer } from '#src/util/index.ts'

/**
 * One node's clock on the clock of all: while the node is stalled, as a process is that gets no CPU, its timers do not
 * run. When it goes on they run first, late, and what has arrived meanwhile is read after them, as Node's loop does it.
 */
export class NodeClock implements Clock {
  readonly #base: Clock
  readonly #onRun: () => void
  #due: { run: (() => void) | undefined }[] = []
  #stalled = false
  #stopped = false

  /** `onRun`: called before each timer that runs. */
  constructor(base: Clock, onRun: () => void = () => {}) {
    this.#base = base
    this.#onRun = onRun
  }

  now(): number {
    return this.#base.now()
  }

  wallNow(): number {
    return this.#base.wallNow()
  }

  setTimer(ms: number, run: () => void): Timer {
    const entry: { run: (() => void) | undefined } = { run }
    const timer = this.#base.setTimer(ms, () => {
      if (this.#stalled) this.#due.push(entry)
      else this.#run(entry)
    })
    return {
      cancel: () => {
        entry.run = undefined
        timer.cancel()
      }
    }
  }

  setStalled(stalled: boolean): void {
    this.#stalled = stalled
    if (stalled) return
    const due = this.#due
    this.#due = []
    // One event each, so that promises settle in between.
    for (const entry of due) this.#base.setTimer(0, () => this.#run(entry))
  }

  /** The process is gone: none of its timers runs any more. */
  stop(): void {
    this.#stopped = true
    this.#due = []
  }

  #run(entry: { readonly run: (() => void) | undefined }): void {
    if (this.#stopped || entry.run === undefined) return
    this.#onRun()
    entry.run()
  }
}
