import { LRUCache } from 'lru-cache'
import type { MemoryAccount } from '../budget/account.ts'
import type { Blob, BlobCid, DigestKey } from '../model/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { StoreMetrics } from './metrics.ts'
import { defaultWarehouseOptions, type WarehouseOptions } from './options.ts'

export interface WarehouseComponents {
  readonly store: Blockstore
  readonly metrics: StoreMetrics
  /** What the cache may hold beside its own bound; without one the bound alone counts. */
  readonly account?: MemoryAccount
}

/** What a blob costs around its bytes: CID, its key, buffer objects, the entry of the map. */
const ENTRY_BYTES = 512

/**
 * Keeps in memory what is in use and pages the rest in on demand.
 *
 * A get is answered from the cache, or joins the load of the same blob that is under way, or loads it. A put is cached in
 * the moment of the call. The least recently used leave when the bytes exceed the bound.
 *
 * Invariants: one load per blob however many ask; the cache never holds more than `cacheBytes` (or the share of it that
 * is set), all accounted; nothing that
 * was deleted, or whose put failed, is cached afterwards; with `cacheBytes` 0 every result is the same.
 */
export class Warehouse implements Blockstore {
  readonly #store: Blockstore
  readonly #metrics: StoreMetrics
  readonly #account: MemoryAccount | undefined
  readonly #cacheBytes: number
  #bound: number
  readonly #cache: LRUCache<DigestKey, Blob> | undefined
  readonly #loads = new Map<DigestKey, Promise<Blob | undefined>>()

  constructor({ store, metrics, account }: WarehouseComponents, options: Partial<WarehouseOptions> = {}) {
    const { cacheBytes } = { ...defaultWarehouseOptions, ...options }
    this.#store = store
    this.#metrics = metrics
    this.#account = account
    this.#cacheBytes = cacheBytes
    this.#bound = cacheBytes
    if (cacheBytes > 0) this.#cache = this.#createCache(cacheBytes)
  }

  async has(cid: BlobCid): Promise<boolean> {
    return this.#cache?.has(cid.key) === true || this.#store.has(cid)
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#cache?.peek(cid.key)?.bytes.length ?? this.#store.getSize(cid)
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    const cached = this.#cache?.get(cid.key)
    if (cached !== undefined) {
      this.#metrics.cacheRequests.inc({ result: 'hit' })
      return cached
    }
    const load = this.#loads.get(cid.key)
    this.#metrics.cacheRequests.inc({ result: load === undefined ? 'miss' : 'joined' })
    return load ?? this.#load(cid)
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  async putMany(blobs: readonly Blob[]): Promise<void> {
    const done = this.#store.putMany(blobs)
    for (const blob of blobs) this.#keep(blob)
    try {
      await done
    } catch (error) {
      this.#forget(blobs.map((blob) => blob.cid))
      throw error
    }
  }

  async deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    this.#forget(cids)
    try {
      return await this.#store.deleteMany(cids)
    } finally {
      // What was loaded again before the deletion had its turn.
      this.#forget(cids)
    }
  }

  keys(): AsyncIterable<BlobCid> {
    return this.#store.keys()
  }

  stats(): BlockstoreStats {
    return this.#store.stats()
  }

  /** Drops everything cached, and gives it back to the account. */
  clear(): void {
    this.#cache?.clear()
    this.#publish()
  }

  /** Evicts about so many bytes at once, the least recently used first. */
  giveBack(bytes: number): void {
    const cache = this.#cache
    if (cache === undefined) return
    const least = Math.max(0, cache.calculatedSize - bytes)
    while (cache.calculatedSize > least && this.#evict(cache));
    this.#publish()
  }

  /** Holds at most this share of `cacheBytes` from here on, 0 to 1; what is above it goes at once. */
  setShare(share: number): void {
    this.#bound = Math.floor(this.#cacheBytes * share)
    this.giveBack(Math.max(0, (this.#cache?.calculatedSize ?? 0) - this.#bound))
  }

  #load(cid: BlobCid): Promise<Blob | undefined> {
    const load: Promise<Blob | undefined> = this.#store.get(cid).then(
      (blob) => {
        // A deletion meanwhile takes the load out of the map: its result is for those who asked before, not for the cache.
        if (this.#loads.get(cid.key) === load) {
          this.#loads.delete(cid.key)
          if (blob !== undefined) this.#keep(blob)
        }
        return blob
      },
      (error: unknown) => {
        if (this.#loads.get(cid.key) === load) this.#loads.delete(cid.key)
        throw error
      }
    )
    this.#loads.set(cid.key, load)
    return load
  }

  #keep(blob: Blob): void {
    const cache = this.#cache
    const bytes = costOf(blob)
    if (cache === undefined || bytes > this.#bound || cache.has(blob.cid.key)) return
    while (cache.calculatedSize + bytes > this.#bound) this.#evict(cache)
    // Where others hold the memory, the cache gives way rather than to grow.
    while (this.#account?.tryReserve(bytes) === false) if (!this.#evict(cache)) return this.#publish()
    cache.set(blob.cid.key, blob, { size: bytes })
    this.#publish()
  }

  #evict(cache: LRUCache<DigestKey, Blob>): boolean {
    if (cache.pop() === undefined) return false
    this.#metrics.cacheEvictions.inc()
    return true
  }

  #forget(cids: readonly BlobCid[]): void {
    for (const { key } of cids) {
      this.#cache?.delete(key)
      this.#loads.delete(key)
    }
    this.#publish()
  }

  #createCache(maxSize: number): LRUCache<DigestKey, Blob> {
    return new LRUCache({ maxSize, dispose: (blob) => this.#account?.release(costOf(blob)) })
  }

  #publish(): void {
    this.#metrics.cacheBytes.set(this.#cache?.calculatedSize ?? 0)
    this.#metrics.cacheBlobs.set(this.#cache?.size ?? 0)
  }
}

function costOf(blob: Blob): number {
  return blob.bytes.length + ENTRY_BYTES
}
