import type { MemoryAccount } from '../budget/account.ts'
import type { Blob, BlobCid, DigestKey } from '../model/index.ts'
import type { Clock, Service, Timer } from '../util/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { StoreMetrics } from './metrics.ts'
import { defaultWarehouseOptions, type WarehouseOptions } from './options.ts'
import { type BlobUse, Shelf } from './shelf.ts'

export interface WarehouseComponents {
  readonly store: Blockstore
  readonly metrics: StoreMetrics
  readonly clock: Clock
  /** What the cache may hold beside its own bound; without one the bound alone counts. */
  readonly account?: MemoryAccount
}

/** A blob that stays in memory until it is released, which is to be done once. */
export interface PinnedBlob {
  readonly blob: Blob
  release(): void
}

/** What a blob costs around its bytes: CID, its key, buffer objects, the entry of the map. */
const ENTRY_BYTES = 512
/** The cache is swept for what idles so many times in the span after which it goes. */
const SWEEPS = 4

interface Load {
  /** Until it is here. */
  blob: Promise<Blob | undefined> | undefined
  /** The strongest of those who wait for it. */
  use: BlobUse
}

const RANK: Readonly<Record<BlobUse, number>> = { once: 0, normal: 1, hot: 2 }

/**
 * Keeps in memory what is in use and pages the rest in on demand.
 *
 * A get is answered from the cache, or joins the load of the same blob that is under way, or loads it. A put is cached in
 * the moment of the call, as hot: the newest blobs are those that peers ask for. What is paged in leaves before what is hot, and what is
 * read `once` (see `as`) is not kept at all. The least recently used leave when the bytes exceed the bound, and what idles long leaves by itself.
 *
 * Invariants: one load per blob however many ask; the cache never holds more than `cacheBytes` (or the share of it that
 * is set), all accounted; nothing that
 * was deleted, or whose put failed, is cached afterwards; what is pinned stays; with `cacheBytes` 0 every result is the same.
 */
export class Warehouse implements Blockstore, Service {
  readonly #store: Blockstore
  readonly #components: WarehouseComponents
  readonly #options: WarehouseOptions
  readonly #shelf: Shelf
  readonly #loads = new Map<DigestKey, Load>()
  #sweep: Timer | undefined

  constructor(components: WarehouseComponents, options: Partial<WarehouseOptions> = {}) {
    this.#options = { ...defaultWarehouseOptions, ...options }
    this.#store = components.store
    this.#components = components
    const { metrics, clock, account } = components
    this.#shelf = new Shelf({ metrics, clock, account }, { bytes: this.#options.cacheBytes })
  }

  /** Begins to drop what idles. */
  async start(): Promise<void> {
    const { clock } = this.#components
    const { idleMs } = this.#options
    const sweep = (): void => {
      this.#shelf.dropUnused(clock.now() - idleMs)
      void this.start()
    }
    this.#sweep = clock.setTimer(idleMs / SWEEPS, sweep, { background: true })
  }

  async stop(): Promise<void> {
    this.#sweep?.cancel()
  }

  /** The same store, for somebody who uses what it gets in this way. */
  as(use: BlobUse): Blockstore {
    return new WarehouseView(this, use)
  }

  has(cid: BlobCid): Promise<boolean> {
    return this.#shelf.has(cid.key) ? Promise.resolve(true) : this.#store.has(cid)
  }

  getSize(cid: BlobCid): Promise<number | undefined> {
    const cached = this.#shelf.peek(cid.key) as Blob | undefined
    return cached === undefined ? this.#store.getSize(cid) : Promise.resolve(cached.bytes.length)
  }

  get(cid: BlobCid, use: BlobUse = 'normal'): Promise<Blob | undefined> {
    const cached = this.#shelf.get(cid.key, use) as Blob | undefined
    const { cacheRequests } = this.#components.metrics
    if (cached !== undefined) {
      cacheRequests.inc({ result: 'hit' })
      return Promise.resolve(cached)
    }
    const load = this.#loads.get(cid.key)
    cacheRequests.inc({ result: load === undefined ? 'miss' : 'joined' })
    if (load?.blob === undefined) return this.#load(cid, use)
    if (RANK[use] > RANK[load.use]) load.use = use
    return load.blob
  }

  /** As `get`; what the cache holds of it is not evicted before the release. What it has no room for is its user's alone. */
  async pin(cid: BlobCid): Promise<PinnedBlob | undefined> {
    const blob = await this.get(cid)
    return blob === undefined ? undefined : { blob, release: this.#shelf.pin(cid.key) ?? (() => undefined) }
  }

  /** Reads a blob into the cache as hot; false when the cache would have to give up something for it. */
  async preload(cid: BlobCid): Promise<boolean> {
    const bytes = await this.getSize(cid)
    if (bytes === undefined || this.#shelf.has(cid.key)) return true
    if (this.#shelf.bytes + bytes + ENTRY_BYTES > this.#shelf.bound) return false
    if ((await this.get(cid, 'hot')) !== undefined) this.#components.metrics.preloadedBlobs.inc()
    return true
  }

  /**
   * What was made of a tree, kept beside the blobs under the same bound and account until its root is deleted. `make` gives the value with the
   * bytes that it takes; rejects as it does.
   */
  async derived<T>(root: BlobCid, make: () => Promise<{ readonly value: T; readonly bytes: number }>): Promise<T> {
    const key = derivedKey(root)
    const { derivedRequests } = this.#components.metrics
    const kept = this.#shelf.get(key, 'normal') as { readonly value: T } | undefined
    derivedRequests.inc({ result: kept === undefined ? 'miss' : 'hit' })
    if (kept !== undefined) return kept.value
    const { value, bytes } = await make()
    // Deleted meanwhile: it would stay for good.
    if (await this.has(root)) this.#shelf.put(key, { value }, { bytes: bytes + ENTRY_BYTES, use: 'normal' })
    return value
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  putMany(blobs: readonly Blob[]): Promise<void> {
    return this.putAs(blobs, 'hot')
  }

  /** As `putMany`, for somebody who uses the blobs in this way. */
  putAs(blobs: readonly Blob[], use: BlobUse): Promise<void> {
    const done = this.#store.putMany(blobs)
    for (const blob of blobs) this.#keep(blob, use)
    return done.catch((error: unknown) => {
      this.#forget(blobs.map((blob) => blob.cid))
      throw error
    })
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
    this.#shelf.clear()
  }

  /** Evicts about so many bytes at once, the least recently used first. */
  giveBack(bytes: number): void {
    this.#shelf.giveBack(bytes)
  }

  /** Holds at most this share of `cacheBytes` from here on, 0 to 1; what is above it goes at once. */
  setShare(share: number): void {
    this.#shelf.setBound(Math.floor(this.#options.cacheBytes * share))
  }

  #load(cid: BlobCid, use: BlobUse): Promise<Blob | undefined> {
    const load: Load = { blob: undefined, use }
    // A map that has grown leaves its former table behind, and what that holds is not garbage before the next full collection.
    const end = (): boolean => {
      load.blob = undefined
      return this.#loads.get(cid.key) === load && this.#loads.delete(cid.key)
    }
    const blob: Promise<Blob | undefined> = this.#store.get(cid).then(
      (loaded) => {
        // A deletion meanwhile takes the load out of the map: its result is for those who asked before, not for the cache.
        if (end() && loaded !== undefined) {
          this.#components.metrics.pagedInBytes.inc(loaded.bytes.length)
          this.#keep(loaded, load.use)
        }
        return loaded
      },
      (error: unknown) => {
        end()
        throw error
      }
    )
    load.blob = blob
    this.#loads.set(cid.key, load)
    return blob
  }

  #keep(blob: Blob, use: BlobUse): void {
    this.#shelf.put(blob.cid.key, blob, { bytes: blob.bytes.length + ENTRY_BYTES, use })
  }

  #forget(cids: readonly BlobCid[]): void {
    for (const cid of cids) {
      this.#shelf.delete(cid.key)
      this.#shelf.delete(derivedKey(cid))
      this.#loads.delete(cid.key)
    }
    this.#shelf.setBound(this.#shelf.bound)
  }
}

/** No digest's key is so long. */
const derivedKey = (root: BlobCid): string => `derived ${root.key}`

class WarehouseView implements Blockstore {
  readonly #warehouse: Warehouse
  readonly #use: BlobUse

  constructor(warehouse: Warehouse, use: BlobUse) {
    this.#warehouse = warehouse
    this.#use = use
  }

  has(cid: BlobCid): Promise<boolean> {
    return this.#warehouse.has(cid)
  }

  getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#warehouse.getSize(cid)
  }

  get(cid: BlobCid): Promise<Blob | undefined> {
    return this.#warehouse.get(cid, this.#use)
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  putMany(blobs: readonly Blob[]): Promise<void> {
    return this.#warehouse.putAs(blobs, this.#use)
  }

  deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    return this.#warehouse.deleteMany(cids)
  }

  keys(): AsyncIterable<BlobCid> {
    return this.#warehouse.keys()
  }

  stats(): BlockstoreStats {
    return this.#warehouse.stats()
  }
}
