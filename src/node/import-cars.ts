import { createReadStream } from 'node:fs'
import { defaultExecutionDataOptions, type ExecutionDataStore, readCar } from '../execution-data/index.ts'
import { defaultBlockListOptions, openBlockList } from '../feed/index.ts'
import { type Blob, BlobCid, type DigestKey, type SealedBlock } from '../model/index.ts'
import { codeOf, messageOf } from '../util/index.ts'
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

/** Bytes of blobs handed to the store in one group: one sync of the disk each. */
const GROUP_BYTES = 16 * 1024 * 1024

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
    const job = new ImportJob(data, reading.store, options)
    for (const path of request.paths) for await (const file of carFiles(path)) await job.take(file)
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
    for await (const block of openBlockList(blockList, defaultBlockListOptions)) {
      this.#options.signal.throwIfAborted()
      if (!this.#roots.delete(BlobCid.fromExecutionDataId(block.executionDataId).key)) continue
      await this.#trackBlock(block)
    }
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
    let group: Blob[] = []
    let groupBytes = 0
    for await (const blob of blobs) {
      this.#options.signal.throwIfAborted()
      group.push(blob)
      groupBytes += blob.bytes.length
      if (groupBytes >= GROUP_BYTES) {
        await this.#put(group, groupBytes)
        group = []
        groupBytes = 0
      }
    }
    await this.#put(group, groupBytes)
  }

  async #put(group: readonly Blob[], bytes: number): Promise<void> {
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
