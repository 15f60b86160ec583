import type { Height, SealedBlock } from '../model/index.ts'
import type { HeightTable } from './height-table.ts'
import { linkedAbort } from './linked-abort.ts'
import type { RequesterComponents } from './ports.ts'

export interface SettleWatchOwner {
  readonly table: HeightTable
  /** The quorum's word on a height that is not held yet. */
  settled(block: SealedBlock): void
  fail(error: unknown): void
}

/**
 * Asks the quorum about the lowest missing height while that does not come: the first announcer may have named data that does
 * not exist or is malformed, and notification, which asks for every height, never gets to it. One question at a time.
 */
export class SettleWatch {
  readonly #feed: Pick<RequesterComponents['feed'], 'settled'>
  readonly #owner: SettleWatchOwner
  readonly #afterMs: number
  readonly #signal: AbortSignal
  #lowest: { readonly height: Height; readonly since: number } | undefined
  #asked: { readonly height: Height; readonly controller: AbortController } | undefined

  constructor(
    components: Pick<RequesterComponents, 'feed'>,
    owner: SettleWatchOwner,
    options: { readonly afterMs: number; readonly signal: AbortSignal }
  ) {
    this.#feed = components.feed
    this.#owner = owner
    this.#afterMs = options.afterMs
    this.#signal = options.signal
  }

  /** Called by the housekeeping. */
  check(now: number): void {
    const height = this.#owner.table.frontier + 1
    if (this.#asked !== undefined && this.#asked.height !== height) {
      this.#asked.controller.abort()
      this.#asked = undefined
    }
    if (this.#lowest?.height !== height) this.#lowest = { height, since: now }
    const state = this.#owner.table.lowest()
    if (state === undefined || this.#asked !== undefined) return
    if (state.kind === 'halted' || now - this.#lowest.since >= this.#afterMs) void this.#ask(height)
  }

  /** Stays asked after the answer: a height is asked about once, the quorum does not change its mind. */
  async #ask(height: Height): Promise<void> {
    const { controller, unlink } = linkedAbort(this.#signal)
    this.#asked = { height, controller }
    const { signal } = controller
    try {
      const block = await this.#feed.settled(height, { signal })
      // The height may have been completed meanwhile; then notification compares it.
      if (!signal.aborted && height > this.#owner.table.frontier) this.#owner.settled(block)
    } catch (error) {
      if (!signal.aborted) this.#owner.fail(error)
    } finally {
      unlink()
    }
  }
}
