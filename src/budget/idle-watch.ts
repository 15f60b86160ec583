/**
 * Gives memory back when a node has nothing to do.
 *
 * What a load leaves behind (garbage that no collection was due for, blobs in caches that nobody asks for any more) stays with the
 * process until the next load. So when hardly a byte has moved for `quietMs`, `rest` is called once, and `afterRest` a look later;
 * not again before the node has worked in between, or has grown all the same: whoever reads metrics and status of an idle node leaves
 * garbage there, too little for a collection to fall due for hours.
 */
import type { Clock, Service, Timer } from '../util/index.ts'
import type { BudgetMetrics } from './metrics.ts'

export interface IdleOptions {
  /** Time between two looks, ms. */
  readonly everyMs: number
  /** How long hardly anything must have moved, ms: pauses between blocks are shorter. */
  readonly quietMs: number
  /** Bytes a second that count as hardly anything: announcements, questions and acknowledgements of an idle mesh. */
  readonly quietBytesPerSecond: number
  /** A node that stays quiet rests again when it has grown by so many bytes, and no sooner than `againMs` later. */
  readonly againBytes: number
  readonly againMs: number
  /** Whether the cache of blobs is emptied too: the next who asks for one waits for the disk. */
  readonly emptiesCache: boolean
}

export const defaultIdleOptions: IdleOptions = Object.freeze({
  everyMs: 2_500,
  quietMs: 10_000,
  quietBytesPerSecond: 16_384,
  againBytes: 6 * 1024 * 1024,
  againMs: 60_000,
  emptiesCache: false
})

export interface IdleWatchComponents {
  readonly clock: Clock
  readonly metrics: Pick<BudgetMetrics, 'rests'>
  /** Bytes moved since the start: received, sent, answered. */
  readonly moved: () => number
  /** Resident bytes of the process. */
  readonly resident: () => number
  readonly rest: () => void
  /** Called at the next look after it: what a collection finds is freed in the background. */
  readonly afterRest: () => void
}

export class IdleWatch implements Service {
  readonly #components: IdleWatchComponents
  readonly #options: IdleOptions
  #timer: Timer | undefined
  #stopped = false
  #moved = 0
  #quietSince = 0
  #rested: 'no' | 'just' | 'yes' = 'no'
  #restedAt = 0
  /** What was resident when it had rested. */
  #least = 0

  constructor(components: IdleWatchComponents, options: IdleOptions) {
    this.#components = components
    this.#options = options
  }

  async start(): Promise<void> {
    this.#moved = this.#components.moved()
    this.#quietSince = this.#components.clock.now()
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #arm(): void {
    if (this.#stopped) return
    this.#timer = this.#components.clock.setTimer(this.#options.everyMs, () => this.#look(), { background: true })
  }

  #look(): void {
    const { clock, moved, resident, afterRest } = this.#components
    const { everyMs, quietMs, quietBytesPerSecond } = this.#options
    const now = clock.now()
    const bytes = moved()
    if (bytes - this.#moved > (quietBytesPerSecond * everyMs) / 1000) {
      this.#quietSince = now
      this.#rested = 'no'
    } else if (this.#rested === 'no' && now - this.#quietSince >= quietMs) {
      this.#rest(now)
    } else if (this.#rested === 'just') {
      this.#rested = 'yes'
      afterRest()
      this.#least = resident()
    } else if (this.#rested === 'yes' && this.#hasGrown(now)) {
      this.#rest(now)
    }
    this.#moved = bytes
    this.#arm()
  }

  #rest(now: number): void {
    this.#rested = 'just'
    this.#restedAt = now
    this.#components.metrics.rests.inc()
    this.#components.rest()
  }

  #hasGrown(now: number): boolean {
    const { againBytes, againMs } = this.#options
    return now - this.#restedAt >= againMs && this.#components.resident() - this.#least >= againBytes
  }
}
