import type { Height } from '../model/index.ts'
import type { Clock } from '../util/index.ts'
import type { PrunerOptions } from './options.ts'
import type { PrunerComponents } from './ports.ts'

/** Blocks whose age is looked at in one go. */
const AGES = 256
/** Heights that go at a time while the blobs have too many bytes; then it is looked again. */
const BYTES_HEIGHTS = 16

/**
 * The wall clock, as far as it can be believed: it follows the monotonic clock from its start on and only ever loses time against it. A
 * clock that jumps ahead makes nothing older than it is; one that is set back only keeps more.
 */
export class SteadyClock {
  readonly #clock: Clock
  #offset: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#offset = clock.wallNow() - clock.now()
  }

  wallNow(): number {
    const now = this.#clock.now()
    this.#offset = Math.min(this.#offset, this.#clock.wallNow() - now)
    return now + this.#offset
  }
}

/** Up to which height retention lets go, and how far that is. */
export class Target {
  readonly #components: Pick<PrunerComponents, 'tracker' | 'store' | 'doneWith'>
  readonly #options: PrunerOptions
  readonly #clock: SteadyClock
  /** Asked for beside retention: by a command, or by the node's wind-down. */
  #floor = -1
  /** Whether it goes height by height. */
  #inOrder = false

  constructor(components: Pick<PrunerComponents, 'tracker' | 'store' | 'doneWith' | 'clock'>, options: PrunerOptions) {
    this.#components = components
    this.#options = options
    this.#clock = new SteadyClock(components.clock)
  }

  /** Heights up to this one go, whatever retention says. */
  raiseFloor(height: Height, { inOrder = false }: { readonly inOrder?: boolean } = {}): void {
    this.#floor = Math.max(this.#floor, height)
    this.#inOrder ||= inOrder
  }

  /** Whether what is left has to stay whole until its turn comes. */
  get inOrder(): boolean {
    return this.#inOrder
  }

  /** The height up to which to prune now; `undefined` when nothing has to go. */
  async now(): Promise<Height | undefined> {
    const { tracker, doneWith } = this.#components
    const done = doneWith()
    const pruned = tracker.prunedTo ?? -1
    let to = Math.max(pruned, this.#floor)
    if (done !== undefined) {
      to = Math.max(to, this.#byHeights(done))
      const most = done - this.#options.minHeights
      if (to < most) to = Math.max(to, Math.min(most, Math.max(await this.#byAge(to + 1, most), this.#byBytes())))
    }
    return to > pruned ? to : undefined
  }

  #byHeights(done: Height): Height {
    const { heights } = this.#options.retention
    return heights === undefined ? -1 : done - heights
  }

  async #byAge(from: Height, to: Height): Promise<Height> {
    const { ageMs } = this.#options.retention
    if (ageMs === undefined) return -1
    const before = this.#clock.wallNow() - ageMs
    let reached = -1
    let seen = 0
    for await (const { height, trackedAtMs } of this.#components.tracker.blocks(from, to)) {
      if (trackedAtMs > before) break
      reached = height
      seen += 1
      if (seen === AGES) break
    }
    return reached
  }

  #byBytes(): Height {
    const { bytes } = this.#options.retention
    const { store, tracker } = this.#components
    if (bytes === undefined || store.stats().bytes <= bytes || tracker.lowest === undefined) return -1
    return tracker.lowest - 1 + BYTES_HEIGHTS
  }
}
