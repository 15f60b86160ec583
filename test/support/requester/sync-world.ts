import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import type { BlobCid, Height, SealedBlock } from '#src/model/index.ts'
import {
  createRequester,
  createRequesterMetrics,
  defaultRequesterOptions,
  type Requester,
  type RequesterOptions,
  type TreeManifest
} from '#src/requester/index.ts'
import type { TrackedBlock } from '#src/tracker/tracker.ts'
import { type Rng, seededRng, sleep, type Timer } from '#src/util/index.ts'
import { blockAt, cidsOf } from './blocks.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeFeed } from './fake-feed.ts'
import { PlannedFailure } from './harness.ts'
import { MemoryProgress, MemoryTracker } from './memory-disk.ts'

/** What the first announcer of a height says. */
type Opening = 'true' | 'malformed' | 'absent' | 'other'

export interface SyncWorldOptions {
  readonly seed: number
  readonly blocks: number
  readonly requester: Partial<RequesterOptions>
}

/**
 * A chain, a disk and a network with seeded faults around a requester that is killed now and then. Everything that must hold is
 * checked at the moment it could break.
 */
export class SyncWorld {
  readonly clock = new FakeClock()
  readonly feed = new FakeFeed()
  readonly tracker = new MemoryTracker()
  readonly progress = new MemoryProgress()
  readonly options: RequesterOptions
  readonly blocks: number
  /** Heights in the order in which the listener had them, over all lives. */
  readonly notified: Height[] = []
  kills = 0
  fetched = 0
  maxRunning = 0
  maxAhead = 0
  maxExpectedBytes = 0
  maxAheadBytes = 0
  readonly #rng: Rng
  readonly #stored = new Set<string>()
  readonly #malformed = new Set<string>()
  readonly #absent = new Set<string>()
  #life = 0
  #timers = new Set<Timer>()
  #consecutive: Height = -1
  #lastNotified: Height | undefined
  #running = 0
  #failure: Error | undefined
  requester: Requester | undefined

  constructor(options: SyncWorldOptions) {
    this.#rng = seededRng(options.seed)
    this.blocks = options.blocks
    this.options = { ...defaultRequesterOptions, startHeight: 1, ...options.requester }
  }

  /** A number in [from, to). */
  between(from: number, to: number): number {
    return from + Math.floor(this.#rng.next() * (to - from))
  }

  /** The feed says things, truly and falsely, early and late, until the chain's end. */
  chain(): void {
    let at = 0
    for (let height = 1; height <= this.blocks; height += 1) {
      at += this.between(0, 400)
      const truth = blockAt(height, { live: this.#rng.next() < 0.5, announcedAtMs: this.clock.wallNow() + at })
      const first = this.#opening(truth)
      this.clock.setTimer(at, () => this.feed.give(first, { settled: false }))
      this.clock.setTimer(at + this.between(0, 8_000), () => this.feed.settle(truth))
    }
  }

  async begin(): Promise<void> {
    this.#life += 1
    this.#running = 0
    this.#lastNotified = undefined
    const life = this.#life
    this.requester = this.#create(life)
    this.requester.onBlock((block) => this.#onBlock(block, life))
    this.requester.failed.catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    })
    await this.requester.start()
  }

  /** As `kill -9`: no timer fires, nothing that was under way ends; what is on the disk stays. */
  kill(): void {
    this.kills += 1
    this.#life += 1
    for (const timer of this.#timers) timer.cancel()
    this.#timers = new Set()
  }

  /** To be called between steps. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
    const status = this.requester?.status()
    if (status === undefined) return
    const consecutive = status.consecutive ?? -1
    if (consecutive < this.#consecutive)
      throw new Error(`consecutive went back from ${this.#consecutive} to ${consecutive}`)
    this.#consecutive = consecutive
    if ((status.notified ?? -1) > consecutive) throw new Error('notified ran ahead of consecutive')
    if (status.highest !== undefined) this.maxAhead = Math.max(this.maxAhead, status.highest - Math.max(0, consecutive))
  }

  #opening(truth: SealedBlock): SealedBlock {
    const roll = this.#rng.next()
    const opening: Opening = roll < 0.85 ? 'true' : roll < 0.9 ? 'malformed' : roll < 0.95 ? 'absent' : 'other'
    if (opening === 'true') return truth
    const wrong = { ...blockAt(truth.height, { fork: opening }), live: truth.live ?? false }
    if (opening === 'malformed') this.#malformed.add(wrong.executionDataId)
    if (opening === 'absent') this.#absent.add(wrong.executionDataId)
    return wrong
  }

  #create(life: number): Requester {
    const registry = new Registry()
    const metrics = createRequesterMetrics(registry)
    this.#watchGauges(metrics.inFlightBytes, metrics.aheadBytes)
    const alive = <T>(work: Promise<T>): Promise<T> =>
      work.then(
        (value) => (this.#life === life ? value : new Promise<T>(() => undefined)),
        (error: unknown) => (this.#life === life ? Promise.reject(error) : new Promise<T>(() => undefined))
      )
    return createRequester<TreeManifest>(
      {
        feed: this.feed,
        tracker: {
          track: (block, cids) => alive(this.#track(block, cids)),
          blockAt: (height) => alive(this.tracker.blockAt(height)),
          blocks: (from, to): AsyncIterable<TrackedBlock> => this.tracker.blocks(from, to),
          highest: this.tracker.highest,
          prunedTo: undefined
        },
        progress: {
          get: (name) => alive(this.progress.get(name)),
          set: (name, height) => alive(this.#save(name, height))
        },
        // What a killed process still hears from the feed makes it begin nothing.
        download: (block, { signal }) =>
          this.#life === life ? alive(this.#download(block, signal)) : new Promise(() => undefined),
        decode: async (manifest) => {
          if (this.#malformed.has(manifest.executionDataId)) throw new PlannedFailure('malformed')
          if (this.#rng.next() < 0.02) throw new PlannedFailure('transient')
        },
        classify: (error) => (error instanceof PlannedFailure ? error.kind : 'fatal'),
        missing: () => [],
        wantState: () => undefined,
        metrics,
        logger: silentLogger,
        clock: this.#clockOf(life),
        rng: this.#rng
      },
      this.options
    )
  }

  #clockOf(life: number) {
    return {
      now: () => this.clock.now(),
      wallNow: () => this.clock.wallNow(),
      setTimer: (ms: number, run: () => void): Timer => {
        if (this.#life !== life) return { cancel: () => undefined }
        const timer = this.clock.setTimer(ms, run)
        this.#timers.add(timer)
        return timer
      }
    }
  }

  #watchGauges(expected: { set(value: number): void }, ahead: { set(value: number): void }): void {
    const [setExpected, setAhead] = [expected.set.bind(expected), ahead.set.bind(ahead)]
    expected.set = (value: number) => {
      this.maxExpectedBytes = Math.max(this.maxExpectedBytes, value)
      setExpected(value)
    }
    ahead.set = (value: number) => {
      this.maxAheadBytes = Math.max(this.maxAheadBytes, value)
      setAhead(value)
    }
  }

  /** Takes its time, fails, hangs; what was fetched once is found on the disk. */
  async #download(block: SealedBlock, signal: AbortSignal): Promise<TreeManifest> {
    this.#running += 1
    this.maxRunning = Math.max(this.maxRunning, this.#running)
    const cids = cidsOf(block)
    const manifest = { executionDataId: block.executionDataId, cids, bytes: 1_000 + (block.height % 7) * 50_000 }
    try {
      if (this.#stored.has(block.executionDataId)) return manifest
      const roll = this.#rng.next()
      const hangs = roll < 0.05 || this.#absent.has(block.executionDataId)
      await sleep(this.clock, hangs ? 10_000_000 : this.between(5, 900), signal)
      if (roll < 0.2) throw new PlannedFailure(roll < 0.1 ? 'gone' : 'transient')
      this.fetched += 1
      this.#stored.add(block.executionDataId)
      return manifest
    } finally {
      this.#running -= 1
    }
  }

  /** At a kill the batch is on the disk, or not at all. */
  async #track(block: SealedBlock, cids: readonly BlobCid[]): Promise<void> {
    const life = this.#life
    await sleep(this.clock, this.between(0, 30))
    if (this.#life !== life && this.#rng.next() < 0.5) return
    if (!this.#stored.has(block.executionDataId)) throw new Error(`height ${block.height} is tracked but not stored`)
    await this.tracker.track(block, cids)
  }

  async #save(name: string, height: Height): Promise<void> {
    const life = this.#life
    await sleep(this.clock, this.between(0, 50))
    if (this.#life !== life && this.#rng.next() < 0.5) return
    // A write from before the kill that lands late would overwrite what the next life saved; a real one is over by then.
    if (this.#life !== life && height < (this.progress.heights.get(name) ?? -1)) return
    if (name === 'requester-consecutive') this.#checkHeld(height)
    if (name === 'requester-notified' && height > (this.notified.at(-1) ?? -1))
      throw new Error('saved as notified, but was not')
    await this.progress.set(name, height)
  }

  #checkHeld(upTo: Height): void {
    for (let height = 1; height <= upTo; height += 1) {
      if (!this.tracker.tracked.has(height)) throw new Error(`${upTo} was acknowledged, but ${height} is not tracked`)
    }
  }

  async #onBlock(block: SealedBlock, life: number): Promise<void> {
    await sleep(this.clock, this.between(0, 40))
    if (this.#life !== life) return new Promise(() => undefined)
    if (this.#rng.next() < 0.02) throw new Error('a listener with a bad day')
    const { height } = block
    const expected = (this.#lastNotified ?? this.progress.heights.get('requester-notified') ?? 0) + 1
    if (height !== expected) throw new Error(`notified of ${height} instead of ${expected}`)
    if (block.executionDataId !== blockAt(height).executionDataId)
      throw new Error(`notified of a false block at ${height}`)
    if (this.tracker.tracked.get(height)?.executionDataId !== block.executionDataId) {
      throw new Error(`notified of ${height}, which is not tracked`)
    }
    if (height > (this.progress.heights.get('requester-consecutive') ?? -1))
      throw new Error(`${height} is not written down`)
    this.#lastNotified = height
    this.notified.push(height)
    return undefined
  }
}
