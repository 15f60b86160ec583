import type { BlobCid, DigestKey, SealedBlock } from '../model/index.ts'
import { backoffMs, messageOf } from '../util/index.ts'
import type { ProviderOptions } from './options.ts'
import type { ProviderComponents, TreeManifest } from './ports.ts'

/** What the block that is to be announced next waits for. */
export interface Waiting {
  readonly block: SealedBlock
  readonly since: number
  /** Missing blobs, as far as can be seen. */
  readonly missing: number
  /** One of them. */
  readonly cid: BlobCid | undefined
  readonly nextTryAt: number
  /** Why the tree could not be read, when it could not. */
  readonly fault: string | undefined
}

type WaitComponents = Pick<ProviderComponents, 'checkTree' | 'clock' | 'rng' | 'logger' | 'metrics'>

/** Missing blobs that are watched for one by one; of a larger tree the rest is found at the next check. */
const MAX_WATCHED = 65_536

/**
 * Waits until the tree of one block is complete. Looks again when every blob known to be missing has been ingested, and in any case
 * after a pause that grows while nothing changes.
 */
export class TreeWait {
  readonly #components: WaitComponents
  readonly #options: ProviderOptions
  #waiting: Waiting | undefined
  #watched = new Set<DigestKey>()
  /** What arrived while the store was being asked: the answer may not know of it. */
  #meanwhile: Set<DigestKey> | undefined
  #wake: () => void = () => undefined
  #loggedAt: number | undefined

  constructor(components: WaitComponents, options: ProviderOptions) {
    this.#components = components
    this.#options = options
  }

  /** `undefined` while nothing is waited for. */
  get waiting(): Waiting | undefined {
    return this.#waiting
  }

  /** These blobs are in the store now. */
  arrived(cids: readonly BlobCid[]): void {
    for (const cid of cids) {
      if (this.#meanwhile !== undefined && this.#meanwhile.size < MAX_WATCHED) this.#meanwhile.add(cid.key)
    }
    if (this.#watched.size === 0) return
    for (const cid of cids) this.#watched.delete(cid.key)
    if (this.#watched.size === 0) this.#wake()
  }

  /** Rejects with the signal's reason only. */
  async forTree(block: SealedBlock, { signal }: { readonly signal: AbortSignal }): Promise<TreeManifest> {
    const { clock, rng, metrics } = this.#components
    const since = clock.now()
    let attempt = 0
    let before = -1
    try {
      for (;;) {
        signal.throwIfAborted()
        const meanwhile = new Set<DigestKey>()
        this.#meanwhile = meanwhile
        const { manifest, missing, fault } = await this.#check(block, signal)
        this.#meanwhile = undefined
        if (manifest !== undefined) return manifest
        this.#watched = new Set(missing.slice(0, MAX_WATCHED).map((cid) => cid.key))
        for (const key of meanwhile) this.#watched.delete(key)
        if (missing.length > 0 && this.#watched.size === 0) continue
        attempt = missing.length === before ? attempt + 1 : 0
        before = missing.length
        const pause = backoffMs(attempt, this.#options.recheck, rng)
        const nextTryAt = clock.now() + pause
        this.#waiting = { block, since, missing: missing.length, cid: missing[0], nextTryAt, fault }
        metrics.waitingBlobs.set(missing.length)
        this.#report()
        await this.#pause(pause, signal)
      }
    } finally {
      this.#waiting = undefined
      this.#watched.clear()
      this.#meanwhile = undefined
      this.#loggedAt = undefined
      metrics.waitingBlobs.set(0)
    }
  }

  async #check(
    block: SealedBlock,
    signal: AbortSignal
  ): Promise<{ manifest?: TreeManifest; missing: readonly BlobCid[]; fault?: string }> {
    const { checkTree, clock, metrics } = this.#components
    const began = clock.now()
    try {
      const check = await checkTree(block.executionDataId, { signal })
      if (!('manifest' in check)) return { missing: check.missing }
      metrics.computeRootIdDurationsMs.observe(clock.now() - began)
      return { manifest: check.manifest, missing: [] }
    } catch (error) {
      signal.throwIfAborted()
      return { missing: [], fault: messageOf(error) }
    }
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onAbort = (): void => {
        timer.cancel()
        reject(signal.reason)
      }
      const onWake = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const timer = this.#components.clock.setTimer(ms, onWake)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#wake = onWake
    })
  }

  #report(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const now = this.#components.clock.now()
    if (now - waiting.since < this.#options.stallAfterMs) return
    if (this.#loggedAt !== undefined && now - this.#loggedAt < this.#options.stallLogEveryMs) return
    this.#loggedAt = now
    const { block, missing, cid, fault } = waiting
    this.#components.logger.warn(
      { height: block.height, executionDataId: block.executionDataId, missing, cid: cid?.toString() ?? null, fault },
      'a block cannot be announced: its blob tree is not complete in the store'
    )
  }
}
