import type { BlobCid } from '../model/index.ts'
import type { PrunerTask } from './metrics.ts'
import type { PrunerOptions } from './options.ts'
import type { PrunerComponents } from './ports.ts'
import type { Target } from './target.ts'

export interface TaskStep {
  readonly freedBytes: number
  readonly freedBlobs: number
  /** Whether another step would find something to do. */
  readonly more: boolean
}

/** Blobs whose owner is looked up in one step of the search for orphans. */
const ORPHAN_STEP = 64

/** The kinds of work, each a bounded step at a time. */
export class Tasks {
  readonly #components: PrunerComponents
  readonly #options: PrunerOptions
  readonly #target: Target
  #stepBlobs: number
  #orphans: AsyncIterator<BlobCid> | undefined
  #looseFrom: number

  constructor(components: PrunerComponents, options: PrunerOptions, target: Target) {
    this.#components = components
    this.#options = options
    this.#target = target
    this.#looseFrom = components.clock.now()
    this.#stepBlobs = options.minStepBlobs
  }

  async step(task: PrunerTask): Promise<TaskStep> {
    switch (task) {
      case 'heights':
        return this.#heights()
      case 'loose':
        return this.#loose()
      case 'orphans':
        return this.#findOrphans()
      case 'space':
        return this.#space()
    }
  }

  /** Whether it is time to look at what was marked as loose. */
  looseIsDue(): boolean {
    return this.#components.clock.now() >= this.#looseFrom
  }

  /** Fits the size of steps to the time that the last one took. */
  adapt(ms: number): void {
    const { stepMs, maxStepBlobs, minStepBlobs } = this.#options
    if (ms > stepMs) this.#stepBlobs = Math.max(minStepBlobs, Math.floor(this.#stepBlobs / 2))
    else if (ms < stepMs / 2) this.#stepBlobs = Math.min(maxStepBlobs, this.#stepBlobs * 2)
  }

  async #heights(): Promise<TaskStep> {
    const { tracker } = this.#components
    // Also what an earlier run left of heights that are pruned already.
    const to = (await this.#target.now()) ?? tracker.prunedTo
    if (to === undefined) return { freedBytes: 0, freedBlobs: 0, more: false }
    return this.#freeing(async (free) => {
      const { more } = await tracker.prune({
        to,
        maxBlobs: this.#maxBlobs(),
        // At a given rate it may take hours: space comes back as it goes.
        inOrder: this.#target.inOrder || this.#options.bytesPerSecond > 0,
        free
      })
      return more || (await this.#target.now()) !== undefined
    })
  }

  /** As the time and the bytes of a step allow. */
  #maxBlobs(): number {
    const { bytesPerSecond, stepFreedBytes } = this.#options
    const { bytes, count } = this.#components.store.stats()
    const most = bytesPerSecond === 0 ? stepFreedBytes : Math.min(stepFreedBytes, bytesPerSecond)
    return Math.max(1, Math.min(this.#stepBlobs, Math.floor((most * count) / Math.max(1, bytes))))
  }

  async #loose(): Promise<TaskStep> {
    const { clock, tracker } = this.#components
    const { looseAfterMs } = this.#options
    this.#looseFrom = clock.now() + looseAfterMs
    const markedUntilMs = clock.wallNow() - looseAfterMs
    return this.#freeing(
      async (free) => (await tracker.freeLoose({ markedUntilMs, maxBlobs: this.#stepBlobs, free })).more
    )
  }

  async #freeing(work: (free: (cids: readonly BlobCid[]) => Promise<void>) => Promise<boolean>): Promise<TaskStep> {
    const freed = { bytes: 0, count: 0 }
    const more = await work(async (cids) => {
      const { bytes, count } = await this.#components.store.deleteMany(cids)
      freed.bytes += bytes
      freed.count += count
    })
    return { freedBytes: freed.bytes, freedBlobs: freed.count, more }
  }

  /** Looks for blobs that no height refers to: what a crash, or a block that was given up, left behind. */
  async #findOrphans(): Promise<TaskStep> {
    const { store, tracker } = this.#components
    this.#orphans ??= store.keys()[Symbol.asyncIterator]()
    const nobodys: BlobCid[] = []
    let more = true
    for (let seen = 0; seen < ORPHAN_STEP && more; seen += 1) {
      const { value, done } = await this.#orphans.next()
      if (done === true) more = false
      else if ((await tracker.latestHeightOf(value)) === undefined) nobodys.push(value)
    }
    if (nobodys.length > 0) await tracker.markLoose(nobodys)
    if (!more) this.#orphans = undefined
    return { freedBytes: 0, freedBlobs: 0, more }
  }

  async #space(): Promise<TaskStep> {
    const { reclaim, tracker } = this.#components
    // A sweep takes blobs out of every segment, and by its end all there is in most: whatever is rewritten before is written in vain.
    const sweeping = tracker.sweepLeft > 0
    const { more } = await reclaim({ maxBytes: this.#options.stepBytes, unlinkOnly: sweeping })
    return { freedBytes: 0, freedBlobs: 0, more: more || sweeping }
  }

  /** Lets go of the iterator that a search holds. */
  async close(): Promise<void> {
    await this.#orphans?.return?.()
    this.#orphans = undefined
  }
}
