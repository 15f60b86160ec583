import { type Height, type SealedBlock, sameSeal } from '../model/index.ts'
import { backoffMs, messageOf, sleep } from '../util/index.ts'
import type { Checkpoint } from './checkpoint.ts'
import { RequesterError } from './errors.ts'
import { linkedAbort } from './linked-abort.ts'
import type { RequesterOptions } from './options.ts'
import type { BlockListener, RequesterComponents } from './ports.ts'
import type { Wake } from './wake.ts'

/** What the next notification waits for. */
export type NotificationWait = 'quorum' | 'replacement' | 'listener'

export interface NotifierOwner {
  /** The highest height whose checkpoint is on the disk. */
  readonly consecutive: Height
  readonly checkpoint: Checkpoint
  /** Wakes when the consecutive height has moved or a replaced height is held. */
  readonly moved: Wake
  /** The quorum settled on another block than the one that is tracked: fetch it. */
  replace(block: SealedBlock): void
  /** Whether a replacement of the height is still to be fetched. */
  replacing(height: Height): boolean
}

type NotifierComponents = Pick<RequesterComponents, 'feed' | 'tracker' | 'metrics' | 'logger' | 'clock' | 'rng'>

/**
 * Hands heights on, strictly one by one: quorum → compare with what is tracked → every listener in turn → save. A height that
 * differs from what the quorum settled on is fetched anew first. Listeners are owed each height at least once: the saved height never
 * runs ahead of them, and they run ahead of it by a bounded number.
 */
export class Notifier {
  readonly #components: NotifierComponents
  readonly #owner: NotifierOwner
  readonly #options: RequesterOptions
  readonly #listeners = new Set<BlockListener>()
  #notified: Height
  #waitsFor: NotificationWait | undefined
  #giveUp: AbortController | undefined
  /** No source has offered a height below `below` since `since`. */
  #absent: { readonly below: Height; readonly since: number } | undefined

  constructor(components: NotifierComponents, owner: NotifierOwner, options: RequesterOptions) {
    this.#components = components
    this.#owner = owner
    this.#options = options
    this.#notified = owner.checkpoint.saved
  }

  get notified(): Height {
    return this.#notified
  }

  get waitsFor(): NotificationWait | undefined {
    return this.#waitsFor
  }

  /** Gives a function that takes the listener off again. */
  add(listener: BlockListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Runs until the signal aborts; rejects with its reason, or with what broke the feed or the tracker. */
  async run(signal: AbortSignal): Promise<never> {
    const { moved, checkpoint } = this.#owner
    const bound = this.#options.maxUnsavedNotifications
    for (;;) {
      this.#waitsFor = undefined
      const height = this.#notified + 1
      await moved.until(() => height <= this.#owner.consecutive && height - checkpoint.saved <= bound, signal)
      const block = await this.#agreed(height, signal)
      for (const listener of [...this.#listeners]) await this.#call(listener, block, signal)
      this.#notified = height
      checkpoint.advance(height)
      this.#components.feed.release(height)
      this.#measure()
    }
  }

  /** The block that the quorum and the tracker agree on. */
  async #agreed(height: Height, signal: AbortSignal): Promise<SealedBlock> {
    const { tracker, metrics, logger } = this.#components
    for (;;) {
      this.#waitsFor = 'quorum'
      const settled = await this.#settled(height, signal)
      const tracked = await tracker.blockAt(height)
      if (settled === undefined) {
        if (tracked === undefined) throw new RequesterError('broken', `height ${height} is consecutive but not tracked`)
        metrics.notifiedUnsettled.inc()
        logger.warn({ height }, 'a height is handed on without a quorum: no source offers it any more')
        return tracked
      }
      if (tracked !== undefined && sameSeal(settled, tracked)) return settled
      // What is pruned already cannot be compared any more, and would not be fetched again.
      if (tracked === undefined && (tracker.prunedTo ?? -1) >= height) return settled
      if (tracked !== undefined) {
        metrics.settledDifferently.inc()
        logger.error(
          { height, taken: tracked.executionDataId, settled: settled.executionDataId },
          'the quorum settled on another block than the one first announced; its execution data is fetched anew'
        )
      }
      this.#waitsFor = 'replacement'
      this.#owner.replace(settled)
      await this.#owner.moved.until(() => !this.#owner.replacing(height), signal)
    }
  }

  /** `undefined` when no source has offered the height for so long that no quorum will come. */
  async #settled(height: Height, signal: AbortSignal): Promise<SealedBlock | undefined> {
    const { feed, clock } = this.#components
    const { controller: giveUp, unlink } = linkedAbort(signal)
    this.#giveUp = giveUp
    // Once the grace is over for this range, what the feed has settled already still counts, but is not waited for.
    const timer = this.#abandoned(height, clock.now()) ? clock.setTimer(1, () => giveUp.abort()) : undefined
    try {
      return await feed.settled(height, { signal: giveUp.signal })
    } catch (error) {
      signal.throwIfAborted()
      if (giveUp.signal.aborted) return undefined
      throw error
    } finally {
      timer?.cancel()
      unlink()
      this.#giveUp = undefined
    }
  }

  #measure(): void {
    const { metrics } = this.#components
    metrics.highestNotificationHeight.set(Math.max(0, this.#notified))
    metrics.outstandingNotifications.set(Math.max(0, this.#owner.consecutive - this.#notified))
  }

  /** Called by the housekeeping: notes since when which heights are not offered, and gives up on a quorum that cannot come. */
  check(now: number): void {
    this.#measure()
    const low = this.#components.feed.lowestOffered
    const height = this.#notified + 1
    if (low === undefined) this.#absent = undefined
    else if (this.#absent === undefined || (height >= this.#absent.below && low > height)) {
      this.#absent = { below: low, since: now }
    } else if (low < this.#absent.below) this.#absent = { below: low, since: this.#absent.since }
    if (this.#abandoned(height, now)) this.#giveUp?.abort()
  }

  #abandoned(height: Height, now: number): boolean {
    const absent = this.#absent
    return absent !== undefined && height < absent.below && now - absent.since >= this.#options.unsettledAfterMs
  }

  async #call(listener: BlockListener, block: SealedBlock, signal: AbortSignal): Promise<void> {
    const { clock, rng, metrics, logger } = this.#components
    this.#waitsFor = 'listener'
    for (let attempt = 0; this.#listeners.has(listener); attempt += 1) {
      signal.throwIfAborted()
      try {
        return await listener(block, { signal })
      } catch (error) {
        signal.throwIfAborted()
        metrics.listenerFailures.inc()
        logger.error(
          { height: block.height, attempt, reason: messageOf(error) },
          'a listener failed; it gets the height again'
        )
      }
      await sleep(clock, backoffMs(attempt, this.#options.retry, rng), signal)
    }
  }
}
