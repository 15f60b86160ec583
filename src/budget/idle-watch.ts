/**
 * Gives memory back when a node has nothing to do.
 *
 * What a load leaves behind (garbage that no collection was due for, blobs in caches that nobody asks for any more) stays with the
 * process until the next load. So when hardly a byte has moved for `quietMs`, `rest` is called once, and `afterRest` a look later;
 * not again before the node has worked in between, or has grown all the same: whoever reads metrics and status of an idle node leaves
 * garbage there, too little for a collection to fall due for hours.
 *
 * What is compiled stays at first: code that has to be compiled anew makes the next load slow for some seconds. It goes when a node has been
 * without work for long, or at once where memory is short.
 *
 * A node that follows a chain is never quiet. It is calm when for as long no more than a part of what moved at the height of its load does: a
 * storm is over, and blocks go on coming. Then it collects as well, unless it has done so lately or has hardly grown since.
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
  /** A node is calm when not more than this part of the most that has moved since its last rest moves: so many times less. */
  readonly calmPart: number
  /** A node rests again when it has grown by so many bytes: one that stays quiet no sooner than `againMs` later, … */
  readonly againBytes: number
  readonly againMs: number
  /** … one that is but calm no sooner than this, since somebody waits while it collects. */
  readonly calmAgainMs: number
  /** Whether the cache of blobs is emptied too, and the pages of mapped files go: the next who asks for one waits for the disk. */
  readonly emptiesCache: boolean
  /** After so long without work, ms, a rest drops what is compiled as well: the next load is slow for some seconds. */
  readonly deepMs: number
}

export const defaultIdleOptions: IdleOptions = Object.freeze({
  everyMs: 2_500,
  quietMs: 10_000,
  quietBytesPerSecond: 16_384,
  calmPart: 8,
  againBytes: 6 * 1024 * 1024,
  againMs: 60_000,
  calmAgainMs: 300_000,
  emptiesCache: false,
  deepMs: 300_000
})

export interface IdleWatchComponents {
  readonly clock: Clock
  readonly metrics: Pick<BudgetMetrics, 'rests'>
  /** Bytes moved since the start: received, sent, answered. */
  readonly moved: () => number
  /** Resident bytes of the process. */
  readonly resident: () => number
  /** `quiet`: nothing moves, so that nobody misses what is cached; `deep`: nor what is compiled. */
  readonly rest: (use: { readonly quiet: boolean; readonly deep: boolean }) => void
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
  /** Its last rest dropped everything. */
  #deep = false
  #restedAt = Number.NEGATIVE_INFINITY
  /** What was resident when it had rested. */
  #least = 0
  /** The most that moved between two looks since then. */
  #busiest = 0
  #calmSince = 0

  constructor(components: IdleWatchComponents, options: IdleOptions) {
    this.#components = components
    this.#options = options
  }

  async start(): Promise<void> {
    this.#moved = this.#components.moved()
    this.#quietSince = this.#components.clock.now()
    this.#calmSince = this.#quietSince
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
    const { clock, moved } = this.#components
    const { everyMs, quietMs, quietBytesPerSecond, calmPart, deepMs } = this.#options
    const now = clock.now()
    const total = moved()
    const bytes = total - this.#moved
    this.#moved = total
    const quiet = bytes <= (quietBytesPerSecond * everyMs) / 1000
    this.#busiest = Math.max(this.#busiest, bytes)
    if (!quiet) this.#quietSince = now
    if (!quiet && bytes * calmPart > this.#busiest) this.#calmSince = now
    if (this.#rested === 'just') this.#settle()
    else if (!quiet) this.#rested = 'no'
    if (this.#rested === 'no' && now - this.#quietSince >= quietMs) this.#rest(now, true)
    else if (now - this.#calmSince >= quietMs && this.#hasGrown(now, quiet)) this.#rest(now, quiet)
    else if (this.#rested === 'yes' && !this.#deep && now - this.#quietSince >= deepMs) this.#rest(now, true)
    this.#arm()
  }

  #rest(now: number, quiet: boolean): void {
    this.#rested = 'just'
    this.#restedAt = now
    const { deepMs, quietMs } = this.#options
    this.#deep = deepMs <= quietMs || (quiet && now - this.#quietSince >= deepMs)
    this.#components.metrics.rests.inc()
    this.#components.rest({ quiet, deep: this.#deep })
  }

  #settle(): void {
    this.#rested = 'yes'
    this.#busiest = 0
    this.#components.afterRest()
    this.#least = this.#components.resident()
  }

  #hasGrown(now: number, quiet: boolean): boolean {
    const { againBytes, againMs, calmAgainMs } = this.#options
    return (
      now - this.#restedAt >= (quiet ? againMs : calmAgainMs) && this.#components.resident() - this.#least >= againBytes
    )
  }
}
