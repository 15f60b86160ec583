import type { PeerState } from './peer-state.ts'

/** Shorter blocks come in one piece and say nothing about a link, bytes. */
const PACED_BYTES = 65_536
/** The largest blob that Flow makes: what a hot want may turn out to be. */
const LARGE_BLOB_BYTES = 1_048_576
/** Far slower than the others is this many times slower: where all share one narrow link, nobody is. */
const TIMES_SLOWER = 4
/** A slow peer that has given nothing for so long, ms, is asked for one blob: so in time a large one shows whether it still is. */
const KNOWN_MS = 60_000

export interface GivingPaceOptions {
  /** A peer that takes this long over a blob of 1 MiB is slow, ms. */
  readonly slowMs: number
}

/**
 * Which peers give far more slowly than the others: nodes with a narrow link upwards. As a parent such a node delays all below it, by half a
 * second for each blob at 2 MiB/s, while it answers as quickly as any. Paces are taken from the first byte of a block to its last, so that they
 * hold neither the wait for a blob that the peer itself had still to get, nor the blocks before it.
 */
export class GivingPace {
  readonly #options: GivingPaceOptions
  /** Of all peers, by the blocks that came, bytes a second; 0 before the first. */
  #usual = 0

  constructor(options: GivingPaceOptions) {
    this.#options = options
  }

  /** A block of `bytes` came from the peer within `ms`. */
  sample(
    state: PeerState,
    { bytes, ms, now }: { readonly bytes: number; readonly ms: number; readonly now: number }
  ): void {
    // Whoever is known to be slow and is tried with a small blob is let alone again.
    state.gaveAt = now
    if (bytes < PACED_BYTES) return
    const pace = (bytes * 1000) / Math.max(1, ms)
    this.#usual = this.#usual === 0 ? pace : this.#usual + (pace - this.#usual) / 16
    state.givesPerSecond = state.givesPerSecond === 0 ? pace : (state.givesPerSecond + pace) / 2
  }

  isSlow(state: PeerState, now: number): boolean {
    const { givesPerSecond, gaveAt, outstanding } = state
    if (givesPerSecond === 0 || givesPerSecond * TIMES_SLOWER > this.#usual) return false
    if ((LARGE_BLOB_BYTES * 1000) / givesPerSecond < this.#options.slowMs) return false
    return now - gaveAt < KNOWN_MS || outstanding.size > 0
  }
}
