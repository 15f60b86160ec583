import type { Clock } from '../util/index.ts'

/** Bytes and heights a second over the last minute. */
const WINDOW_MS = 60_000
const SLOTS = 12

/** Sums in slots of time, so that a rate costs a few numbers however much passes. */
export class Rate {
  readonly #clock: Clock
  readonly #slots: { readonly slot: number; bytes: number; heights: number }[] = []
  readonly #startedAt: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startedAt = clock.now()
  }

  add(bytes: number, heights: number): void {
    const slot = this.#slot()
    const last = this.#slots.at(-1)
    if (last?.slot === slot) {
      last.bytes += bytes
      last.heights += heights
      return
    }
    this.#slots.push({ slot, bytes, heights })
    while (this.#slots.length > SLOTS) this.#slots.shift()
  }

  perSecond(): { readonly bytes: number; readonly heights: number } {
    const now = this.#clock.now()
    const from = this.#slot() - SLOTS + 1
    const recent = this.#slots.filter(({ slot }) => slot >= from)
    const seconds = Math.max(1, Math.min(WINDOW_MS, now - this.#startedAt) / 1000)
    const sum = (of: 'bytes' | 'heights'): number => recent.reduce((total, slot) => total + slot[of], 0) / seconds
    return { bytes: sum('bytes'), heights: sum('heights') }
  }

  #slot(): number {
    return Math.floor(this.#clock.now() / (WINDOW_MS / SLOTS))
  }
}
