import type { Height } from '../model/index.ts'
import { describeStall } from './stall.ts'
import type { Follower } from './follower.ts'
import type { HeightTable } from './height-table.ts'
import type { RequesterComponents } from './ports.ts'
import type { Stall } from './status.ts'

type StallComponents = Pick<RequesterComponents, 'feed' | 'missing' | 'wantState' | 'logger' | 'metrics' | 'clock'>

/** Notices that the consecutive height stands still though the feed is ahead, and says so at bounded intervals. */
export class StallWatch {
  readonly #components: StallComponents
  readonly #sync: { readonly table: HeightTable; readonly follower: Follower }
  readonly #options: { readonly stallAfterMs: number; readonly stallLogEveryMs: number }
  #frontier: Height
  #behindSince: number | undefined
  #loggedAt: number | undefined

  constructor(
    components: StallComponents,
    sync: { readonly table: HeightTable; readonly follower: Follower },
    options: { readonly stallAfterMs: number; readonly stallLogEveryMs: number }
  ) {
    this.#components = components
    this.#sync = sync
    this.#options = options
    this.#frontier = sync.table.frontier
  }

  /** Called by the housekeeping. */
  check(now: number): void {
    const { feed, logger, metrics } = this.#components
    const { frontier } = this.#sync.table
    if ((feed.highest ?? -1) <= frontier) this.#behindSince = undefined
    else if (frontier !== this.#frontier) this.#behindSince = now
    else this.#behindSince ??= now
    this.#frontier = frontier
    const stall = this.current(now)
    metrics.stalled.set(stall === null ? 0 : 1)
    if (stall === null) {
      if (this.#loggedAt !== undefined) logger.info({ consecutive: frontier }, 'sync goes on')
      this.#loggedAt = undefined
    } else if (this.#loggedAt === undefined || now - this.#loggedAt >= this.#options.stallLogEveryMs) {
      this.#loggedAt = now
      logger.warn(stall, 'sync has stalled')
    }
  }

  current(now: number): Stall | null {
    const { feed, missing, wantState } = this.#components
    const { table, follower } = this.#sync
    if (this.#behindSince === undefined || table.frontier !== this.#frontier) return null
    const sinceMs = now - this.#behindSince
    if (sinceMs < this.#options.stallAfterMs) return null
    const height = table.frontier + 1
    const state = table.lowest()
    return describeStall({
      height,
      now,
      sinceMs,
      state,
      unobtainable: follower.unobtainable,
      lowestOffered: feed.lowestOffered,
      missing: state === undefined || state.kind === 'halted' ? [] : missing(height),
      wantState
    })
  }
}
