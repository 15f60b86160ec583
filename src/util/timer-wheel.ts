import type { Clock, Timer } from './clock.ts'

export interface TimerWheelOptions {
  /** Width of a slot, ms: how late a timer may run. */
  readonly slotMs: number
  /** Number of slots; timers further away wait whole turns. */
  readonly slots: number
}

export interface WheelTimer {
  /** O(1); safe to call more than once, and after the timer has run. */
  cancel(): void
}

export const defaultTimerWheelOptions: TimerWheelOptions = Object.freeze({ slotMs: 25, slots: 256 })

interface Entry extends WheelTimer {
  turns: number
  slot: number
  run: (() => void) | undefined
}

/**
 * Any number of deadlines on one timer of the clock (Varghese and Lauck's hashed wheel).
 *
 * The wheel counts *attended* time: a turn of the event loop that comes late moves it by two slots at most. What was
 * to arrive while this process was not looking (a long collection, a stopped process) is then read before its deadline
 * passes, so a deadline says something about the other side and nothing about us.
 */
export class TimerWheel {
  readonly #clock: Clock
  readonly #slotMs: number
  readonly #slots: Set<Entry>[]
  #at = 0
  #size = 0
  #attended = 0
  #lastTick = 0
  #timer: Timer | undefined
  #stopped = false

  constructor(clock: Clock, options: TimerWheelOptions) {
    this.#clock = clock
    this.#slotMs = options.slotMs
    this.#slots = Array.from({ length: options.slots }, () => new Set<Entry>())
  }

  /** Timers that wait. */
  get size(): number {
    return this.#size
  }

  /** Attended milliseconds. It stands still while no timer waits. */
  now(): number {
    if (this.#timer === undefined) return this.#attended
    return this.#attended + Math.min(this.#clock.now() - this.#lastTick, this.#slotMs * 2)
  }

  /** Runs `run` once, not before `ms` attended milliseconds have passed and at most about a slot later. */
  schedule(ms: number, run: () => void): WheelTimer {
    const offset = this.#timer === undefined ? 0 : Math.max(0, this.now() - this.#attended)
    const ticks = Math.max(1, Math.ceil((Math.max(0, ms) + offset) / this.#slotMs))
    const slot = (this.#at + ticks) % this.#slots.length
    const entry: Entry = {
      turns: Math.floor((ticks - 1) / this.#slots.length),
      slot,
      run,
      cancel: () => this.#remove(entry)
    }
    this.#slots[slot]?.add(entry)
    this.#size += 1
    if (this.#timer === undefined && !this.#stopped) this.#arm()
    return entry
  }

  /** Forgets every timer; none runs any more. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = undefined
    for (const slot of this.#slots) slot.clear()
    this.#size = 0
  }

  #remove(entry: Entry): void {
    if (entry.run === undefined) return
    entry.run = undefined
    if (this.#slots[entry.slot]?.delete(entry) === true) this.#size -= 1
  }

  #arm(): void {
    this.#lastTick = this.#clock.now()
    this.#timer = this.#clock.setTimer(this.#slotMs, () => this.#tick(), { background: true })
  }

  #tick(): void {
    const late = this.#clock.now() - this.#lastTick
    const steps = late >= this.#slotMs * 2 ? 2 : 1
    this.#attended += steps * this.#slotMs
    this.#timer = undefined
    const due: Entry[] = []
    for (let step = 0; step < steps; step += 1) this.#collect(due)
    if (this.#size > 0 && !this.#stopped) this.#arm()
    for (const entry of due) {
      const run = entry.run
      entry.run = undefined
      run?.()
    }
  }

  #collect(due: Entry[]): void {
    this.#at = (this.#at + 1) % this.#slots.length
    const slot = this.#slots[this.#at]
    if (slot === undefined) return
    for (const entry of slot) {
      if (entry.turns > 0) {
        entry.turns -= 1
        continue
      }
      slot.delete(entry)
      this.#size -= 1
      due.push(entry)
    }
  }
}
