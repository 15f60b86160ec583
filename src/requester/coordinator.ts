import type { Height, SealedBlock } from '../model/index.ts'
import { backoffMs } from '../util/index.ts'
import { Checkpoint, PROGRESS } from './checkpoint.ts'
import { RequesterError } from './errors.ts'
import type { RunningHeight } from './height-state.ts'
import { HeightTable } from './height-table.ts'
import { type JobOutcome, runJob } from './job.ts'
import { LatencySketch } from './latency-sketch.ts'
import type { RequesterOptions } from './options.ts'
import type { RequesterComponents, TreeManifest } from './ports.ts'
import { Wake } from './wake.ts'

type Event =
  | { readonly kind: 'offered'; readonly block: SealedBlock }
  | { readonly kind: 'settled'; readonly block: SealedBlock }
  | { readonly kind: 'ended'; readonly run: RunningHeight; readonly outcome: JobOutcome }
  | { readonly kind: 'tick' }

export interface CoordinatorOwner {
  /** The last height held when it begins. */
  readonly frontier: Height
  /** Aborts when the requester stops. */
  readonly signal: AbortSignal
  fail(error: unknown): void
}

/**
 * The one loop that owns the table of heights. Everyone else posts events: the follower what the feed gives, workers what a try came
 * to, the quorum its word, the clock its tick. An event is handled to its end before the next; then the frontier is written down,
 * free slots are filled, and whoever waits for a change is woken.
 */
export class Coordinator<M extends TreeManifest> {
  readonly table: HeightTable
  /** Wakes on every change of the table and of the checkpoint. */
  readonly moved = new Wake()
  /** The consecutive height. */
  readonly checkpoint: Checkpoint
  readonly latency = new LatencySketch()
  readonly #components: RequesterComponents<M>
  readonly #options: RequesterOptions
  readonly #owner: CoordinatorOwner
  readonly #workers = new Map<Promise<void>, AbortController>()
  readonly #events: Event[] = []
  #handling = false

  constructor(components: RequesterComponents<M>, options: RequesterOptions, owner: CoordinatorOwner) {
    this.#components = components
    this.#options = options
    this.#owner = owner
    this.table = new HeightTable(owner.frontier, options)
    this.checkpoint = new Checkpoint(components, PROGRESS.consecutive, {
      saved: owner.frontier,
      everyMs: options.checkpointEveryMs,
      onSaved: () => {
        this.#measure()
        this.moved.wake()
      },
      onError: (error) => owner.fail(error)
    })
    const abortAll = (): void => {
      for (const controller of this.#workers.values()) controller.abort(owner.signal.reason)
    }
    owner.signal.addEventListener('abort', abortAll, { once: true })
    this.#measure()
  }

  get consecutive(): Height {
    return this.checkpoint.saved
  }

  offer(block: SealedBlock): void {
    this.#post({ kind: 'offered', block })
  }

  /** The quorum's word: whatever else is known for the height gives way. */
  settled(block: SealedBlock): void {
    this.#post({ kind: 'settled', block })
  }

  tick(): void {
    this.#post({ kind: 'tick' })
  }

  /** Whether a height that was held is being fetched anew. */
  replacing(height: Height): boolean {
    return this.table.get(height) !== undefined
  }

  /** Resolves when no worker runs. */
  async idle(): Promise<void> {
    while (this.#workers.size > 0) await Promise.all(this.#workers.keys())
  }

  #post(event: Event): void {
    this.#events.push(event)
    if (this.#handling) return
    this.#handling = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#handle(next)
      this.checkpoint.advance(this.table.frontier)
      this.#fillSlots()
    } catch (error) {
      this.#owner.fail(error)
    } finally {
      this.#handling = false
    }
    this.#measure()
    this.moved.wake()
  }

  #handle(event: Event): void {
    if (event.kind === 'offered') this.#takeOffer(event.block)
    else if (event.kind === 'settled') this.#takeSettled(event.block)
    else if (event.kind === 'ended') this.#takeOutcome(event.run, event.outcome)
  }

  #takeOffer(block: SealedBlock): void {
    const { feed, logger } = this.#components
    const hot = block.live === true && (feed.highest ?? block.height) - block.height < this.#options.hotHeights
    if (this.table.offer(block, { hot }) !== 'conflict') return
    logger.warn(
      { height: block.height, executionDataId: block.executionDataId },
      'the feed names another block than the one known for the height; the quorum decides'
    )
  }

  #takeSettled(block: SealedBlock): void {
    const known = this.table.get(block.height)
    const reason = new RequesterError('superseded', `the quorum settled on another block for height ${block.height}`)
    if (this.table.supersede(block, reason) === 'same' || known === undefined) return
    this.#components.metrics.settledDifferently.inc()
    this.#components.logger.error(
      { height: block.height, taken: known.block.executionDataId, settled: block.executionDataId },
      'the quorum settled on another block than the one first announced; that one is dropped'
    )
  }

  #takeOutcome(run: RunningHeight, outcome: JobOutcome): void {
    const { metrics, logger, clock } = this.#components
    const { height } = run.block
    const now = clock.now()
    const stopping = this.#owner.signal.aborted
    if (outcome.kind === 'fatal') return this.#owner.fail(outcome.error)
    if (!stopping) metrics.downloadDurationMs.observe(now - run.startedAt)
    if (outcome.kind === 'held') {
      metrics.downloadedBytes.inc(outcome.bytes)
      return this.table.hold(run, outcome)
    }
    if (stopping) return
    metrics.failedDownloads.inc()
    if (outcome.kind === 'failed') {
      const dueAt = now + backoffMs(run.attempt, this.#options.retry, this.#components.rng)
      logger.debug({ height, attempt: run.attempt, reason: outcome.message }, 'a try failed')
      return this.table.postpone(run, { dueAt, gone: outcome.gone })
    }
    const { executionDataId } = run.block
    if (!this.table.halt(run, { message: outcome.message, sinceMs: now })) return
    logger.error(
      { height, executionDataId, reason: outcome.message },
      'the execution data of a height is malformed: the height is halted and not asked for again; others go on'
    )
  }

  #fillSlots(): void {
    if (this.#owner.signal.aborted) return
    const now = this.#components.clock.now()
    const begin = (): RunningHeight | undefined => this.table.begin(now, this.#components.fetching?.())
    for (let run = begin(); run !== undefined; run = begin()) {
      if (run.attempt > 0) this.#components.metrics.downloadRetries.inc()
      const work = this.#work(run)
      this.#workers.set(work, run.controller)
      void work.finally(() => this.#workers.delete(work))
    }
    this.#components.metrics.putOff.inc(this.table.putOff)
    this.table.putOff = 0
  }

  async #work(run: RunningHeight): Promise<void> {
    const { clock } = this.#components
    const { attemptTimeoutMs, maxAttemptTimeoutMs } = this.#options
    const timeoutMs = Math.min(maxAttemptTimeoutMs, attemptTimeoutMs * 2 ** Math.min(run.attempt, 40))
    const details = { height: run.block.height, timeoutMs }
    const timer = clock.setTimer(timeoutMs, () =>
      run.controller.abort(new RequesterError('attempt-timeout', `not fetched within ${timeoutMs} ms`, { details }))
    )
    const { signal } = run.controller
    const onTracked = (): void => this.#measureLatency(run.block)
    try {
      const outcome = await runJob(this.#components, run.block, { signal, onTracked })
      this.#post({ kind: 'ended', run, outcome })
    } catch (error) {
      this.#owner.fail(error)
    } finally {
      timer.cancel()
    }
  }

  #measureLatency(block: SealedBlock): void {
    if (block.live !== true || block.announcedAtMs === undefined) return
    const ms = Math.max(0, this.#components.clock.wallNow() - block.announcedAtMs)
    this.latency.add(ms)
    this.#components.metrics.announceToStored.observe(ms / 1000)
  }

  #measure(): void {
    const { metrics } = this.#components
    const { table } = this
    metrics.inProgressDownloads.set(table.running)
    metrics.highestDownloadHeight.set(Math.max(0, this.consecutive))
    metrics.aheadHeights.set(table.heldCount)
    metrics.aheadBytes.set(table.heldBytes)
    metrics.inFlightBytes.set(table.reservedBytes)
    metrics.haltedHeights.set(table.haltedCount)
  }
}
