import { Registry } from 'prom-client'
import type { WantState } from '#src/exchange/exchange.ts'
import type { Logger } from '#src/log/logger.ts'
import type { BlobCid, Height, SealedBlock } from '#src/model/index.ts'
import {
  createRequester,
  createRequesterMetrics,
  defaultRequesterOptions,
  type FailureKind,
  type Requester,
  type RequesterOptions,
  type TreeManifest
} from '#src/requester/index.ts'
import { seededRng } from '#src/util/index.ts'
import { cidsOf } from './blocks.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeFeed } from './fake-feed.ts'
import { MemoryProgress, MemoryTracker } from './memory-disk.ts'

/** An error that says itself what it is. */
export class PlannedFailure extends Error {
  readonly kind: FailureKind
  constructor(kind: FailureKind) {
    super(`planned: ${kind}`)
    this.kind = kind
  }
}

export interface Download {
  readonly block: SealedBlock
  finish(bytes?: number): void
  fail(kind: FailureKind): void
  readonly signal: AbortSignal
}

/** Keeps what was logged. */
export class LogBook implements Logger {
  readonly lines: { readonly level: string; readonly fields: object; readonly message: string }[] = []
  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message })
  }
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message })
  }
  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message })
  }
  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message })
  }
  child(): Logger {
    return this
  }
  count(text: string): number {
    return this.lines.filter((line) => line.message.includes(text)).length
  }
}

/** A requester whose feed, downloads and disk the test holds in its hands. */
export class Harness {
  readonly clock = new FakeClock()
  readonly feed = new FakeFeed()
  readonly tracker = new MemoryTracker()
  readonly progress = new MemoryProgress()
  readonly registry = new Registry()
  readonly log = new LogBook()
  readonly downloads = new Map<Height, Download>()
  /** Heights in the order in which downloads began. */
  readonly began: Height[] = []
  readonly missing = new Map<Height, BlobCid[]>()
  readonly wants = new Map<string, WantState>()
  /** Finish downloads at once, with so many bytes. */
  auto: number | undefined
  malformed = new Set<string>()
  requester: Requester

  constructor(options: Partial<RequesterOptions> = {}) {
    this.requester = this.create(options)
  }

  /** Another requester over the same disk, as after a restart. */
  create(options: Partial<RequesterOptions> = {}): Requester {
    this.registry.clear()
    this.downloads.clear()
    this.requester = createRequester<TreeManifest>(
      {
        feed: this.feed,
        tracker: this.tracker,
        progress: this.progress,
        download: (block, { signal }) => this.#download(block, signal),
        decode: async (manifest) => {
          if (this.malformed.has(manifest.executionDataId)) throw new PlannedFailure('malformed')
        },
        classify: (error) => (error instanceof PlannedFailure ? error.kind : 'fatal'),
        missing: (height) => this.missing.get(height) ?? [],
        wantState: (cid) => this.wants.get(cid.toString()),
        metrics: createRequesterMetrics(this.registry),
        logger: this.log,
        clock: this.clock,
        rng: seededRng(1)
      },
      { ...defaultRequesterOptions, startSettleMs: 0, ...options }
    )
    return this.requester
  }

  async start(): Promise<void> {
    await this.requester.start()
    await this.clock.advance(0)
  }

  async metric(name: string): Promise<number> {
    const metric = await this.registry.getSingleMetric(name)?.get()
    const count = metric?.values.find((value) => (value as { metricName?: string }).metricName === `${name}_count`)
    return (count ?? metric?.values[0])?.value ?? Number.NaN
  }

  #download(block: SealedBlock, signal: AbortSignal): Promise<TreeManifest> {
    this.began.push(block.height)
    const manifest = { executionDataId: block.executionDataId, cids: cidsOf(block), bytes: this.auto ?? 0 }
    if (this.auto !== undefined) return Promise.resolve(manifest)
    return new Promise((resolve, reject) => {
      const done = (): boolean => this.downloads.delete(block.height)
      signal.addEventListener('abort', () => {
        done()
        reject(signal.reason)
      })
      this.downloads.set(block.height, {
        block,
        signal,
        finish: (bytes = 1_000) => done() && resolve({ ...manifest, bytes }),
        fail: (kind) => done() && reject(new PlannedFailure(kind))
      })
    })
  }
}

/** A stream of blocks settled as soon as they are given. */
export function giveAll(feed: FakeFeed, blocks: Iterable<SealedBlock>): void {
  for (const block of blocks) feed.give(block)
}
