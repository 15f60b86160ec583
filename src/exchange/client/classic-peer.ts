import type { DigestKey } from '../../model/index.ts'
import type { Timer } from '../../util/index.ts'
import type { ClassicOptions } from '../options.ts'
import type { PeerState } from './peer-state.ts'

/** What one peer was told about one blob. */
export interface Told {
  type: 'have' | 'block'
  entry: Uint8Array
  /** When it left, on the clock; -1: it has not. */
  leftAt: number
  /** The first answer came: later ones say nothing about how quick the peer is. */
  answered: boolean
  /** Runs while a want-block waits for its block. */
  timer: Timer | undefined
}

/** A peer as boxo's message queue and its time-out manager see it (`bitswap/client/internal/messagequeue/`). */
export class ClassicPeer {
  readonly state: PeerState
  readonly told = new Map<DigestKey, Told>()
  readonly #options: ClassicOptions
  #mean: number | undefined

  constructor(state: PeerState, options: ClassicOptions) {
    this.state = state
    this.#options = options
  }

  /** How long a want-block is waited for: so many times the mean of all answers, HAVEs and blocks alike. */
  get timeoutMs(): number {
    const { timeoutFactor, timeoutMs } = this.#options
    if (this.#mean === undefined) return timeoutMs.unknown
    return Math.min(timeoutMs.max, Math.max(timeoutMs.min, timeoutFactor * this.#mean))
  }

  /** A message answered these: the longest wait among the first answers counts. True when there was one. */
  answered(keys: Iterable<DigestKey>, now: number): number | undefined {
    let earliest = Number.POSITIVE_INFINITY
    for (const key of keys) {
      const told = this.told.get(key)
      if (told === undefined || told.answered || told.leftAt < 0) continue
      told.answered = true
      earliest = Math.min(earliest, told.leftAt)
    }
    const elapsed = now - earliest
    if (elapsed < 0 || elapsed > this.#options.longestAnswerMs) return undefined
    const { latencyWeight } = this.#options
    this.#mean = this.#mean === undefined ? elapsed : this.#mean + (elapsed - this.#mean) * latencyWeight
    return elapsed
  }

  forget(key: DigestKey): Told | undefined {
    const told = this.told.get(key)
    told?.timer?.cancel()
    this.told.delete(key)
    return told
  }
}
