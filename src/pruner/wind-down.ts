/**
 * Sheds what a node holds, a little per step, until nothing is left, or nothing below a height.
 *
 * Flow
 *   mark (durable) → serve on until the given time → prune to the top, at the given rate → delete what nobody owned → mark as shed
 *
 * Invariants
 * - the mark is written before anything goes, and says at every moment what is still to do: a node that is killed goes on from it
 * - what is held is served until its own step takes it
 */
import type { BlobCid, Height } from '../model/index.ts'
import { type Clock, messageOf, type Service, sleep } from '../util/index.ts'
import type { Logger } from '../log/logger.ts'
import type { Blockstore } from '../store/blockstore.ts'
import type { LevelTracker } from '../tracker/index.ts'
import type { Pruner } from './pruner.ts'
import { SteadyClock } from './target.ts'

/** What an operator ordered, and how far it is; lies in the data directory and survives everything else in it. */
export interface WindDownRecord {
  readonly schema: 'sealsync.wind-down/1'
  /** `shed`: nothing is left but the directory itself; `done`: nor that, or, with `below`, all of it is done. */
  readonly state: 'ordered' | 'shedding' | 'shed' | 'done'
  /** Unix ms. */
  readonly orderedAtMs: number
  /** Unix ms; nothing goes before it. */
  readonly keepServingUntilMs: number | null
  /** Bytes a second; 0: no limit. */
  readonly bytesPerSecond: number
  /** Only heights below this one go, and the node stays. */
  readonly below: Height | null
  readonly finishedAtMs: number | null
  /** Over all runs. */
  readonly shed: { readonly blobs: number; readonly bytes: number }
  /** Times the node was started while it wound down. */
  readonly starts: number
}

export interface WindDownStatus extends WindDownRecord {
  /** What is left. */
  readonly left: { readonly blobs: number; readonly bytes: number }
  /** At the rate of the last minute; `null` while nothing can be said. */
  readonly leftMs: number | null
}

export interface WindDownComponents {
  readonly pruner: Pick<Pruner, 'pruneBelow' | 'status' | 'assertMayPrune'>
  readonly tracker: Pick<LevelTracker, 'highest'>
  readonly store: Pick<Blockstore, 'keys' | 'deleteMany' | 'stats'>
  /** Resolves when the record is on the disk. */
  readonly save: (record: WindDownRecord) => Promise<void>
  readonly logger: Logger
  readonly clock: Clock
}

/** How often the time to begin is looked at, and what stood in the way is tried again, ms. */
const LOOK_MS = 1_000
/** How often the record on the disk follows what was shed, ms. */
const SAVE_MS = 10_000
/** Blobs that nobody owned, deleted at a time. */
const REST_STEP = 256

export class WindDown implements Service {
  readonly failed: Promise<never>
  /** Resolves when everything that was ordered is done. */
  readonly finished: Promise<WindDownRecord>
  readonly #components: WindDownComponents
  readonly #controller = new AbortController()
  readonly #steady: SteadyClock
  readonly #before: WindDownRecord['shed']
  #record: WindDownRecord
  #rest = { blobs: 0, bytes: 0 }
  #finish: (record: WindDownRecord) => void = () => undefined
  #fail: (error: unknown) => void = () => undefined
  #main: Promise<void> | undefined

  constructor(components: WindDownComponents, record: WindDownRecord) {
    this.#components = components
    this.#record = record
    this.#before = record.shed
    this.#steady = new SteadyClock(components.clock)
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failed.catch(() => undefined)
  }

  /** Whether the whole node goes. */
  get isWhole(): boolean {
    return this.#record.below === null
  }

  async start(): Promise<void> {
    this.#main ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort(new Error('the wind-down goes on with the next start'))
    await this.#main
  }

  status(): WindDownStatus {
    const left = this.#components.store.stats()
    const rate = this.#components.pruner.status().perSecond.bytes
    const leftMs = this.isWhole && this.#record.state === 'shedding' && rate > 0 ? (left.bytes / rate) * 1000 : null
    return { ...this.#current(), left: { blobs: left.count, bytes: left.bytes }, leftMs }
  }

  #current(): WindDownRecord {
    const { blobs, bytes } = this.#components.pruner.status().freed
    return {
      ...this.#record,
      shed: {
        blobs: this.#before.blobs + blobs + this.#rest.blobs,
        bytes: this.#before.bytes + bytes + this.#rest.bytes
      }
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    try {
      await this.#save({ starts: this.#record.starts + 1 })
      await this.#waitForItsTime(signal)
      await this.#save({ state: 'shedding' })
      await this.#shed(signal)
      const state = this.isWhole ? 'shed' : 'done'
      await this.#save({ state, finishedAtMs: this.#components.clock.wallNow() })
      this.#components.logger.info({ ...this.#record.shed, below: this.#record.below }, 'wound down')
      this.#finish(this.#record)
    } catch (error) {
      if (signal.aborted) await this.#save({}).catch(() => undefined)
      else this.#fail(error)
    }
  }

  async #waitForItsTime(signal: AbortSignal): Promise<void> {
    const until = this.#record.keepServingUntilMs ?? 0
    while (this.#steady.wallNow() < until) await sleep(this.#components.clock, LOOK_MS, signal)
  }

  async #shed(signal: AbortSignal): Promise<void> {
    const saving = new AbortController()
    const saver = this.#saveEvery(saving.signal)
    try {
      if (this.#record.below !== null) return await this.#pruneBelow(this.#record.below, signal)
      const { tracker } = this.#components
      while (tracker.highest !== undefined) await this.#pruneBelow(tracker.highest + 1, signal)
      await this.#deleteRest(signal)
    } finally {
      saving.abort()
      await saver
    }
  }

  /** A node that has just been started does not know yet what it is done with. */
  async #pruneBelow(below: Height, signal: AbortSignal): Promise<void> {
    const { clock, logger, pruner } = this.#components
    for (let told = false; ; told = true) {
      try {
        pruner.assertMayPrune(below)
        break
      } catch (error) {
        if (!told) logger.info({ below, reason: messageOf(error) }, 'the wind-down waits until these heights may go')
      }
      await sleep(clock, LOOK_MS, signal)
    }
    // A node that goes serves whole blocks to the last.
    await pruner.pruneBelow(below, { signal, inOrder: this.isWhole })
  }

  /** Blobs that no height referred to. */
  async #deleteRest(signal: AbortSignal): Promise<void> {
    const { store } = this.#components
    let batch: BlobCid[] = []
    const flush = async (): Promise<void> => {
      signal.throwIfAborted()
      const { count, bytes } = await store.deleteMany(batch)
      this.#rest = { blobs: this.#rest.blobs + count, bytes: this.#rest.bytes + bytes }
      batch = []
    }
    for await (const cid of store.keys()) {
      batch.push(cid)
      if (batch.length === REST_STEP) await flush()
    }
    await flush()
  }

  async #saveEvery(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#components.clock, SAVE_MS, signal).catch(() => undefined)
      if (signal.aborted) return
      await this.#save({}).catch((error: unknown) => {
        this.#components.logger.warn({ error: messageOf(error) }, 'the record of the wind-down is not written')
      })
    }
  }

  async #save(change: Partial<WindDownRecord>): Promise<void> {
    const record = { ...this.#current(), ...change }
    await this.#components.save(record)
    this.#record = { ...record, shed: this.#before }
    if (record.finishedAtMs !== null) this.#record = record
  }
}
