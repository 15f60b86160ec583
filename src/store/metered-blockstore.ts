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

  get(cid: BlobCid): Promise<Blob | undefined> {
    return this.#timed('get', this.#store.get(cid), (blob) => {
      if (blob !== undefined) this.#metrics.operationBytes.inc({ direction: 'out' }, blob.bytes.length)
      return blob !== undefined
    })
  }

  put(blob: Blob): Promise<void> {
    return this.#timed('put', this.#store.put(blob), () => this.#taken(blob.bytes.length))
  }

  putMany(blobs: readonly Blob[]): Promise<void> {
    const bytes = blobs.reduce((sum, blob) => sum + blob.bytes.length, 0)
    return this.#timed('putMany', this.#store.putMany(blobs), () => this.#taken(bytes))
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

  #taken(bytes: number): true {
    this.#metrics.operationBytes.inc({ direction: 'in' }, bytes)
    return true
  }

  /** `found` is called with what came. One promise a call: several calls are made for each blob. */
  #timed<T>(operation: StoreOperation, call: Promise<T>, found: (result: T) => boolean): Promise<T> {
    const startedAt = this.#clock.now()
    const ended = (outcome: 'ok' | 'miss' | 'error'): void => {
      this.#metrics.operations.inc({ operation, outcome })
      this.#metrics.operationSeconds.observe({ operation }, (this.#clock.now() - startedAt) / 1000)
    }
    return call.then(
      (result) => {
        ended(found(result) ? 'ok' : 'miss')
        return result
      },
      (error: unknown) => {
        ended('error')
        throw error
      }
    )
  }
}
