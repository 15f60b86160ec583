import type { Height, SealedBlock } from '../model/index.ts'
import { codeOf } from '../util/index.ts'
import type { HeightTable } from './height-table.ts'
import { linkedAbort } from './linked-abort.ts'
import type { RequesterComponents } from './ports.ts'
import type { Wake } from './wake.ts'

export interface FollowerOwner {
  readonly table: HeightTable
  /** Wakes when the table may have room again. */
  readonly moved: Wake
  offer(block: SealedBlock): void
}

class Jump extends Error {}

/**
 * Reads the feed into the table, no further than the table has room. The feed gives heights without a gap and waits at one that
 * no source offers any more; then the follower jumps over it, so that later heights go on, and watches whether it comes back.
 */
export class Follower {
  readonly #feed: RequesterComponents['feed']
  readonly #owner: FollowerOwner
  readonly #unobtainableAfterMs: number
  #position: Height
  #leg: AbortController | undefined
  #reading = false
  #gapSince: number | undefined
  #jumped = false

  constructor(
    components: Pick<RequesterComponents, 'feed'>,
    owner: FollowerOwner,
    options: { readonly from: Height; readonly unobtainableAfterMs: number }
  ) {
    this.#feed = components.feed
    this.#owner = owner
    this.#position = options.from
    this.#unobtainableAfterMs = options.unobtainableAfterMs
  }

  /** The next height that the feed is to give. */
  get position(): Height {
    return this.#position
  }

  /** The lowest missing height is one that was jumped over and is still not offered. */
  get unobtainable(): { readonly from: Height; readonly to: Height } | undefined {
    const low = this.#feed.lowestOffered
    const from = this.#owner.table.frontier + 1
    if (!this.#jumped || low === undefined || low <= from || this.#owner.table.get(from) !== undefined) return undefined
    return { from, to: Math.min(low, this.#position, this.#owner.table.firstKnown() ?? low) - 1 }
  }

  /** Runs until the signal aborts; rejects with its reason, or with what broke the feed. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      signal.throwIfAborted()
      const { controller, unlink } = linkedAbort(signal)
      this.#leg = controller
      const leg = controller.signal
      try {
        await this.#read(leg)
      } catch (error) {
        signal.throwIfAborted()
        if (codeOf(error) === 'ended') await untilAborted(leg).catch(() => undefined)
        if (!leg.aborted) throw error
      } finally {
        unlink()
      }
    }
  }

  /** Called by the housekeeping: steps over what is not offered any more, and back when it is. */
  check(now: number): void {
    const low = this.#feed.lowestOffered
    if (low === undefined) return
    const { frontier } = this.#owner.table
    if (!this.#reading || low <= this.#position) this.#gapSince = undefined
    else if (this.#position <= frontier) return this.#jump(Math.min(low, frontier + 1))
    else {
      this.#gapSince ??= now
      if (now - this.#gapSince >= this.#unobtainableAfterMs) {
        this.#jumped = true
        return this.#jump(low)
      }
    }
    if (!this.#jumped) return
    const back = this.#owner.table.firstUnknown(low, this.#position)
    if (back !== undefined) this.#jump(back)
    else if (this.#owner.table.firstUnknown(frontier + 1, this.#position) === undefined) this.#jumped = false
  }

  #jump(to: Height): void {
    this.#gapSince = undefined
    this.#position = to
    this.#leg?.abort(new Jump())
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { table, moved } = this.#owner
    let iterator: AsyncIterator<SealedBlock> | undefined
    try {
      for (;;) {
        await moved.until(() => table.hasRoomFor(this.#position), signal)
        iterator ??= this.#feed.blocks(this.#position, { signal })[Symbol.asyncIterator]()
        this.#reading = true
        const next = await iterator.next()
        this.#reading = false
        signal.throwIfAborted()
        if (next.done === true) return await untilAborted(signal)
        const block = next.value
        await moved.until(() => table.hasRoomFor(block.height), signal)
        this.#position = block.height + 1
        this.#owner.offer(block)
      }
    } finally {
      this.#reading = false
      await iterator?.return?.()
    }
  }
}

/** Rejects with the signal's reason when it aborts. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
