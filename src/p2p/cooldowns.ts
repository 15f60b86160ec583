import type { PeerIdText } from '../model/index.ts'
import type { Clock } from '../util/index.ts'
import type { StakedSet } from './identity-table/table.ts'

/**
 * Peers that are to be left alone for a while after they misbehaved. Only staked peers get in, so the table bounds it;
 * what has run out, or left the table, is swept whenever something is added.
 */
export class Cooldowns {
  readonly #clock: Clock
  readonly #table: Pick<StakedSet, 'byPeerId'>
  readonly #until = new Map<PeerIdText, number>()

  constructor(clock: Clock, table: Pick<StakedSet, 'byPeerId'>) {
    this.#clock = clock
    this.#table = table
  }

  /** Begins or extends a peer's cooldown. */
  put(peer: PeerIdText, ms: number): void {
    const now = this.#clock.now()
    for (const [other, until] of this.#until) {
      if (until <= now || this.#table.byPeerId(other) === undefined) this.#until.delete(other)
    }
    if (this.#table.byPeerId(peer) === undefined) return
    this.#until.set(peer, Math.max(now + ms, this.#until.get(peer) ?? 0))
  }

  /** What is left of it, ms; 0 when there is none. */
  remainingMs(peer: PeerIdText): number {
    const until = this.#until.get(peer)
    if (until === undefined) return 0
    const left = until - this.#clock.now()
    if (left > 0) return left
    this.#until.delete(peer)
    return 0
  }

  get size(): number {
    return this.#until.size
  }
}
