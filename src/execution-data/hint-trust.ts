import type { Clock } from '../util/index.ts'
import type { ExecutionDataOptions } from './options.ts'

/**
 * What false hints may cost over all heights. Each hint is bounded for itself; an author that lies at every height would
 * still cost that much each time. Once the account is used up, trees are fetched level by level until it has filled a little:
 * slower by some round trips, and right.
 */
export class HintTrust {
  readonly #clock: Clock
  readonly #options: Pick<ExecutionDataOptions, 'maxFalseHintBytes' | 'falseHintBytesPerSecond'>
  #bytes: number
  #at: number

  constructor(clock: Clock, options: Pick<ExecutionDataOptions, 'maxFalseHintBytes' | 'falseHintBytesPerSecond'>) {
    this.#clock = clock
    this.#options = options
    this.#bytes = options.maxFalseHintBytes
    this.#at = clock.now()
  }

  /** Whether the next hint is to be believed far enough to fetch by it. */
  get left(): boolean {
    return this.#level() > 0
  }

  /** So many bytes came that a hint had named and the tree had not. */
  spent(bytes: number): void {
    this.#bytes = this.#level() - bytes
  }

  #level(): number {
    const now = this.#clock.now()
    const { maxFalseHintBytes, falseHintBytesPerSecond } = this.#options
    const filled = (Math.max(0, now - this.#at) * falseHintBytesPerSecond) / 1000
    this.#bytes = Math.min(maxFalseHintBytes, this.#bytes + filled)
    this.#at = now
    return this.#bytes
  }
}
