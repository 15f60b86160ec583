import type { Height } from '../model/index.ts'
import type { TrackedBlock } from './tracker.ts'

/** The blocks tracked last, at most `limit` of them: the notifier asks for each of them next, which is a read of the database otherwise. */
export class RecentBlocks {
  readonly #limit: number
  readonly #blocks = new Map<Height, TrackedBlock>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(height: Height): TrackedBlock | undefined {
    return this.#blocks.get(height)
  }

  /** Takes the place of what was known of the height. */
  add(block: TrackedBlock): void {
    this.#blocks.delete(block.height)
    this.#blocks.set(block.height, block)
    const [oldest] = this.#blocks.keys()
    if (oldest !== undefined && this.#blocks.size > this.#limit) this.#blocks.delete(oldest)
  }
}
