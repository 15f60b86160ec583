import type { Logger } from '../../log/logger.ts'
import type { Blob, BlobCid, DigestKey } from '../../model/index.ts'
import { BoundedQueue, type Clock } from '../../util/index.ts'
import { StoreError, toStoreError } from '../errors.ts'
import type { StoreMetrics } from '../metrics.ts'
import type { SegmentBlockstoreOptions } from '../options.ts'
import { RECORD_HEADER_LENGTH } from './format.ts'
import type { Location } from './index-space.ts'
import type { Ledger } from './ledger.ts'
import type { SegmentWriter } from './writer.ts'

export interface WriteLoopComponents {
  readonly ledger: Ledger
  readonly writer: SegmentWriter
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: StoreMetrics
}

interface Put {
  readonly kind: 'put'
  readonly blobs: readonly Blob[]
  /** A deletion was under way when these were put: whether they are here must be asked again when it is their turn. */
  readonly recheck: boolean
  readonly finish: (error: StoreError | undefined) => void
}

type Operation = Put | { readonly kind: 'other'; readonly run: () => Promise<void> }

/**
 * The one loop: nothing else writes files or changes the ledger, so nothing else needs a lock. Puts that wait are taken together
 * as one group with one sync.
 */
export class WriteLoop {
  readonly #components: WriteLoopComponents
  readonly #options: SegmentBlockstoreOptions
  /** How many deletions of a blob are waiting or running. */
  readonly #deleting = new Map<DigestKey, number>()
  readonly #queue: BoundedQueue<Operation>
  #running = false
  #loop: Promise<void> | undefined

  constructor(components: WriteLoopComponents, options: SegmentBlockstoreOptions) {
    this.#components = components
    this.#options = options
    this.#queue = new BoundedQueue(options.maxPendingOperations)
  }

  /** Resolves when nothing waits. */
  async idle(): Promise<void> {
    await this.#loop
  }

  /** Calls `finish` when the blobs are durable, or are not going to be: with StoreError `overloaded`, or as the index or the disk fails. */
  put(blobs: readonly Blob[], finish: (error: StoreError | undefined) => void): void {
    const { ledger } = this.#components
    const failed = (error: unknown): void => finish(toStoreError(error, 'cannot put blobs'))
    const admit = (unknown: readonly Blob[]): void => {
      // Looked at after the last wait: a deletion that begins later waits for these blobs.
      const recheck = blobs.some((blob) => this.#deleting.has(blob.cid.key))
      const write = recheck ? blobs : unknown
      if (write.length === 0) finish(undefined)
      else this.#enqueue({ kind: 'put', blobs: write, recheck, finish })
    }
    if (!blobs.every(({ cid }) => ledger.isKnown(cid))) {
      this.#unknownOf(blobs).then(admit).catch(failed)
      return
    }
    // Whoever fetched them has asked before.
    try {
      admit(blobs.filter(({ cid }) => ledger.located(cid) === undefined))
    } catch (error) {
      failed(error)
    }
  }

  /** Runs when it is its turn; nothing else of the loop runs meanwhile. Rejects as it does, or with StoreError `overloaded`. */
  run<T>(job: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#enqueue({ kind: 'other', run: () => job().then(resolve, reject) })
    })
  }

  /** As `run`; puts of these blobs that come meanwhile queue behind it. */
  async exclusively<T>(cids: readonly BlobCid[], job: () => Promise<T>): Promise<T> {
    for (const { key } of cids) this.#deleting.set(key, (this.#deleting.get(key) ?? 0) + 1)
    try {
      return await this.run(job)
    } finally {
      for (const { key } of cids) {
        const left = (this.#deleting.get(key) ?? 1) - 1
        if (left === 0) this.#deleting.delete(key)
        else this.#deleting.set(key, left)
      }
    }
  }

  /** Inside a job: makes the blobs durable and tells the ledger; `replaced` says where each was until now. */
  async append(blobs: readonly Blob[], replaced: readonly Location[] = []): Promise<void> {
    if (blobs.length === 0) return
    const { ledger, writer } = this.#components
    const places = await writer.append(blobs)
    places.forEach((place, at) => {
      const blob = blobs[at]
      if (blob !== undefined) ledger.add(blob.cid, place, replaced[at])
    })
  }

  /** Inside a job: writes the index with its checkpoint, and takes the given blobs out. */
  async writeIndex(removed?: ReadonlyMap<BlobCid, Location>): Promise<void> {
    const { clock, ledger, metrics, writer } = this.#components
    const startedAt = clock.now()
    await ledger.write(writer.position, removed)
    metrics.fsyncSeconds.observe({ of: 'index' }, (clock.now() - startedAt) / 1000)
    this.publish()
  }

  publish(): void {
    const { ledger, metrics } = this.#components
    metrics.blobs.set(ledger.count)
    metrics.bytes.set(ledger.bytes)
    metrics.deadBytes.set(ledger.deadBytes)
  }

  overloaded(what: string): StoreError {
    this.#components.metrics.writeErrors.inc({ code: 'overloaded' })
    return new StoreError('overloaded', `the store cannot take more: ${what}`)
  }

  #enqueue(operation: Operation): void {
    if (!this.#queue.push(operation)) throw this.overloaded(`${this.#queue.size} operations wait`)
    if (this.#running) return
    this.#running = true
    this.#loop = this.#run()
  }

  async #run(): Promise<void> {
    for (let operation = this.#queue.shift(); operation !== undefined; operation = this.#queue.shift()) {
      if (operation.kind === 'put') await this.#commit(this.#groupFrom(operation))
      else await operation.run()
      await this.#indexWhenDue()
    }
    this.#running = false
  }

  #groupFrom(first: Put): Put[] {
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

  async #commit(group: readonly Put[]): Promise<void> {
    let failure: StoreError | undefined
    try {
      // While the index cannot be written the places pile up in memory; then writing has to wait for it.
      if (this.#components.ledger.unindexed >= 4 * this.#options.indexEveryRecords) await this.writeIndex()
      const blobs: Blob[] = []
      for (const { blobs: put, recheck } of group) blobs.push(...(recheck ? await this.#unknownOf(put) : put))
      await this.append(blobs)
    } catch (error) {
      failure = toStoreError(error, `cannot write blobs to ${this.#options.directory}`)
      this.#components.metrics.writeErrors.inc({ code: failure.code })
    }
    for (const { finish } of group) finish(failure)
    this.publish()
  }

  async #unknownOf(blobs: readonly Blob[]): Promise<Blob[]> {
    const locations = await this.#components.ledger.locateMany(blobs.map((blob) => blob.cid))
    return blobs.filter((_, at) => locations[at] === undefined)
  }

  /** The blobs are durable all the same: no put has to know when it fails, and the next one tries again. */
  async #indexWhenDue(): Promise<void> {
    const { ledger, log, metrics } = this.#components
    const { indexEveryBytes, indexEveryRecords } = this.#options
    if (ledger.unindexed < indexEveryRecords && ledger.unindexedBytes < indexEveryBytes) return
    try {
      await this.writeIndex()
    } catch (error) {
      const failure = toStoreError(error, 'cannot write the index of the blobs')
      metrics.writeErrors.inc({ code: failure.code })
      log.error({ code: failure.code, reason: failure.message }, 'index of the blobs not written')
    }
  }
}

function sizeOf(blobs: readonly Blob[]): number {
  return blobs.reduce((sum, blob) => sum + RECORD_HEADER_LENGTH + blob.bytes.length, 0)
}
