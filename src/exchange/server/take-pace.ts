/** A peer's pace is looked at so often while its stream is never empty, ms: the first look tells of buffers that fill up. */
const LOOK_MS = 100
/** Sockets and windows on the way hold no more than this, bytes. */
const MOST_AHEAD = 4_194_304
/** What left longer ago than this has arrived, whatever the pace, ms. */
const LONGEST_MS = 5_000
/** A pace that was seen longer ago says nothing any more, ms: who has become quicker is never seen to be behind again. */
const PACE_MS = 60_000

/**
 * How far what was handed to the transport is ahead of the peer. Sockets and windows on the way swallow some MiB at once and say that it has
 * left; over a slow link a word behind it waits for a second and more. So the peer's pace is learned while there is more to
 * send than the transport takes, and what the transport takes faster than that is known to be on its way.
 */
export class TakePace {
  /** Bytes a ms; 0: not known. */
  #pace = 0
  /** Bytes that had left and not arrived, as far as one can tell, when `#left` had left at `#at`. */
  #ahead = 0
  #at = 0
  #left = 0
  #looks = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #leftAtLook = 0

  /** Something is to be handed over, `left` bytes having been taken so far; nothing was unsent before. */
  begin(now: number, left: number): void {
    this.#looks = 0
    this.#ahead = this.#aheadBytes(now, left)
    this.#at = now
    this.#left = left
  }

  /** The transport has taken `left` bytes so far; `all`: nothing is left that it could take. */
  taken(now: number, left: number, all: boolean): void {
    this.#ahead = Math.min(MOST_AHEAD, Math.max(0, this.#ahead + left - this.#left - this.#pace * (now - this.#at)))
    this.#at = now
    this.#left = left
    if (all || (this.#looks > 0 && now - this.#lookedAt < LOOK_MS)) return
    if (this.#looks > 1) {
      const pace = (left - this.#leftAtLook) / (now - this.#lookedAt)
      this.#pace = this.#pace === 0 ? pace : this.#pace + (pace - this.#pace) / 8
    }
    this.#looks += 1
    this.#lookedAt = now
    this.#leftAtLook = left
  }

  /** How long what has left will still be on its way, ms; 0 when that is not known. */
  aheadMs(now: number, left: number): number {
    return this.#pace === 0 ? 0 : this.#aheadBytes(now, left) / this.#pace
  }

  /** The stream is gone, and what was on its way with it: it is counted anew. */
  reset(): void {
    this.#looks = 0
    this.#ahead = 0
    this.#left = 0
  }

  #aheadBytes(now: number, left: number): number {
    if (this.#pace === 0 || now - this.#at > LONGEST_MS || now - this.#lookedAt > PACE_MS) return 0
    return Math.max(0, this.#ahead + left - this.#left - this.#pace * (now - this.#at))
  }
}
