import { type Blob, type BlobCid, MAX_BLOB_BYTES, type SealedBlock } from '../model/index.ts'
import { ProviderError } from './errors.ts'
import type { ProviderOptions } from './options.ts'
import type { ProviderComponents } from './ports.ts'

export interface IngestCounts {
  readonly blobs: number
  readonly bytes: number
}

type IngestComponents = Pick<ProviderComponents, 'putBlobs' | 'notifyNewBlobs' | 'tracker' | 'metrics' | 'clock'>

/** Puts the blobs of executed blocks into the store, a bounded number of bytes at a time. */
export class Ingest {
  readonly #components: IngestComponents
  readonly #options: ProviderOptions
  readonly #onStored: (cids: readonly BlobCid[]) => void
  readonly #running = new Set<Promise<IngestCounts>>()

  constructor(components: IngestComponents, options: ProviderOptions, onStored: (cids: readonly BlobCid[]) => void) {
    this.#components = components
    this.#options = options
    this.#onStored = onStored
  }

  /** See `Provider.ingest`. */
  async run(
    block: SealedBlock,
    blobs: AsyncIterable<Blob>,
    { signals }: { readonly signals: readonly AbortSignal[] }
  ): Promise<IngestCounts> {
    const { tracker, metrics } = this.#components
    const { maxIngests } = this.#options
    if (this.#running.size >= maxIngests) {
      metrics.ingestsRefused.inc()
      throw new ProviderError('ingest-busy', `${maxIngests} blocks are being taken in already`, {
        details: { limit: maxIngests }
      })
    }
    const { height } = block
    const { prunedTo } = tracker
    if (prunedTo !== undefined && height <= prunedTo) {
      throw new ProviderError('height-pruned', `height ${height} is pruned`, { details: { height, prunedTo } })
    }
    const work = this.#put(blobs, signals)
    this.#running.add(work)
    try {
      return await work
    } catch (error) {
      metrics.addBlobsFailed.inc()
      throw error
    } finally {
      this.#running.delete(work)
    }
  }

  /** Resolves when none runs. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  async #put(blobs: AsyncIterable<Blob>, signals: readonly AbortSignal[]): Promise<IngestCounts> {
    const { clock, metrics } = this.#components
    const began = clock.now()
    const counts = { blobs: 0, bytes: 0 }
    let batch: Blob[] = []
    let batchBytes = 0
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      await this.#store(batch)
      counts.blobs += batch.length
      counts.bytes += batchBytes
      batch = []
      batchBytes = 0
    }
    for await (const blob of blobs) {
      for (const signal of signals) signal.throwIfAborted()
      checkSize(blob)
      batch.push(blob)
      batchBytes += blob.bytes.length
      if (batchBytes >= this.#options.ingestBatchBytes) await flush()
    }
    for (const signal of signals) signal.throwIfAborted()
    await flush()
    metrics.addBlobsDurationsMs.observe(clock.now() - began)
    return counts
  }

  async #store(batch: readonly Blob[]): Promise<void> {
    const { putBlobs, notifyNewBlobs, metrics } = this.#components
    await putBlobs(batch)
    const cids = batch.map((blob) => blob.cid)
    notifyNewBlobs(cids)
    metrics.ingestedBlobs.inc(batch.length)
    metrics.ingestedBytes.inc(batch.reduce((sum, blob) => sum + blob.bytes.length, 0))
    this.#onStored(cids)
  }
}

function checkSize({ cid, bytes }: Blob): void {
  if (bytes.length <= MAX_BLOB_BYTES) return
  throw new ProviderError('blob-too-large', `blob ${cid} has ${bytes.length} bytes, the limit is ${MAX_BLOB_BYTES}`, {
    details: { cid: cid.toString(), bytes: bytes.length, limit: MAX_BLOB_BYTES }
  })
}
