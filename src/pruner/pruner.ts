/**
 * Deletes what retention no longer keeps, and gives the space back.
 *
 * Flow
 *   look: does something have to go? → mark the task dirty → the task that is dirty the longest takes one bounded step → pause
 *   heights: the tracker gives what no kept height refers to → the store deletes it
 *   loose: blobs of replaced blocks and others that may be nobody's → checked again after a while → deleted
 *   orphans: after an unclean stop, a walk over the store for blobs that nobody refers to → loose
 *   space: dead segments are unlinked, mostly dead ones rewritten
 *
 * Invariants
 * - a step is bounded in time and bytes, and everything may stop, or be killed, after any of them
 * - no height above the one that is done with goes, whatever is asked for
 * - pruning takes at least its busy share of the time, so that its backlog is bounded, and at most its idle share
 */
import type { Height } from '../model/index.ts'
import { codeOf, messageOf, type Service, sleep } from '../util/index.ts'
import { PrunerError } from './errors.ts'
import { PRUNER_TASKS, type PrunerTask } from './metrics.ts'
import { type PrunerOptions, type Retention, validatePrunerOptions } from './options.ts'
import { Pacer } from './pacer.ts'
import { type PrunePlan, planOf } from './plan.ts'
import type { PrunerComponents } from './ports.ts'
import { Rate } from './rate.ts'
import { Target } from './target.ts'
import { type TaskStep, Tasks } from './tasks.ts'

export interface PrunerStatus {
  readonly retention: Retention
  readonly state: 'idle' | 'working' | 'failing'
  readonly prunedTo: Height | null
  /** Heights up to this one are to go now; `null` when none is. */
  readonly target: Height | null
  readonly backlogHeights: number
  /** What it works on, the longest dirty first. */
  readonly dirty: readonly PrunerTask[]
  readonly freed: { readonly blobs: number; readonly bytes: number }
  /** Over the last minute. */
  readonly perSecond: { readonly bytes: number; readonly heights: number }
  /** Share of the time it may take now. */
  readonly share: number
}

export interface Pruner extends Service {
  status(): PrunerStatus
  /** What would go if heights below `below`, or those that retention does not keep, were pruned now. */
  plan(options: { readonly below?: Height; readonly signal: AbortSignal }): Promise<PrunePlan>
  /**
   * Prunes the heights below this one whatever retention says; resolves when they are gone. `inOrder`: one after the other, so that those
   * above stay whole until then; it takes several times as long for millions of blobs. Throws PrunerError `not-held` or `stopped`.
   */
  pruneBelow(height: Height, options: { readonly signal: AbortSignal; readonly inOrder?: boolean }): Promise<void>
  /** Throws PrunerError `not-held` when heights below this one are still needed. */
  assertMayPrune(below: Height): void
  /** Resolves when nothing is left to do. Throws PrunerError `stopped`. */
  settled(options: { readonly signal: AbortSignal }): Promise<void>
  /** Looks for blobs that nobody refers to. */
  findOrphans(): void
  /** Most bytes deleted in a second from now on; 0: no limit. */
  limitRate(bytesPerSecond: number): void
}

/** Throws PrunerError `option-invalid`. */
export function createPruner(components: PrunerComponents, options: PrunerOptions): Pruner {
  const faults = validatePrunerOptions(options)
  if (faults.length > 0) throw new PrunerError('option-invalid', faults.join('; '), { details: { faults } })
  return new BlobPruner(components, options)
}

/** After an error the next step waits this long, and twice as long each time, ms. */
const RETRY_MS = { first: 1_000, most: 60_000 } as const

class BlobPruner implements Pruner {
  readonly #components: PrunerComponents
  readonly #options: PrunerOptions & { bytesPerSecond: number }
  readonly #controller = new AbortController()
  readonly #target: Target
  readonly #tasks: Tasks
  readonly #pacer: Pacer
  readonly #rate: Rate
  /** Since when each task has something to do, by the monotonic clock. */
  readonly #dirty = new Map<PrunerTask, number>()
  readonly #waiting = new Set<() => void>()
  readonly #freed = { blobs: 0, bytes: 0 }
  #to: Height | undefined
  #failures = 0
  #wake: AbortController | undefined
  #main: Promise<void> | undefined

  constructor(components: PrunerComponents, options: PrunerOptions) {
    this.#components = components
    // One object for all: the rate may be changed while it runs.
    this.#options = { ...options }
    this.#target = new Target(components, this.#options)
    this.#tasks = new Tasks(components, this.#options, this.#target)
    this.#pacer = new Pacer(this.#options)
    this.#rate = new Rate(components.clock)
    // What an earlier run began, it may not have ended.
    for (const task of ['heights', 'space'] as const) this.#mark(task)
  }

  async start(): Promise<void> {
    this.#main ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort(new PrunerError('stopped', 'the pruner is being stopped'))
    this.#wake?.abort()
    await this.#main
    await this.#tasks.close()
    this.#notice()
  }

  status(): PrunerStatus {
    const dirty = this.#byAge()
    return {
      retention: this.#options.retention,
      state: this.#failures > 0 ? 'failing' : dirty.length > 0 ? 'working' : 'idle',
      prunedTo: this.#components.tracker.prunedTo ?? null,
      target: this.#to ?? null,
      backlogHeights: this.#backlog(),
      dirty,
      freed: { ...this.#freed },
      perSecond: this.#rate.perSecond(),
      share: this.#pacer.share
    }
  }

  async plan({ below, signal }: { readonly below?: Height; readonly signal: AbortSignal }): Promise<PrunePlan> {
    const to = below === undefined ? await this.#target.now() : below - 1
    return planOf(this.#components, { to, signal })
  }

  async pruneBelow(
    height: Height,
    { signal, inOrder = false }: { readonly signal: AbortSignal; readonly inOrder?: boolean }
  ): Promise<void> {
    this.assertMayPrune(height)
    this.#target.raiseFloor(height - 1, { inOrder })
    this.#mark('heights')
    await this.settled({ signal })
  }

  assertMayPrune(below: Height): void {
    const done = this.#components.doneWith()
    if (done !== undefined && below <= done + 1) return
    const held = done === undefined ? 'nothing is held yet' : `heights up to ${done} are held without a gap`
    throw new PrunerError('not-held', `cannot prune below ${below}: ${held}`, { details: { below, done } })
  }

  async settled({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const isDone = (): boolean => (['heights', 'space'] as const).every((task) => !this.#dirty.has(task))
    while (!isDone()) {
      signal.throwIfAborted()
      this.#controller.signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        this.#waiting.add(wake)
        signal.addEventListener('abort', wake, { once: true })
      })
    }
  }

  findOrphans(): void {
    this.#mark('orphans')
  }

  limitRate(bytesPerSecond: number): void {
    this.#options.bytesPerSecond = bytesPerSecond
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    while (!signal.aborted) {
      try {
        await this.#look()
        const [task] = this.#byAge()
        await this.#pause(task === undefined ? this.#options.lookMs : await this.#step(task))
      } catch (error) {
        if (signal.aborted || codeOf(error) === 'closed') return
        await this.#pause(this.#afterFailure(error))
      }
    }
  }

  /** Finds out what there is to do. */
  async #look(): Promise<void> {
    this.#to = await this.#target.now()
    this.#components.metrics.backlogHeights.set(this.#backlog())
    if (this.#to !== undefined) this.#mark('heights')
    if (this.#tasks.looseIsDue()) this.#mark('loose')
  }

  async #step(task: PrunerTask): Promise<number> {
    const { clock, load, metrics } = this.#components
    const began = clock.now()
    const before = this.#reached()
    let step: TaskStep
    try {
      step = await this.#tasks.step(task)
    } catch (error) {
      metrics.errors.inc({ task })
      throw error
    } finally {
      metrics.steps.inc({ task })
    }
    const busyMs = clock.now() - began
    metrics.busySeconds.inc(busyMs / 1000)
    this.#failures = 0
    this.#note(task, { step, busyMs, before })
    // To the back of the queue, or out of it.
    this.#dirty.delete(task)
    if (step.more) this.#mark(task)
    else this.#notice()
    const pause = this.#pacer.pauseAfter({
      busyMs,
      freedBytes: step.freedBytes,
      load: load(),
      backlog: this.#pressure()
    })
    metrics.share.set(this.#pacer.share)
    return step.more || this.#dirty.size > 0 ? pause : 0
  }

  #note(
    task: PrunerTask,
    { step, busyMs, before }: { readonly step: TaskStep; readonly busyMs: number; readonly before: Height | undefined }
  ): void {
    const { metrics, tracker } = this.#components
    const { prunedTo } = tracker
    const reached = this.#reached()
    if (task === 'heights') {
      metrics.pruneDurationsMs.observe(busyMs)
      this.#tasks.adapt(busyMs)
      if (prunedTo !== undefined) metrics.latestHeightPruned.set(prunedTo)
    }
    if (step.freedBlobs > 0) this.#mark('space')
    metrics.freedBlobs.inc(step.freedBlobs)
    metrics.freedBytes.inc(step.freedBytes)
    this.#freed.blobs += step.freedBlobs
    this.#freed.bytes += step.freedBytes
    const heights = reached === undefined || before === undefined ? 0 : Math.max(0, reached - before)
    this.#rate.add(step.freedBytes, heights)
  }

  #afterFailure(error: unknown): number {
    this.#failures += 1
    const waitMs = Math.min(RETRY_MS.most, RETRY_MS.first * 2 ** Math.min(this.#failures - 1, 10))
    this.#components.logger.warn(
      { error: messageOf(error), failures: this.#failures, waitMs },
      'a step of pruning failed; it is taken again'
    )
    return waitMs
  }

  #mark(task: PrunerTask): void {
    if (this.#dirty.has(task)) return
    this.#dirty.set(task, this.#components.clock.now())
    this.#wake?.abort()
  }

  #byAge(): PrunerTask[] {
    return PRUNER_TASKS.filter((task) => this.#dirty.has(task)).sort(
      (a, b) => (this.#dirty.get(a) ?? 0) - (this.#dirty.get(b) ?? 0)
    )
  }

  /** The pruned height, less those that a sweep still has to do with. */
  #reached(): Height | undefined {
    const { prunedTo, sweepLeft } = this.#components.tracker
    return prunedTo === undefined ? undefined : prunedTo - sweepLeft
  }

  /** Heights that should be gone and are not. */
  #backlog(): number {
    const { lowest, prunedTo, sweepLeft } = this.#components.tracker
    if (this.#to === undefined || lowest === undefined) return sweepLeft
    return sweepLeft + Math.max(0, this.#to - Math.max(lowest - 1, prunedTo ?? -1))
  }

  /** From 0 to 1: as much as is retained, or more, should be gone. */
  #pressure(): number {
    const { lowest, highest, sweepLeft } = this.#components.tracker
    const held = sweepLeft + (lowest === undefined || highest === undefined ? 0 : highest - lowest + 1)
    const backlog = this.#backlog()
    return backlog === 0 ? 0 : Math.min(1, backlog / Math.max(1, held - backlog))
  }

  async #pause(ms: number): Promise<void> {
    const { clock } = this.#components
    const until = clock.now() + ms
    this.#wake = new AbortController()
    // Only a pause that waits for something to do may end early.
    const signals = this.#dirty.size === 0 ? [this.#wake.signal] : []
    try {
      await sleep(clock, ms, AbortSignal.any([this.#controller.signal, ...signals]))
      this.#pacer.noteLag(clock.now() - until)
    } catch {
      // Woken, or stopped.
    } finally {
      this.#wake = undefined
    }
  }

  #notice(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}
