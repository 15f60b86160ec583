/** A peer's pace is looked at so often while its stream is never empty, ms. */
const LOOK_MS = 250
/** Looks behind a pause that tell of buffers filling up. */
const FILLING = 2
/** What left longer ago than this has arrived, whatever the pace, ms. */
const LONGEST_MS = 5_000
/** A pace that was seen longer ago says nothing any more, ms: who has become quicker is never seen to be behind again. */
const PACE_MS = 60_000

/**
 * How far what was handed to the transport is ahead of the peer. Sockets and windows on the way swallow some MiB at once and say that it has
 * left; over a slow link a word behind it waits for a second and more. So the peer's pace is learned while there is more to
 * send than the transport takes, and what it has taken since the last pause is held against it.
 */
export class TakePace {
  /** Bytes a ms; 0: not known. */
  #pace = 0
  /** Where the time began in which the link has had something to carry, and what had left by then. */
  #since = 0
  #leftThen = 0
  #looks = 0
  #lookedAt = 0
  #leftAtLook = 0
  #takenAt = 0

  /** Something is to be handed over, `left` bytes having been taken so far; nothing was unsent before. */
  begin(now: number, left: number): void {
    this.#looks = 0
    if (this.aheadMs(now, left) > 0) return
    this.#since = now
    this.#leftThen = left
  }

  /** The transport has taken `left` bytes so far; `all`: nothing is left that it could take. */
  taken(now: number, left: number, all: boolean): void {
    this.#takenAt = now
    if (all || (this.#looks > 0 && now - this.#lookedAt < LOOK_MS)) return
    if (this.#looks >= FILLING) {
      const pace = (left - this.#leftAtLook) / (now - this.#lookedAt)
      this.#pace = this.#pace === 0 ? pace : this.#pace + (pace - this.#pace) / 4
    }
    this.#looks += 1
    this.#lookedAt = now
    this.#leftAtLook = left
  }

  /** How long what has left will still be on its way, ms; 0 when that is not known. */
  aheadMs(now: number, left: number): number {
    if (this.#pace === 0 || now - this.#takenAt > LONGEST_MS || now - this.#lookedAt > PACE_MS) return 0
    return Math.max(0, (left - this.#leftThen) / this.#pace - (now - this.#since))
  }

  /** The stream is gone, and what was on its way with it: it is counted anew. */
  reset(): void {
    this.#looks = 0
    this.#since = 0
    this.#leftThen = 0
    this.#takenAt = Number.NEGATIVE_INFINITY
  }
}
