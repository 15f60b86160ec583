import type { Logger } from '../log/logger.ts'
import { type Blob, type BlobCid, type DigestKey, MAX_BLOCK_BYTES, verifyBlob } from '../model/index.ts'
import { BoundedQueue, type Clock, type Rng } from '../util/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { Disk } from './disk.ts'
import { StoreError, toStoreError } from './errors.ts'
import type { KeyValueSpace } from './key-value.ts'
import type { StoreMetrics } from './metrics.ts'
import { defaultSegmentBlockstoreOptions, type SegmentBlockstoreOptions } from './options.ts'
import { RECORD_HEADER_LENGTH } from './segment/format.ts'
import { type Location, SegmentIndex } from './segment/index-space.ts'
import type { Ledger } from './segment/ledger.ts'
import { SegmentReader } from './segment/reader.ts'
import { recover } from './segment/recovery.ts'
import { SegmentWriter } from './segment/writer.ts'

export interface SegmentBlockstoreComponents {
  readonly disk: Disk
  /** Where the index lives; nothing else may. */
  readonly index: KeyValueSpace
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: StoreMetrics
}

interface Pending {
  readonly blob: Blob
  readonly done: Promise<void>
}

type Operation =
  | {
      readonly kind: 'put'
      readonly blobs: readonly Blob[]
      /** A deletion was under way when these were put: whether they are here must be asked again when it is their turn. */
      readonly recheck: boolean
      readonly finish: (error: StoreError | undefined) => void
    }
  | { readonly kind: 'other'; readonly run: () => Promise<void> }

/** CIDs of one index batch of a deletion: puts wait behind it, so it stays short. */
const DELETE_BATCH = 1024

/**
 * Blobs in append-only segment files, an index in Level.
 *
 * A put is pending at once (and read from memory), waits for the group before it, is written with all that waits by then as
 * one group, and resolves after the one `fdatasync` of the group. Its place is then known in memory; every few thousand
 * records the places go to the index in one synced batch, with a checkpoint. An opening scans what lies behind the
 * checkpoint (`segment/recovery.ts`).
 *
 * Why the segments and not the index decide what is stored: a sync of Level covers its current log file alone, so a synced
 * batch does not vouch for unsynced ones before it; and one sync a group is half of two.
 *
 * Invariants: one loop changes files and ledger, so nothing else needs a lock. A blob is pending, or in the ledger, or not
 * here; it passes from one to the next within one turn. An acknowledged blob is on the disk and behind the checkpoint or in
 * the index. A get hashes what it read; what does not hash is dropped, so that it can be fetched and put again.
 */
export class SegmentBlockstore implements Blockstore {
  readonly #components: SegmentBlockstoreComponents
  readonly #options: SegmentBlockstoreOptions
  readonly #ledger: Ledger
  readonly #writer: SegmentWriter
  readonly #reader: SegmentReader
  readonly #pending = new Map<DigestKey, Pending>()
  /** How many deletions of a blob are waiting or running. */
  readonly #deleting = new Map<DigestKey, number>()
  readonly #queue: BoundedQueue<Operation>
  #pendingBytes = 0
  #running = false
  #loop: Promise<void> | undefined
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
    this.#queue = new BoundedQueue(options.maxPendingOperations)
    this.#publish()
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
      const writer = new SegmentWriter(components, { ...full, next })
      if (resumable !== undefined) await writer.resume(resumable)
      return new SegmentBlockstore(components, full, { ledger, writer })
    } catch (error) {
      throw toStoreError(error, `cannot open the blobs in ${full.directory}`)
    }
  }

  async has(cid: BlobCid): Promise<boolean> {
    return this.#pending.has(cid.key) || (await this.#ledger.locate(cid)) !== undefined
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#pending.get(cid.key)?.blob.bytes.length ?? (await this.#ledger.locate(cid))?.length
  }

  /** Rejects with StoreError `io` when the system has no descriptor or memory left, or with `closed`. */
  async get(cid: BlobCid): Promise<Blob | undefined> {
    const pending = this.#pending.get(cid.key)
    if (pending !== undefined) return pending.blob
    this.#assertOpen()
    try {
      const location = await this.#ledger.locate(cid)
      if (location === undefined) return undefined
      const bytes = await this.#reader.read(location)
      const blob = bytes === undefined ? undefined : verifyBlob(cid, bytes)
      if (blob === undefined) await this.#drop(cid, location)
      return blob
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
    return Promise.all(waits).then(() => undefined)
  }

  /** Rejects with StoreError `disk-full`, `not-writable`, `io`, `overloaded` or `closed`; batches before the failing one are done. */
  async deleteMany(cids: readonly BlobCid[]): Promise<number> {
    this.#assertOpen()
    const unique = [...new Map(cids.map((cid) => [cid.key, cid])).values()]
    let deleted = 0
    for (let at = 0; at < unique.length; at += DELETE_BATCH) {
      const batch = unique.slice(at, at + DELETE_BATCH)
      deleted += await this.#deleteBatch(batch).catch((error: unknown) => {
        throw toStoreError(error, 'cannot delete blobs')
      })
    }
    return deleted
  }

  async *keys(): AsyncGenerator<BlobCid> {
    const fresh = new Map([...this.#pending].map(([key, { blob }]) => [key, blob.cid]))
    yield* fresh.values()
    try {
      for await (const cid of this.#ledger.cids()) if (!fresh.has(cid.key)) yield cid
    } catch (error) {
      throw toStoreError(error, 'cannot list the blobs')
    }
  }

  stats(): BlockstoreStats {
    return { count: this.#ledger.count, bytes: this.#ledger.bytes }
  }

  /** Bytes of records that no index entry points to, over all segments. */
  get deadBytes(): number {
    return this.#ledger.deadBytes
  }

  /** Bytes and records that are dead in one segment. */
  deadOf(segment: number): { readonly bytes: number; readonly records: number } {
    return this.#ledger.deadOf(segment)
  }

  /** Waits for what was put, writes the index and closes the files. Idempotent. Everything after it rejects with `closed`. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#pending.values()].map(({ done }) => done))
    await this.#loop
    try {
      if (this.#ledger.unindexed > 0) await this.#writeIndex()
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
    return this.#overloaded(`${this.#pendingBytes} bytes wait to be written`)
  }

  /** Makes the blobs readable now and resolves when they are durable. */
  #admit(blobs: readonly Blob[], bytes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Whoever puts one of these blobs again waits on it too; that the first one did must not be an unhandled rejection.
    promise.catch(() => undefined)
    for (const blob of blobs) this.#pending.set(blob.cid.key, { blob, done: promise })
    this.#addPendingBytes(bytes)
    const finish = (error: StoreError | undefined): void => {
      for (const blob of blobs) this.#pending.delete(blob.cid.key)
      this.#addPendingBytes(-bytes)
      this.#publish()
      if (error === undefined) resolve()
      else reject(error)
    }
    this.#enqueueUnknown(blobs, finish).catch((error: unknown) => finish(toStoreError(error, 'cannot put blobs')))
    return promise
  }

  async #enqueueUnknown(blobs: readonly Blob[], finish: (error: StoreError | undefined) => void): Promise<void> {
    const unknown = await this.#unknownOf(blobs)
    // Looked at after the last wait: a deletion that begins later waits for these blobs.
    const recheck = blobs.some((blob) => this.#deleting.has(blob.cid.key))
    const write = recheck ? blobs : unknown
    if (write.length === 0) finish(undefined)
    else this.#enqueue({ kind: 'put', blobs: write, recheck, finish })
  }

  async #unknownOf(blobs: readonly Blob[]): Promise<Blob[]> {
    const locations = await Promise.all(blobs.map((blob) => this.#ledger.locate(blob.cid)))
    return blobs.filter((_, at) => locations[at] === undefined)
  }

  async #deleteBatch(cids: readonly BlobCid[]): Promise<number> {
    for (;;) {
      const waits = cids.flatMap((cid) => this.#pending.get(cid.key)?.done ?? [])
      if (waits.length === 0) break
      await Promise.allSettled(waits)
    }
    return this.#exclusively(cids, async () => {
      const removed = new Map<BlobCid, Location>()
      for (const cid of cids) {
        const location = await this.#ledger.locate(cid)
        if (location !== undefined) removed.set(cid, location)
      }
      if (removed.size > 0) await this.#writeIndex(removed)
      return removed.size
    })
  }

  /** Takes a damaged blob out of the index, unless it has been put anew since. */
  async #drop(cid: BlobCid, location: Location): Promise<void> {
    await this.#exclusively([cid], async () => {
      const now = await this.#ledger.locate(cid)
      if (now === undefined || now.segment !== location.segment || now.offset !== location.offset) return
      await this.#writeIndex(new Map([[cid, now]]))
      this.#components.metrics.damagedBlobs.inc()
      this.#components.log.warn({ cid: String(cid), ...location }, 'blob damaged on disk, dropped')
    })
  }

  /** Runs in the loop; puts of these blobs that come meanwhile queue behind it. */
  async #exclusively<T>(cids: readonly BlobCid[], run: () => Promise<T>): Promise<T> {
    for (const { key } of cids) this.#deleting.set(key, (this.#deleting.get(key) ?? 0) + 1)
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#enqueue({ kind: 'other', run: () => run().then(resolve, reject) })
      })
    } finally {
      for (const { key } of cids) {
        const left = (this.#deleting.get(key) ?? 1) - 1
        if (left === 0) this.#deleting.delete(key)
        else this.#deleting.set(key, left)
      }
    }
  }

  #enqueue(operation: Operation): void {
    if (!this.#queue.push(operation)) throw this.#overloaded(`${this.#queue.size} operations wait`)
    if (this.#running) return
    this.#running = true
    this.#loop = this.#run()
  }

  /** The one loop: nothing else writes files or changes the ledger. */
  async #run(): Promise<void> {
    for (let operation = this.#queue.shift(); operation !== undefined; operation = this.#queue.shift()) {
      if (operation.kind === 'put') await this.#commit(this.#groupFrom(operation))
      else await operation.run()
    }
    this.#running = false
  }

  #groupFrom(first: Operation & { kind: 'put' }): (Operation & { kind: 'put' })[] {
    const group = [first]
    let bytes = sizeOf(first.blobs)
    for (let next = this.#queue.peek(); next?.kind === 'put'; next = this.#queue.peek()) {
      bytes += sizeOf(next.blobs)
      if (bytes > this.#options.groupBytes) break
      this.#queue.shift()
      group.push(next)
    }
    return group
  }

  async #commit(group: readonly (Operation & { kind: 'put' })[]): Promise<void> {
    let failure: StoreError | undefined
    try {
      // While the index cannot be written the places pile up in memory; then writing has to wait for it.
      if (this.#ledger.unindexed >= 4 * this.#options.indexEveryRecords) await this.#writeIndex()
      const blobs: Blob[] = []
      for (const { blobs: put, recheck } of group) blobs.push(...(recheck ? await this.#unknownOf(put) : put))
      const places = blobs.length === 0 ? [] : await this.#writer.append(blobs)
      places.forEach((place, at) => {
        const blob = blobs[at]
        if (blob !== undefined) this.#ledger.add(blob.cid, place, undefined)
      })
    } catch (error) {
      failure = toStoreError(error, `cannot write blobs to ${this.#options.directory}`)
      this.#components.metrics.writeErrors.inc({ code: failure.code })
    }
    for (const { finish } of group) finish(failure)
    if (this.#isIndexDue()) await this.#writeIndex().catch((error: unknown) => this.#indexFailed(error))
  }

  #isIndexDue(): boolean {
    const { indexEveryBytes, indexEveryRecords } = this.#options
    return this.#ledger.unindexed >= indexEveryRecords || this.#ledger.unindexedBytes >= indexEveryBytes
  }

  async #writeIndex(removed?: ReadonlyMap<BlobCid, Location>): Promise<void> {
    const { clock, metrics } = this.#components
    const startedAt = clock.now()
    await this.#ledger.write(this.#writer.position, removed)
    metrics.fsyncSeconds.observe({ of: 'index' }, (clock.now() - startedAt) / 1000)
    this.#publish()
  }

  /** The blobs are durable all the same: no put has to know, and the next one tries again. */
  #indexFailed(error: unknown): void {
    const failure = toStoreError(error, 'cannot write the index of the blobs')
    this.#components.metrics.writeErrors.inc({ code: failure.code })
    this.#components.log.error({ code: failure.code, reason: failure.message }, 'index of the blobs not written')
  }

  #overloaded(what: string): StoreError {
    this.#components.metrics.writeErrors.inc({ code: 'overloaded' })
    return new StoreError('overloaded', `the store cannot take more: ${what}`)
  }

  #addPendingBytes(bytes: number): void {
    this.#pendingBytes += bytes
    this.#components.metrics.pendingBytes.set(this.#pendingBytes)
  }

  #publish(): void {
    const { metrics } = this.#components
    metrics.blobs.set(this.#ledger.count)
    metrics.bytes.set(this.#ledger.bytes)
    metrics.deadBytes.set(this.#ledger.deadBytes)
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}

function closedError(): StoreError {
  return new StoreError('closed', 'the blob store is closed')
}

function sizeOf(blobs: readonly Blob[]): number {
  return blobs.reduce((sum, blob) => sum + RECORD_HEADER_LENGTH + blob.bytes.length, 0)
}
