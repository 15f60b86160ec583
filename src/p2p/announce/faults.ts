import type { PeerIdText } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'

export interface FaultComponents {
  readonly clock: Clock
  /** Disconnects the peer for a while. */
  readonly coolDown: (peer: PeerIdText, reason: string) => void
  /** Peers that may be remembered: the staked ones, which bounds the map. */
  readonly isKnown: (peer: PeerIdText) => boolean
}

export interface FaultOptions {
  readonly maxFaults: number
  readonly faultWindowMs: number
}

/** Counts each peer's faults within a window; one that uses up its budget is sent into a cooldown and begins anew. */
export class FaultBudget {
  readonly #components: FaultComponents
  readonly #options: FaultOptions
  readonly #faults = new Map<PeerIdText, { since: number; count: number }>()

  constructor(components: FaultComponents, options: FaultOptions) {
    this.#components = components
    this.#options = options
  }

  /** Peers with faults that still count. */
  get size(): number {
    return this.#faults.size
  }

  record(peer: PeerIdText, reason: string): void {
    const now = this.#components.clock.now()
    for (const [other, { since }] of this.#faults) {
      if (now - since > this.#options.faultWindowMs || !this.#components.isKnown(other)) this.#faults.delete(other)
    }
    const count = (this.#faults.get(peer)?.count ?? 0) + 1
    if (count < this.#options.maxFaults && this.#components.isKnown(peer)) {
      this.#faults.set(peer, { since: this.#faults.get(peer)?.since ?? now, count })
      return
    }
    this.#faults.delete(peer)
    if (count >= this.#options.maxFaults) this.#components.coolDown(peer, reason)
  }
}
