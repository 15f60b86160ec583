import type { Clock, TimerWheel, WheelTimer } from '../../util/index.ts'

/** A timer that runs this much too late, ms: this process has not been running. */
const LATE_MS = 75
/** Late looks in a row after which a deadline has passed all the same: on a machine that is always late it must end. */
const LATE_LOOKS = 3

export interface DeadlineUse {
  /** Attended ms until the deadline; 0 or less when it has passed. It may move. */
  left(): number
  /** Called at every look. */
  look?(): void
  /** The longest pause between looks, ms. */
  readonly everyMs?: number
  passed(): void
}

/**
 * A deadline for another side's word, that moves. Once it has passed it is looked at again in the wheel's next slot, and
 * again if that look came late: after a stall of this process its timers run before its sockets are read, and what was to
 * keep the deadline may lie there.
 */
export class Deadline {
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #use: DeadlineUse
  #timer: WheelTimer | undefined

  constructor(components: { readonly clock: Clock; readonly wheel: TimerWheel }, use: DeadlineUse) {
    this.#clock = components.clock
    this.#wheel = components.wheel
    this.#use = use
    this.#watch(use.left(), 0)
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** `looks`: how often it was found passed. */
  #watch(left: number, looks: number): void {
    const delay = Math.max(0, Math.min(left, this.#use.everyMs ?? left))
    const due = this.#clock.now() + delay
    this.#timer = this.#wheel.schedule(delay, () => {
      this.#timer = undefined
      const rest = this.#use.left()
      if (rest <= 0 && looks > 0 && (this.#clock.now() - due < LATE_MS || looks > LATE_LOOKS)) {
        this.#use.passed()
        return
      }
      this.#watch(rest, rest > 0 ? 0 : looks + 1)
      this.#use.look?.()
    })
  }
}
