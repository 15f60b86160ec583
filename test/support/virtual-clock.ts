import { type Clock, systemNextTurn, type Timer } from '#src/util/index.ts'

interface Event {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined
}

/**
 * Time for simulations: it moves only from event to event, as fast as the machine can. Events of one instant run in the
 * order they were set, so a run depends on its seed alone.
 */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  #heap: Event[] = []
  #cancelled = 0
  readonly #settle: () => Promise<void>

  /** `settle`: lets promises settle after each event; the default also lets Node's own loop turn. */
  constructor(settle: () => Promise<void> = turned) {
    this.#settle = settle
  }

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#now
  }

  /** Events in the heap, with those that were cancelled and are not swept yet. */
  get held(): number {
    return this.#heap.length
  }

  setTimer(ms: number, run: () => void): Timer {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#order, run }
    this.#order += 1
    this.#push(event)
    return {
      cancel: () => {
        if (event.run === undefined) return
        event.run = undefined
        this.#cancelled += 1
        if (this.#cancelled > LEAST_SWEPT && this.#cancelled * 2 > this.#heap.length) this.#sweep()
      }
    }
  }

  /**
   * Runs events until `until` (ms) or until none is left, and lets promises settle after each one.
   * `afterEvent` is for invariants.
   */
  async run(until: number, afterEvent?: () => void): Promise<void> {
    await this.#settle()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > until) break
      this.#pop()
      const { run } = next
      if (run === undefined) {
        this.#cancelled -= 1
        continue
      }
      // From here on there is nothing to cancel.
      next.run = undefined
      this.#now = next.at
      run()
      await this.#settle()
      afterEvent?.()
    }
    this.#now = Math.max(this.#now, until)
  }

  /** Drops what was cancelled: deadlines of seconds, set for each message, would fill the heap. */
  #sweep(): void {
    const left = this.#heap.filter(({ run }) => run !== undefined)
    this.#heap = []
    this.#cancelled = 0
    for (const event of left) this.#push(event)
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up]
      if (parent === undefined || before(parent, event)) break
      heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = heap[at * 2 + 1]
      const right = heap[at * 2 + 2]
      const child = right !== undefined && left !== undefined && before(right, left) ? right : left
      if (child === undefined || before(last, child)) break
      heap[at] = child
      at = child === left ? at * 2 + 1 : at * 2 + 2
    }
    heap[at] = last
  }
}

const before = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Cancelled events that are left where they are: sweeping fewer would cost more than they do. */
export const LEAST_SWEPT = 4096

/** Lets every promise that can settle without time passing do so. */
const turned = (): Promise<void> => new Promise(systemNextTurn)

/** A turn of Node's loop is due after so many ticks: what it prints is to be seen. */
const TICKS_A_TURN = 4096

/**
 * As the default, in a tenth of the time, for code that waits for nothing but promises and this clock: a tick of Node runs when no promise is
 * left that could settle.
 */
export function settleInTicks(): () => Promise<void> {
  let ticks = 0
  const tick = (resolve: () => void): void => process.nextTick(resolve)
  return () => {
    ticks += 1
    return ticks % TICKS_A_TURN === 0 ? turned() : new Promise(tick)
  }
}
