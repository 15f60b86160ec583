import type { Blob, BlobCid } from '../model/index.ts'
import type { Clock } from '../util/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { StoreMetrics, StoreOperation } from './metrics.ts'

export interface MeteredBlockstoreComponents {
  readonly store: Blockstore
  readonly metrics: StoreMetrics
  readonly clock: Clock
}

/** Counts and times every call; changes nothing. */
export class MeteredBlockstore implements Blockstore {
  readonly #store: Blockstore
  readonly #metrics: StoreMetrics
  readonly #clock: Clock

  constructor({ store, metrics, clock }: MeteredBlockstoreComponents) {
    this.#store = store
    this.#metrics = metrics
    this.#clock = clock
  }

  has(cid: BlobCid): Promise<boolean> {
    return this.#timed('has', this.#store.has(cid), (found) => found)
  }

  getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#timed('getSize', this.#store.getSize(cid), (size) => size !== undefined)
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    const blob = await this.#timed('get', this.#store.get(cid), (found) => found !== undefined)
    if (blob !== undefined) this.#metrics.operationBytes.inc({ direction: 'out' }, blob.bytes.length)
    return blob
  }

  async put(blob: Blob): Promise<void> {
    await this.#timed('put', this.#store.put(blob), () => true)
    this.#metrics.operationBytes.inc({ direction: 'in' }, blob.bytes.length)
  }

  async putMany(blobs: readonly Blob[]): Promise<void> {
    await this.#timed('putMany', this.#store.putMany(blobs), () => true)
    const bytes = blobs.reduce((sum, blob) => sum + blob.bytes.length, 0)
    this.#metrics.operationBytes.inc({ direction: 'in' }, bytes)
  }

  deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    return this.#timed('deleteMany', this.#store.deleteMany(cids), () => true)
  }

  async *keys(): AsyncGenerator<BlobCid> {
    this.#metrics.operations.inc({ operation: 'keys', outcome: 'ok' })
    yield* this.#store.keys()
  }

  stats(): BlockstoreStats {
    return this.#store.stats()
  }

  async #timed<T>(operation: StoreOperation, call: Promise<T>, found: (result: T) => boolean): Promise<T> {
    const startedAt = this.#clock.now()
    let outcome: 'ok' | 'miss' | 'error' = 'error'
    try {
      const result = await call
      outcome = found(result) ? 'ok' : 'miss'
      return result
    } finally {
      this.#metrics.operations.inc({ operation, outcome })
      this.#metrics.operationSeconds.observe({ operation }, (this.#clock.now() - startedAt) / 1000)
    }
  }
}
