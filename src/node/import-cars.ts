import { createReadStream } from 'node:fs'
import { defaultExecutionDataOptions, type ExecutionDataStore, readCar } from '../execution-data/index.ts'
import { defaultBlockListOptions, openBlockList } from '../feed/index.ts'
import { type Blob, BlobCid, type DigestKey, type SealedBlock } from '../model/index.ts'
import { boundedEach, codeOf, messageOf } from '../util/index.ts'
import { carFiles } from './car-files.ts'
import type { NodeData } from './data-stage.ts'
import { openStoppedData } from './stopped-data.ts'

export interface ImportRequest {
  readonly dataDir: string
  /** Files, or folders whose `.car` files are taken, at any depth, in order of their names. */
  readonly paths: readonly string[]
  /** The block list that says which block each root belongs to. */
  readonly blockList: string
}

export interface ImportProgress {
  readonly files: number
  readonly blobs: number
  readonly bytes: number
  readonly blocks: number
}

export interface ImportResult {
  readonly files: number
  readonly blobs: number
  readonly bytes: number
  readonly tracked: number
  /** Why a file or block is not there; empty when everything is. */
  readonly reasons: readonly string[]
}

/** Bytes of blobs handed to the store in one group, of as many files as they come from: one sync of the disk each. */
const GROUP_BYTES = 16 * 1024 * 1024

/** Blocks being tracked at one time: they share their syncs of the disk. A tree that is checked takes some chunks of memory. */
const TRACKED_AT_ONCE = 16

/** A file that is broken is reported and the others are taken; more reasons than these are only counted. */
const MAX_REASONS = 100

/**
 * Puts CAR files into the store of a stopped node and tracks the blocks of the list whose trees are then complete. Every blob is
 * verified. A broken file costs itself: what it held before the break stays, and is no block until the rest comes. Throws
 * StoreError (`locked` when the node runs), FeedError for the list, NodeError `config` where there is no node.
 */
export async function importCars(
  request: ImportRequest,
  options: { readonly signal: AbortSignal; readonly onProgress?: (progress: ImportProgress) => void }
): Promise<ImportResult> {
  const { data, reading } = await openStoppedData(request.dataDir)
  try {
    // A list that cannot be read ends this before hours of copying, and not after them.
    for await (const _ of openBlockList(request.blockList, defaultBlockListOptions)) break
    const job = new ImportJob(data, reading.store, options)
    for (const path of request.paths) for await (const file of carFiles(path)) await job.take(file)
    await job.flush()
    await job.track(request.blockList)
    return job.result()
  } finally {
    await data.close()
  }
}

class ImportJob {
  readonly #data: NodeData
  readonly #store: ExecutionDataStore
  readonly #options: Parameters<typeof importCars>[1]
  readonly #roots = new Map<DigestKey, string>()
  readonly #counts = { files: 0, blobs: 0, bytes: 0, blocks: 0 }
  readonly #reasons: string[] = []
  #failures = 0
  #group: Blob[] = []
  #groupBytes = 0

  constructor(data: NodeData, store: ExecutionDataStore, options: Parameters<typeof importCars>[1]) {
    this.#data = data
    this.#store = store
    this.#options = options
  }

  async take(path: string): Promise<void> {
    this.#counts.files += 1
    try {
      const car = await readCar(createReadStream(path), defaultExecutionDataOptions)
      await this.#putAll(car.blobs)
      for (const root of car.roots) this.#roots.set(root.key, path)
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (
        codeOf(error)?.startsWith('car-') !== true &&
        codeOf(error) !== 'blob-too-large' &&
        codeOf(error) !== 'cid-unusable'
      )
        throw error
      this.#fail(`${path}: ${messageOf(error)}`)
    }
  }

  async track(blockList: string): Promise<void> {
    let window: SealedBlock[] = []
    const trackAll = (): Promise<void> => boundedEach(window, TRACKED_AT_ONCE, (block) => this.#trackBlock(block))
    for await (const block of openBlockList(blockList, defaultBlockListOptions)) {
      if (!this.#roots.delete(BlobCid.fromExecutionDataId(block.executionDataId).key)) continue
      window.push(block)
      if (window.length < TRACKED_AT_ONCE * 4) continue
      await trackAll()
      window = []
    }
    await trackAll()
    for (const [root, path] of this.#roots) {
      this.#fail(
        `${path}: no block of ${blockList} has the execution data id ${BlobCid.fromKey(root).toExecutionDataId()}`
      )
    }
  }

  result(): ImportResult {
    const { files, blobs, bytes, blocks } = this.#counts
    const more = this.#failures - this.#reasons.length
    return {
      files,
      blobs,
      bytes,
      tracked: blocks,
      reasons: more > 0 ? [...this.#reasons, `and ${more} more`] : this.#reasons
    }
  }

  async #trackBlock(block: SealedBlock): Promise<void> {
    this.#options.signal.throwIfAborted()
    const check = await this.#store.checkTree(block.executionDataId, { signal: this.#options.signal })
    if (!check.complete) {
      this.#fail(`height ${block.height}: ${check.missing.length} blobs are missing, first ${check.missing[0]}`)
      return
    }
    await this.#data.tracker.track(block, check.manifest.cids)
    this.#counts.blocks += 1
    this.#options.onProgress?.(this.#counts)
  }

  async #putAll(blobs: AsyncIterable<Blob>): Promise<void> {
    for await (const blob of blobs) {
      this.#options.signal.throwIfAborted()
      this.#group.push(blob)
      this.#groupBytes += blob.bytes.length
      if (this.#groupBytes >= GROUP_BYTES) await this.flush()
    }
  }

  /** Puts what was read and not yet put. */
  async flush(): Promise<void> {
    const [group, bytes] = [this.#group, this.#groupBytes]
    this.#group = []
    this.#groupBytes = 0
    await this.#data.blockstore.putMany(group)
    this.#counts.blobs += group.length
    this.#counts.bytes += bytes
    this.#options.onProgress?.(this.#counts)
  }

  #fail(reason: string): void {
    this.#failures += 1
    if (this.#reasons.length < MAX_REASONS) this.#reasons.push(reason)
  }
}
