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

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#now
  }

  setTimer(ms: number, run: () => void): Timer {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#order, run }
    this.#order += 1
    this.#push(event)
    return {
      cancel: () => {
        event.run = undefined
      }
    }
  }

  /**
   * Runs events until `until` (ms) or until none is left, and lets promises settle after each one.
   * `afterEvent` is for invariants.
   */
  async run(until: number, afterEvent?: () => void): Promise<void> {
    await settle()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > until) break
      this.#pop()
      if (next.run === undefined) continue
      this.#now = next.at
      next.run()
      await settle()
      afterEvent?.()
    }
    this.#now = Math.max(this.#now, until)
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

/** Lets every promise that can settle without time passing do so. */
const settle = (): Promise<void> => new Promise(systemNextTurn)
