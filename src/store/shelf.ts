import { LRUCache } from 'lru-cache'
import type { MemoryAccount } from '../budget/account.ts'
import type { Clock } from '../util/index.ts'
import type { StoreMetrics } from './metrics.ts'

/**
 * How whoever asks uses what it gets.
 * - `hot`: others will ask for it soon; it leaves last
 * - `normal`: may be asked for again
 * - `once`: is read through and not asked for again; it displaces nothing and refreshes nothing
 */
export type BlobUse = 'hot' | 'normal' | 'once'

export interface ShelfComponents {
  readonly metrics: StoreMetrics
  readonly clock: Clock
  /** What the shelf may hold beside its own bound; without one the bound alone counts. */
  readonly account: MemoryAccount | undefined
}

interface Held {
  readonly value: unknown
  readonly bytes: number
  hot: boolean
  /** By the monotonic clock. */
  usedAt: number
}

interface Pinned {
  readonly held: Held
  pins: number
  /** Deleted while it was in use: it does not come back. */
  gone: boolean
}

/** What is hot keeps this share of the bound, whatever else is asked for; the rest is for what is paged in. */
const HOT_SHARE = 0.75

/**
 * What is in memory: bounded by bytes, paid from an account, the least recently used leaves first, and what is hot after what is not.
 *
 * Invariants: what is held never exceeds the bound, but for what is pinned while the bound shrinks; every byte held is reserved once; what is
 * pinned stays until its last user has released it.
 */
export class Shelf {
  readonly #components: ShelfComponents
  readonly #hot: LRUCache<string, Held>
  readonly #normal: LRUCache<string, Held>
  readonly #pinned = new Map<string, Pinned>()
  /** What is gone and still in use included. */
  #pinnedBytes = 0
  #bound: number

  constructor(components: ShelfComponents, { bytes }: { readonly bytes: number }) {
    this.#components = components
    this.#bound = bytes
    const maxSize = Math.max(1, bytes)
    this.#hot = new LRUCache({ maxSize })
    this.#normal = new LRUCache({ maxSize })
  }

  get bytes(): number {
    return this.#hot.calculatedSize + this.#normal.calculatedSize + this.#pinnedBytes
  }

  get bound(): number {
    return this.#bound
  }

  has(key: string): boolean {
    return this.peek(key) !== undefined
  }

  /** The value, with no effect on what leaves next. */
  peek(key: string): unknown {
    return (this.#hot.peek(key) ?? this.#normal.peek(key) ?? this.#pinned.get(key)?.held)?.value
  }

  get(key: string, use: BlobUse): unknown {
    if (use === 'once') return this.peek(key)
    const held = this.#hot.get(key) ?? this.#normal.get(key) ?? this.#pinned.get(key)?.held
    if (held === undefined) return undefined
    held.usedAt = this.#components.clock.now()
    if (use === 'hot' && !held.hot) {
      held.hot = true
      if (this.#normal.delete(key)) this.#hot.set(key, held, { size: held.bytes })
    }
    return held.value
  }

  /** Holds the value where there is room for it, or where room can be made. */
  put(key: string, value: unknown, { bytes, use }: { readonly bytes: number; readonly use: BlobUse }): void {
    const { account, clock } = this.#components
    if (use === 'once' || bytes > this.#bound || this.has(key)) return
    while (this.bytes + bytes > this.#bound) if (!this.#evict()) return this.#publish()
    // Where others hold the memory, the shelf gives way rather than to grow.
    while (account?.tryReserve(bytes) === false) if (!this.#evict()) return this.#publish()
    this.#place(key, { value, bytes, hot: use === 'hot', usedAt: clock.now() })
    this.#publish()
  }

  /** Keeps what is held until the release, which is to be called once; `undefined` when it is not here. */
  pin(key: string): (() => void) | undefined {
    const pinned = this.#pinned.get(key) ?? this.#takeForPin(key)
    if (pinned === undefined) return undefined
    pinned.pins += 1
    let released = false
    return () => {
      if (released) return
      released = true
      this.#unpin(key, pinned)
    }
  }

  delete(key: string): void {
    const held = this.#hot.peek(key) ?? this.#normal.peek(key)
    if (held !== undefined) {
      this.#hot.delete(key)
      this.#normal.delete(key)
      this.#components.account?.release(held.bytes)
    }
    const pinned = this.#pinned.get(key)
    if (pinned === undefined) return
    pinned.gone = true
    this.#pinned.delete(key)
  }

  /** Drops everything that nobody uses just now. */
  clear(): void {
    while (this.#evict());
    this.#publish()
  }

  /** Evicts about so many bytes at once. */
  giveBack(bytes: number): void {
    const least = Math.max(0, this.bytes - bytes)
    while (this.bytes > least && this.#evict());
    this.#publish()
  }

  /** Holds at most so many bytes from here on; what is above it goes at once. */
  setBound(bytes: number): void {
    this.#bound = bytes
    this.giveBack(Math.max(0, this.bytes - bytes))
  }

  /** Drops what was not used since a moment of the monotonic clock. */
  dropUnused(since: number): void {
    for (const shelf of [this.#hot, this.#normal]) {
      for (;;) {
        const oldest = shelf.rvalues().next().value
        if (oldest === undefined || oldest.usedAt >= since) break
        shelf.pop()
        this.#components.account?.release(oldest.bytes)
        this.#components.metrics.cacheIdleDrops.inc()
      }
    }
    this.#publish()
  }

  #place(key: string, held: Held): void {
    const shelf = held.hot ? this.#hot : this.#normal
    shelf.set(key, held, { size: held.bytes })
  }

  #takeForPin(key: string): Pinned | undefined {
    const held = this.#hot.peek(key) ?? this.#normal.peek(key)
    if (held === undefined) return undefined
    this.#hot.delete(key)
    this.#normal.delete(key)
    const pinned = { held, pins: 0, gone: false }
    this.#pinned.set(key, pinned)
    this.#pinnedBytes += held.bytes
    this.#publish()
    return pinned
  }

  #unpin(key: string, pinned: Pinned): void {
    pinned.pins -= 1
    if (pinned.pins > 0) return
    this.#pinnedBytes -= pinned.held.bytes
    if (pinned.gone) this.#components.account?.release(pinned.held.bytes)
    else {
      this.#pinned.delete(key)
      pinned.held.usedAt = this.#components.clock.now()
      this.#place(key, pinned.held)
      this.giveBack(Math.max(0, this.bytes - this.#bound))
    }
    this.#publish()
  }

  #evict(): boolean {
    const { account, metrics } = this.#components
    const fromHot = this.#normal.size === 0 || this.#hot.calculatedSize > HOT_SHARE * this.#bound
    const held = (fromHot ? this.#hot : this.#normal).pop()
    if (held === undefined) return false
    account?.release(held.bytes)
    metrics.cacheEvictions.inc()
    return true
  }

  #publish(): void {
    const { metrics } = this.#components
    metrics.cacheBytes.set(this.bytes)
    metrics.cacheBlobs.set(this.#hot.size + this.#normal.size + this.#pinned.size)
    metrics.cacheHotBytes.set(this.#hot.calculatedSize)
    metrics.cachePinnedBytes.set(this.#pinnedBytes)
  }
}
