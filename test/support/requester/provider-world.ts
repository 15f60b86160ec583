import assert from 'node:assert/strict'
import { Registry } from 'prom-client'
import {
  type Announcement,
  type Blob,
  blobOf,
  type ExecutionDataId,
  type Height,
  type SealedBlock,
  type SignedAnnouncement
} from '#src/model/index.ts'
import {
  createProvider,
  createProviderMetrics,
  defaultProviderOptions,
  openAnnouncementLog,
  type Provider,
  type ProviderOptions,
  type TreeCheck
} from '#src/provider/index.ts'
import { seededRng } from '#src/util/index.ts'
import { blockAt } from './blocks.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeFeed } from './fake-feed.ts'
import { LogBook } from './harness.ts'
import { MemoryTracker } from './memory-disk.ts'
import { MemorySpace } from './memory-space.ts'

/** A block whose tree is a root and some leaves. */
export interface MadeBlock {
  readonly block: SealedBlock
  readonly blobs: readonly Blob[]
}

export function makeBlock(height: Height, leaves = 2): MadeBlock {
  const blobs = Array.from({ length: leaves + 1 }, (_, at) => blobOf(Buffer.from(`block ${height} blob ${at}`)))
  const executionDataId = (blobs[0] as Blob).cid.toExecutionDataId()
  return { block: { ...blockAt(height), executionDataId }, blobs }
}

export class ProviderWorld {
  readonly clock = new FakeClock()
  readonly feed = new FakeFeed()
  readonly tracker = new MemoryTracker()
  readonly space = new MemorySpace()
  readonly log = new LogBook()
  readonly trees = new Map<ExecutionDataId, MadeBlock>()
  readonly store = new Map<string, Blob>()
  readonly notified: string[] = []
  readonly published: Height[] = []
  readonly signed: Announcement[] = []
  readonly decoded = new Map<Height, SignedAnnouncement>()
  checks = 0
  registry = new Registry()
  publishFails = false
  checkFails = false
  beforeCheckEnds: () => Promise<void> = async () => undefined
  provider: Provider | undefined

  async start(options: Partial<ProviderOptions> = {}): Promise<Provider> {
    this.registry = new Registry()
    const metrics = createProviderMetrics(this.registry)
    const log = await openAnnouncementLog(
      {
        space: this.space,
        encode: (announcement) => {
          this.decoded.set(announcement.height, announcement)
          return Uint8Array.of(announcement.height)
        },
        decode: (bytes) => this.decoded.get(bytes[0] ?? 0) as SignedAnnouncement,
        prunedTo: () => this.tracker.prunedTo,
        metrics,
        logger: this.log
      },
      defaultProviderOptions.log
    )
    this.provider = createProvider(
      {
        feed: this.feed,
        tracker: this.tracker,
        checkTree: (id) => this.#check(id),
        putBlobs: async (blobs) => {
          // A disk takes its turn.
          await new Promise((resolve) => setImmediate(resolve))
          for (const blob of blobs) this.store.set(blob.cid.key, blob)
        },
        notifyNewBlobs: (cids) => this.notified.push(...cids.map(String)),
        sign: (announcement) => {
          this.signed.push(announcement)
          return { ...announcement, signedBytes: new Uint8Array(8), signature: new Uint8Array(8) }
        },
        publish: ({ height }) => {
          if (this.publishFails) throw new Error('no network')
          assert.ok(this.tracker.tracked.has(height), 'published before it was tracked')
          assert.equal(log.announced, height, 'published before it was in the log')
          this.published.push(height)
        },
        log,
        metrics,
        logger: this.log,
        clock: this.clock,
        rng: seededRng(1)
      },
      { ...defaultProviderOptions, ...options }
    )
    await this.provider.start()
    await this.clock.advance(0)
    return this.provider
  }

  /** As a file feed: it knows its lowest height as soon as it knows any. */
  give(...made: MadeBlock[]): void {
    for (const one of made) {
      this.feed.lowestOffered = Math.min(this.feed.lowestOffered ?? one.block.height, one.block.height)
      this.trees.set(one.block.executionDataId, one)
      this.feed.give(one.block)
    }
  }

  ingest(made: MadeBlock, blobs: readonly Blob[] = made.blobs): Promise<{ blobs: number; bytes: number }> {
    const signal = new AbortController().signal
    assert.ok(this.provider !== undefined)
    return this.provider.ingest(made.block, streamOf(blobs), { signal })
  }

  async metric(name: string): Promise<number | undefined> {
    const metric = await this.registry.getSingleMetric(name)?.get()
    const count = metric?.values.find((value) => (value as { metricName?: string }).metricName === `${name}_count`)
    return (count ?? metric?.values[0])?.value
  }

  async #check(id: ExecutionDataId): Promise<TreeCheck> {
    this.checks += 1
    if (this.checkFails) throw new Error('not a root')
    const made = this.trees.get(id)
    assert.ok(made !== undefined)
    const missing = made.blobs.filter((blob) => !this.store.has(blob.cid.key)).map((blob) => blob.cid)
    await this.beforeCheckEnds()
    // Below a root that is missing nothing can be seen.
    if (missing[0]?.key === made.blobs[0]?.cid.key && missing[0] !== undefined) return { missing: [missing[0]] }
    if (missing.length > 0) return { missing }
    const cids = made.blobs.map((blob) => blob.cid)
    const bytes = made.blobs.reduce((sum, blob) => sum + blob.bytes.length, 0)
    return { manifest: { executionDataId: id, cids, bytes, chunks: cids.slice(1) } }
  }
}

async function* streamOf(blobs: readonly Blob[]): AsyncGenerator<Blob> {
  yield* blobs
}
