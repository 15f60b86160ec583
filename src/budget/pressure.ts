/**
 * How hard memory presses, in the order in which the node gives things up:
 *
 * - `none`: everything runs with its usual bounds;
 * - `shrink`: caches give back what can be read from the disk again;
 * - `hold`: nothing is fetched ahead of need any more;
 * - `shed`: requests that hold much for long (API streams) are refused;
 * - `refuse`: nothing is served until it eases; syncing goes on.
 */
export const PRESSURE_LEVELS = ['none', 'shrink', 'hold', 'shed', 'refuse'] as const
export type PressureLevel = (typeof PRESSURE_LEVELS)[number]

export interface PressureOptions {
  /** Share of the limit from which on each level holds, rising. */
  readonly enterAt: Readonly<Record<Exclude<PressureLevel, 'none'>, number>>
  /** A level ends only when the share has come down by this much below its entry: else it would flap around one value. */
  readonly hysteresis: number
  /** A level is left no sooner than this after it was entered, ms: freed memory needs a collection or two to show. */
  readonly dwellMs: number
}

/** The level as a pure state machine: rises at once, comes down a step at a time. */
export class PressureGauge {
  readonly #options: PressureOptions
  #at = 0
  #since = Number.NEGATIVE_INFINITY

  constructor(options: PressureOptions) {
    this.#options = options
  }

  get level(): PressureLevel {
    return PRESSURE_LEVELS[this.#at] ?? 'none'
  }

  /** `share`: used part of the limit, 0 to 1 and beyond; `now` in ms. Gives the level that holds from here on. */
  update(share: number, now: number): PressureLevel {
    const risen = PRESSURE_LEVELS.findLastIndex((level) => level === 'none' || share >= this.#options.enterAt[level])
    if (risen > this.#at) {
      this.#at = risen
      this.#since = now
    } else if (risen < this.#at && this.#eased(share) && now - this.#since >= this.#options.dwellMs) {
      this.#at -= 1
      this.#since = now
    }
    return this.level
  }

  #eased(share: number): boolean {
    const { level } = this
    return level === 'none' || share < this.#options.enterAt[level] - this.#options.hysteresis
  }
}

/** Whether `level` is as severe as `least`, or more. */
export function atLeast(level: PressureLevel, least: PressureLevel): boolean {
  return PRESSURE_LEVELS.indexOf(level) >= PRESSURE_LEVELS.indexOf(least)
}
