import type { Logger } from '../log/logger.ts'
import {
  type Blob,
  type BlobCid,
  type DigestApart,
  type DigestKey,
  MAX_BLOCK_BYTES,
  verifyBlobApart
} from '../model/index.ts'
import type { Clock, Rng } from '../util/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { Disk } from './disk.ts'
import { StoreError, toStoreError } from './errors.ts'
import type { KeyValueSpace } from './key-value.ts'
import type { StoreMetrics } from './metrics.ts'
import { defaultSegmentBlockstoreOptions, type SegmentBlockstoreOptions } from './options.ts'
import { Compactor, type ReclaimBudget, type ReclaimStep } from './segment/compactor.ts'
import { type Location, SegmentIndex, type SegmentSpace } from './segment/index-space.ts'
import type { Ledger } from './segment/ledger.ts'
import { SegmentReader } from './segment/reader.ts'
import { recover } from './segment/recovery.ts'
import { WriteLoop } from './segment/write-loop.ts'
import { SegmentWriter } from './segment/writer.ts'

export interface SegmentBlockstoreComponents {
  readonly disk: Disk
  /** Where the index lives; nothing else may. */
  readonly index: KeyValueSpace
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: StoreMetrics
  /** Told of each blob that was found damaged and dropped. */
  readonly onDamaged?: (cid: BlobCid) => void
  /** How long blobs are hashed when they are read; by Web Crypto without it. What it finds wrong is hashed again. */
  readonly digestApart?: DigestApart
}

interface Pending {
  /** Until it is durable, or has failed. */
  blob: Blob | undefined
  readonly done: Promise<void>
}

/** CIDs of one index batch of a deletion: puts wait behind it, so it stays short. */
const DELETE_BATCH = 1024

/** A blob that moves while it is read is looked up again; one that moves this often is being compacted in a circle. */
const MAX_LOOKUPS = 8

/**
 * Blobs in append-only segment files, an index in Level.
 *
 * A put is pending at once (and read from memory), waits for the group before it, is written with all that waits by then as
 * one group, and resolves after the one `fdatasync` of the group. Its place is then known in memory; every few thousand
 * records the places go to the index in one synced batch, with a checkpoint. An opening scans what lies behind the
 * checkpoint (`segment/recovery.ts`). A deletion takes entries out of the index; `reclaim` gives the space back
 * (`segment/compactor.ts`).
 *
 * Why the segments and not the index decide what is stored: a sync of Level covers its current log file alone, so a synced
 * batch does not vouch for unsynced ones before it; and one sync a group is half of two.
 *
 * Invariants: one loop changes files and ledger (`segment/write-loop.ts`). A blob is pending, or in the ledger, or not
 * here; it passes from one to the next within one turn. An acknowledged blob is on the disk and behind the checkpoint or in
 * the index. A get hashes what it read; what does not hash is dropped, so that it can be fetched and put again.
 */
export class SegmentBlockstore implements Blockstore {
  readonly #components: SegmentBlockstoreComponents
  readonly #options: SegmentBlockstoreOptions
  readonly #ledger: Ledger
  readonly #writer: SegmentWriter
  readonly #reader: SegmentReader
  readonly #loop: WriteLoop
  readonly #compactor: Compactor
  readonly #pending = new Map<DigestKey, Pending>()
  #pendingBytes = 0
  #closing: Promise<void> | undefined

  private constructor(
    components: SegmentBlockstoreComponents,
    options: SegmentBlockstoreOptions,
    parts: { readonly ledger: Ledger; readonly writer: SegmentWriter }
  ) {
    this.#components = components
    this.#options = options
    this.#ledger = parts.ledger
    this.#writer = parts.writer
    this.#reader = new SegmentReader(components.disk, options)
    this.#loop = new WriteLoop({ ...components, ...parts }, options)
    this.#compactor = new Compactor(
      { ...components, ...parts, reader: this.#reader, loop: this.#loop, drop: (cid, at) => this.#drop(cid, at) },
      options
    )
    this.#loop.publish()
  }

  /** Repairs what a crash left. Throws StoreError `corrupt`, `disk-full`, `not-writable` or `io`. */
  static async open(
    components: SegmentBlockstoreComponents,
    options: Partial<SegmentBlockstoreOptions> & Pick<SegmentBlockstoreOptions, 'directory'>
  ): Promise<SegmentBlockstore> {
    const full = { ...defaultSegmentBlockstoreOptions, ...options }
    try {
      const index = new SegmentIndex(components.index)
      const { ledger, next, resumable } = await recover({ ...components, index }, full)
      const writer = new SegmentWriter(components, { ...full, next, liveBytes: () => ledger.bytes })
      if (resumable !== undefined) await writer.resume(resumable)
      return new SegmentBlockstore(components, full, { ledger, writer })
    } catch (error) {
      throw toStoreError(error, `cannot open the blobs in ${full.directory}`)
    }
  }

  has(cid: BlobCid): Promise<boolean> {
    if (this.#pending.has(cid.key)) return Promise.resolve(true)
    return this.#ledger.locate(cid).then((location) => location !== undefined)
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#pending.get(cid.key)?.blob?.bytes.length ?? (await this.#ledger.locate(cid))?.length
  }

  /** Rejects with StoreError `io` when the system has no descriptor or memory left, or with `closed`. */
  async get(cid: BlobCid): Promise<Blob | undefined> {
    const pending = this.#pending.get(cid.key)
    if (pending?.blob !== undefined) return pending.blob
    this.#assertOpen()
    try {
      let before: Location | undefined
      for (let lookup = 0; lookup < MAX_LOOKUPS; lookup += 1) {
        const location = this.#ledger.isKnown(cid) ? this.#ledger.located(cid) : await this.#ledger.locate(cid)
        if (location === undefined) return undefined
        // Where it was read in vain before, and it has not been moved since: it is damaged.
        if (before !== undefined && isSamePlace(before, location)) break
        const bytes = await this.#reader.read(location)
        const blob = bytes === undefined ? undefined : await verifyBlobApart(cid, bytes, this.#components.digestApart)
        if (blob !== undefined) return blob
        before = location
      }
      if (before !== undefined) await this.#drop(cid, before)
      return undefined
    } catch (error) {
      throw toStoreError(error, `cannot read blob ${cid}`)
    }
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  /** Rejects with StoreError `disk-full`, `not-writable`, `io`, `too-large`, `overloaded` or `closed`; none of the group is stored then. */
  putMany(blobs: readonly Blob[]): Promise<void> {
    const fresh = new Map<DigestKey, Blob>()
    const waits: Promise<void>[] = []
    let bytes = 0
    for (const blob of blobs) {
      const pending = this.#pending.get(blob.cid.key)
      if (pending !== undefined) waits.push(pending.done)
      else if (!fresh.has(blob.cid.key)) {
        fresh.set(blob.cid.key, blob)
        bytes += blob.bytes.length
      }
    }
    const refusal = this.#refusal(blobs, bytes)
    if (refusal !== undefined) return Promise.reject(refusal)
    if (fresh.size > 0) waits.push(this.#admit([...fresh.values()], bytes))
    const [only] = waits
    return waits.length === 1 && only !== undefined ? only : Promise.all(waits).then(() => undefined)
  }

  /** Rejects with StoreError `disk-full`, `not-writable`, `io`, `overloaded` or `closed`; batches before the failing one are done. */
  async deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    this.#assertOpen()
    const unique = [...new Map(cids.map((cid) => [cid.key, cid])).values()]
    const deleted = { count: 0, bytes: 0 }
    for (let at = 0; at < unique.length; at += DELETE_BATCH) {
      const batch = unique.slice(at, at + DELETE_BATCH)
      const { count, bytes } = await this.#deleteBatch(batch).catch((error: unknown) => {
        throw toStoreError(error, 'cannot delete blobs')
      })
      deleted.count += count
      deleted.bytes += bytes
    }
    return deleted
  }

  async *keys(): AsyncGenerator<BlobCid> {
    const fresh = new Map(
      [...this.#pending].flatMap(([key, { blob }]) => (blob === undefined ? [] : [[key, blob.cid]]))
    )
    yield* fresh.values()
    try {
      for await (const cid of this.#ledger.cids()) if (!fresh.has(cid.key)) yield cid
    } catch (error) {
      throw toStoreError(error, 'cannot list the blobs')
    }
  }

  /** CIDs of durable blobs behind a digest, in the order of the digests. */
  cidsAfter(digest: Uint8Array | undefined, limit: number): Promise<BlobCid[]> {
    return this.#ledger.cidsAfter(digest, limit)
  }

  stats(): BlockstoreStats {
    return { count: this.#ledger.count, bytes: this.#ledger.bytes }
  }

  /** Bytes in the segments that nothing points to. */
  get deadBytes(): number {
    return this.#ledger.deadBytes
  }

  /** Blobs put and not yet durable. */
  get waiting(): number {
    return this.#pending.size
  }

  /** What each segment holds, by number. */
  get segments(): ReadonlyMap<number, SegmentSpace> {
    return this.#ledger.segments
  }

  /**
   * One bounded step of giving space back: dead segments are unlinked, mostly dead ones rewritten. `more` is false when nothing is left to
   * do. Steps must not overlap. Rejects with StoreError `disk-full`, `not-writable`, `io`, `overloaded` or `closed`; what was
   * done before stays, and the next step goes on.
   */
  async reclaim(budget: ReclaimBudget): Promise<ReclaimStep> {
    this.#assertOpen()
    try {
      return await this.#compactor.step(budget)
    } catch (error) {
      throw toStoreError(error, 'cannot give space back')
    }
  }

  /** Waits for what was put, writes the index and closes the files. Idempotent. Everything after it rejects with `closed`. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#pending.values()].map(({ done }) => done))
    await this.#loop.idle()
    try {
      if (this.#ledger.isAhead) await this.#loop.writeIndex()
    } finally {
      await this.#writer.close()
      await this.#reader.close()
    }
  }

  #refusal(blobs: readonly Blob[], bytes: number): StoreError | undefined {
    if (this.#closing !== undefined) return closedError()
    const large = blobs.find((blob) => blob.bytes.length > MAX_BLOCK_BYTES)
    if (large !== undefined) {
      return new StoreError(
        'too-large',
        `blob ${large.cid} has ${large.bytes.length} bytes, more than ${MAX_BLOCK_BYTES}`
      )
    }
    if (this.#pendingBytes + bytes <= this.#options.maxPendingBytes || bytes === 0) return undefined
    return this.#loop.overloaded(`${this.#pendingBytes} bytes wait to be written`)
  }

  /** Makes the blobs readable now and resolves when they are durable. */
  #admit(blobs: readonly Blob[], bytes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Whoever puts one of these blobs again waits on it too; that the first one did must not be an unhandled rejection.
    promise.catch(() => undefined)
    for (const blob of blobs) this.#pending.set(blob.cid.key, { blob, done: promise })
    this.#addPendingBytes(bytes)
    const finish = (error: StoreError | undefined): void => {
      for (const { cid } of blobs) this.#forget(cid.key)
      this.#addPendingBytes(-bytes)
      if (error === undefined) resolve()
      else reject(error)
    }
    this.#loop.put(blobs, finish)
    return promise
  }

  /** The bytes as well: a map that has grown leaves its former table behind, with all that this held, until the next full collection. */
  #forget(key: DigestKey): void {
    const pending = this.#pending.get(key)
    if (pending !== undefined) pending.blob = undefined
    this.#pending.delete(key)
  }

  async #deleteBatch(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    for (;;) {
      const waits = cids.flatMap((cid) => this.#pending.get(cid.key)?.done ?? [])
      if (waits.length === 0) break
      await Promise.allSettled(waits)
    }
    return this.#loop.exclusively(cids, async () => {
      const locations = await this.#ledger.locateMany(cids)
      const removed = new Map<BlobCid, Location>()
      let bytes = 0
      cids.forEach((cid, at) => {
        const location = locations[at]
        if (location === undefined) return
        removed.set(cid, location)
        bytes += location.length
      })
      if (removed.size > 0) await this.#loop.writeIndex(removed)
      return { count: removed.size, bytes }
    })
  }

  /** Takes a damaged blob out of the index, unless it has been put anew or moved since. */
  async #drop(cid: BlobCid, location: Location): Promise<void> {
    await this.#loop.exclusively([cid], async () => {
      const now = await this.#ledger.locate(cid)
      if (now === undefined || !isSamePlace(now, location)) return
      await this.#loop.writeIndex(new Map([[cid, now]]))
      this.#components.metrics.damagedBlobs.inc()
      this.#components.log.warn({ cid: String(cid), ...location }, 'blob damaged on disk, dropped')
      this.#components.onDamaged?.(cid)
    })
  }

  #addPendingBytes(bytes: number): void {
    this.#pendingBytes += bytes
    this.#components.metrics.pendingBytes.set(this.#pendingBytes)
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

function isSamePlace(a: Location, b: Location): boolean {
  return a.segment === b.segment && a.offset === b.offset
}

function closedError(): StoreError {
  return new StoreError('closed', 'the blob store is closed')
}
