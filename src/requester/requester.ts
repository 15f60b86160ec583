/**
 * Follows the feed and keeps heights downloaded; the heart of the sync.
 *
 * Flow
 *   feed → follower → table of heights → worker: verify and store (downloader) → track → decode
 *        → frontier moves → checkpoint (one synced write for all that came meanwhile) → quorum → listeners, height by height
 *
 * Invariants
 * - a height is consecutive only when it and all before it from the start are durable, tracked and decoded; it never goes back
 * - a listener gets every height, in order, at least once, and none before its checkpoint is on the disk and the quorum agrees
 * - heights known ahead, their bytes and their hints are bounded; the lowest missing height always has a slot
 * - what is missing is asked for for ever, with back-off; what is malformed halts its height alone; what nobody offers is told
 *
 * One loop owns the table (`coordinator.ts`); everything else posts to it. The order of the steps and the progress
 * that survives a kill are those of flow-go (`module/state_synchronization/requester/execution_data_requester.go`), whose stuck
 * heights hold a worker each until none is left; here a height that waits holds none.
 */
import { type Clock, messageOf, type Service, sleep, type Timer } from '../util/index.ts'
import { Checkpoint, PROGRESS } from './checkpoint.ts'
import { Coordinator } from './coordinator.ts'
import { RequesterError } from './errors.ts'
import { Follower } from './follower.ts'
import { LatencySketch } from './latency-sketch.ts'
import { Notifier } from './notifier.ts'
import { type RequesterOptions, validateRequesterOptions } from './options.ts'
import type { BlockListener, RequesterComponents, TreeManifest } from './ports.ts'
import { recoverTracked } from './recover.ts'
import { SettleWatch } from './settle-watch.ts'
import { StallWatch } from './stall-watch.ts'
import { chooseStart, loadProgress, type StoredProgress } from './start-height.ts'
import type { Halt, RequesterStatus } from './status.ts'

export interface Requester extends Service {
  /**
   * Registers a listener; gives a function that takes it off again. Register before `start` to get every height that has not been
   * notified; later ones get what comes next.
   */
  onBlock(listener: BlockListener): () => void
  status(): RequesterStatus
  /** Heights up to this one were handed to every listener, and that is on the disk. */
  readonly notified: number | undefined
  /** One line for `/readyz`: whether the node is near the head, and if not, why. */
  readiness(): { readonly ok: boolean; readonly reason: string }
  readonly failed: Promise<never>
}

/** Throws RequesterError `option-invalid`. */
export function createRequester<M extends TreeManifest>(
  components: RequesterComponents<M>,
  options: RequesterOptions
): Requester {
  const faults = validateRequesterOptions(options)
  if (faults.length > 0) throw new RequesterError('option-invalid', faults.join('; '), { details: { faults } })
  return new BlockRequester(components, options)
}

/** What exists once the start height is known. */
interface Sync<M extends TreeManifest> {
  readonly start: number
  readonly coordinator: Coordinator<M>
  readonly follower: Follower
  readonly notifier: Notifier
  readonly notified: Checkpoint
  readonly settleWatch: SettleWatch
  readonly stallWatch: StallWatch
}

class BlockRequester<M extends TreeManifest> implements Requester {
  readonly failed: Promise<never>
  readonly #components: RequesterComponents<M>
  readonly #options: RequesterOptions
  readonly #controller = new AbortController()
  readonly #early = new Map<BlockListener, () => void>()
  #reject: (error: RequesterError) => void = () => undefined
  #sync: Sync<M> | undefined
  #main: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #timer: Timer | undefined

  constructor(components: RequesterComponents<M>, options: RequesterOptions) {
    this.#components = components
    this.#options = options
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#reject = reject
    })
    // Whoever listens gets it; when nobody does it must not end the process from here.
    this.failed.catch(() => undefined)
  }

  /** Reads the progress, then works on by itself; does not wait for the feed. Throws RequesterError `already-started`. */
  async start(): Promise<void> {
    if (this.#main !== undefined || this.#stopping !== undefined) {
      throw new RequesterError('already-started', 'a requester starts once')
    }
    let proceed: (stored: StoredProgress | undefined) => void = () => undefined
    this.#main = new Promise<StoredProgress | undefined>((resolve) => {
      proceed = resolve
    }).then((stored) => this.#run(stored))
    try {
      const stored = await loadProgress(this.#components, this.#options)
      if (stored !== undefined) this.#begin(stored)
      proceed(stored)
    } catch (error) {
      this.#controller.abort(stopped())
      proceed(undefined)
      throw error
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnce()
    return this.#stopping
  }

  onBlock(listener: BlockListener): () => void {
    if (this.#sync !== undefined) return this.#sync.notifier.add(listener)
    this.#early.set(listener, () => undefined)
    return () => {
      this.#early.get(listener)?.()
      this.#early.delete(listener)
    }
  }

  get notified(): number | undefined {
    const sync = this.#sync
    if (sync === undefined) return undefined
    const height = Math.min(sync.notified.saved, sync.coordinator.consecutive)
    return height < sync.start ? undefined : height
  }

  status(): RequesterStatus {
    const { feed, tracker, clock } = this.#components
    const sync = this.#sync
    const table = sync?.coordinator.table
    const from = sync?.start ?? 0
    const reached = (height: number | undefined) => (height === undefined || height < from ? undefined : height)
    const lowest = sync === undefined ? undefined : Math.max(from, (tracker.prunedTo ?? -1) + 1)
    return {
      feed: feed.highest,
      highest: reached(table?.highestHeld),
      consecutive: reached(sync?.coordinator.consecutive),
      lowest,
      notified: reached(sync?.notifier.notified),
      inProgress: table?.running ?? 0,
      halted: this.#halts(),
      haltedCount: table?.haltedCount ?? 0,
      unobtainable: sync?.follower.unobtainable ?? null,
      stall: sync?.stallWatch.current(clock.now()) ?? null,
      notificationWaitsFor: sync?.notifier.waitsFor ?? null,
      announceToStoredMs: (sync?.coordinator.latency ?? new LatencySketch()).summary()
    }
  }

  readiness(): { readonly ok: boolean; readonly reason: string } {
    const { feed, consecutive, stall, halted } = this.status()
    if (this.#sync === undefined || feed === undefined)
      return { ok: false, reason: 'no height is known from the feed yet' }
    const frontier = consecutive ?? this.#sync.start - 1
    const [halt] = halted
    if (halt !== undefined && halt.height === frontier + 1) {
      return { ok: false, reason: `the execution data of height ${halt.height} is malformed: ${halt.message}` }
    }
    if (stall !== null)
      return { ok: false, reason: `stalled at height ${stall.height} (${stall.reason}): ${stall.remedy}` }
    const lag = feed - frontier
    const ok = lag <= this.#options.readyLagHeights
    return { ok, reason: lag <= 0 ? 'at the head' : `${lag} heights behind the head` }
  }

  #halts(): Halt[] {
    const table = this.#sync?.coordinator.table
    const now = this.#components.clock.now()
    return (table?.halted(this.#options.maxReportedHalts) ?? []).map(({ block, message, sinceMs, confirmed }) => ({
      height: block.height,
      executionDataId: block.executionDataId,
      message,
      sinceMs: Math.round(now - sinceMs),
      confirmed
    }))
  }

  async #run(stored: StoredProgress | undefined): Promise<void> {
    const { signal } = this.#controller
    try {
      signal.throwIfAborted()
      if (stored === undefined) this.#begin(await chooseStart(this.#components, this.#options, { signal }))
      const sync = this.#sync
      if (sync === undefined) return
      this.#tick()
      const loops = [this.#recover(sync), sync.follower.run(signal), sync.notifier.run(signal)]
      for (const loop of loops) loop.catch((error: unknown) => this.#fail(error))
      await Promise.allSettled(loops)
    } catch (error) {
      this.#fail(error)
    }
  }

  async #recover({ coordinator }: Sync<M>): Promise<void> {
    const count = await recoverTracked(this.#components, coordinator, { signal: this.#controller.signal })
    if (count > 0)
      this.#components.logger.info({ count }, 'heights above the checkpoint that are tracked already are checked again')
  }

  #begin(stored: StoredProgress): void {
    const components = this.#components
    const options = this.#options
    const { signal } = this.#controller
    const fail = (error: unknown): void => this.#fail(error)
    const frontier = Math.max(stored.consecutive, components.tracker.prunedTo ?? -1)
    const coordinator = new Coordinator(components, options, { frontier, signal, fail })
    const notified = new Checkpoint(components, PROGRESS.notified, {
      saved: stored.notified,
      everyMs: options.checkpointEveryMs,
      onSaved: () => coordinator.moved.wake(),
      onError: fail
    })
    const notifier = new Notifier(components, notifierOwner(coordinator, notified), options)
    for (const listener of this.#early.keys()) this.#early.set(listener, notifier.add(listener))
    // From the first height that is not notified: the feed must be able to settle it.
    const follower = new Follower(components, coordinator, {
      from: stored.notified + 1,
      unobtainableAfterMs: options.unobtainableAfterMs
    })
    const settleOwner = { table: coordinator.table, settled: coordinator.settled.bind(coordinator), fail }
    const settleWatch = new SettleWatch(components, settleOwner, { afterMs: options.settleWatchAfterMs, signal })
    const stallWatch = new StallWatch(components, { table: coordinator.table, follower }, options)
    this.#sync = { start: stored.start, coordinator, follower, notifier, notified, settleWatch, stallWatch }
  }

  /** The housekeeping: one timer for everything that is not an event. */
  #tick(): void {
    const sync = this.#sync
    if (sync === undefined || this.#controller.signal.aborted) return
    const { clock, metrics } = this.#components
    const now = clock.now()
    sync.coordinator.tick()
    sync.follower.check(now)
    sync.notifier.check(now)
    sync.settleWatch.check(now)
    sync.stallWatch.check(now)
    const gap = sync.follower.unobtainable
    metrics.unobtainableHeights.set(gap === undefined ? 0 : gap.to - gap.from + 1)
    this.#timer = clock.setTimer(this.#options.tickMs, () => this.#tick())
  }

  #fail(error: unknown): void {
    if (this.#controller.signal.aborted) return
    this.#reject(new RequesterError('broken', `the requester cannot go on: ${messageOf(error)}`, { cause: error }))
    this.#controller.abort(stopped())
    this.#timer?.cancel()
  }

  async #stopOnce(): Promise<void> {
    this.#controller.abort(stopped())
    this.#timer?.cancel()
    const finish = async (): Promise<void> => {
      await this.#main
      await this.#sync?.coordinator.idle()
      await Promise.all([this.#sync?.coordinator.checkpoint.flush(), this.#sync?.notified.flush()])
    }
    const { clock, logger } = this.#components
    if (await endsWithin(finish(), this.#options.stopTimeoutMs, clock)) return
    logger.warn({ timeoutMs: this.#options.stopTimeoutMs }, 'the requester stops though some of its work has not ended')
  }
}

function notifierOwner<M extends TreeManifest>(coordinator: Coordinator<M>, checkpoint: Checkpoint) {
  return {
    checkpoint,
    moved: coordinator.moved,
    get consecutive() {
      return coordinator.consecutive
    },
    replace: coordinator.settled.bind(coordinator),
    replacing: coordinator.replacing.bind(coordinator)
  }
}

async function endsWithin(work: Promise<void>, ms: number, clock: Clock): Promise<boolean> {
  const done = new AbortController()
  const late = sleep(clock, ms, done.signal).then(
    () => false,
    () => true
  )
  const ended = work.then(() => true)
  const inTime = await Promise.race([ended, late])
  done.abort()
  return inTime
}

const stopped = (): RequesterError => new RequesterError('stopped', 'the requester is being stopped')
