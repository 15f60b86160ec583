import type { MemoryAccount } from '../budget/account.ts'
import { type Blob, BlobCid, type DigestKey, type ExecutionDataId } from '../model/index.ts'
import type { Blockstore } from '../store/blockstore.ts'
import { type BlobTreeManifest, blobCidOf, CidCollector } from './blob-tree.ts'
import { getBlob, openLevel, readChunk, Reservation } from './chunk-reader.ts'
import { isMalformed, limitExceeded } from './errors.ts'
import type { ExecutionDataMetrics } from './metrics.ts'
import type { ExecutionDataOptions } from './options.ts'
import { readListLevel, readRootBlob, type TreeSource, walkTree } from './tree-walker.ts'
import type { BlockExecutionData, ChunkExecutionData, ContentCounts } from './types.ts'

/**
 * Execution data in the local store, by execution data id: its blobs one by one, its decoded content, or whether it is all
 * there. Holds one chunk at a time (`readBlock`: what it gives). Asks nobody else.
 */

export interface ExecutionDataStoreComponents {
  readonly blockstore: Pick<Blockstore, 'get' | 'getSize'>
  readonly metrics: ExecutionDataMetrics
  /** Where the bytes of a decoding are reserved; without it only the options bound them. */
  readonly memory?: MemoryAccount
}

export interface SignalOptions {
  readonly signal?: AbortSignal
}

export type TreeCheck =
  | { readonly complete: true; readonly manifest: BlobTreeManifest }
  /** What hangs below a missing list is not known, so more may be missing than is named. */
  | { readonly complete: false; readonly missing: readonly BlobCid[] }

export interface ContentCheck extends ContentCounts {
  readonly chunks: number
  /** Decompressed bytes of the different chunks. */
  readonly decodedBytes: number
}

interface LevelState {
  readonly order: CidCollector
  readonly signal: AbortSignal | undefined
  next: readonly BlobCid[]
}

export class ExecutionDataStore {
  readonly #components: ExecutionDataStoreComponents
  readonly #options: ExecutionDataOptions

  constructor(components: ExecutionDataStoreComponents, options: ExecutionDataOptions) {
    this.#components = components
    this.#options = options
  }

  /**
   * The blobs of a block in CAR order, loaded as they are asked for. Throws `blob-missing` and the malformed kinds where it meets them;
   * rejects with the signal's reason.
   */
  async *readTree(
    executionDataId: ExecutionDataId,
    { signal }: SignalOptions = {}
  ): AsyncGenerator<Blob, void, undefined> {
    const { blockstore } = this.#components
    const order = new CidCollector()
    const root = await getBlob(blockstore, BlobCid.fromExecutionDataId(executionDataId))
    order.add(root.cid)
    yield root
    const tops = new Map(this.#tops(root.bytes).map((top) => [top.key, top]))
    for (const top of tops.values()) {
      const state: LevelState = { order, next: [top], signal }
      for (let depth = 1; state.next.length > 0; depth += 1) {
        if (depth > this.#options.maxTreeDepth) throw limitExceeded('maxTreeDepth', depth, this.#options.maxTreeDepth)
        yield* this.#readLevel(state)
      }
    }
  }

  /**
   * Whether every blob is there. Loads roots and lists, asks only for the size of the others. Throws the malformed kinds, and what
   * `onBlob` throws, which is called before each blob is looked at.
   */
  async checkTree(
    executionDataId: ExecutionDataId,
    { signal, onBlob }: SignalOptions & { readonly onBlob?: () => void } = {}
  ): Promise<TreeCheck> {
    const { blockstore } = this.#components
    const source: TreeSource = {
      async read(cid, look) {
        signal?.throwIfAborted()
        onBlob?.()
        const blob = await blockstore.get(cid)
        return blob === undefined ? undefined : look(blob.bytes)
      },
      async size(cid) {
        signal?.throwIfAborted()
        onBlob?.()
        return blockstore.getSize(cid)
      },
      abandon() {}
    }
    const { manifest, missing } = await walkTree(source, this.#options, { executionDataId })
    return missing.length === 0 ? { complete: true, manifest } : { complete: false, missing }
  }

  /**
   * A block decoded. Chunks that are the same are one object. Throws the malformed kinds (`limit-exceeded` also when the block is larger than
   * `maxDecodedBlockBytes`), `blob-missing`, `memory-refused`; rejects with the signal's reason.
   */
  async readBlock(executionDataId: ExecutionDataId, { signal }: SignalOptions = {}): Promise<BlockExecutionData> {
    const blob = await getBlob(this.#components.blockstore, BlobCid.fromExecutionDataId(executionDataId))
    const root = readRootBlob(blob.bytes, this.#options, undefined)
    const tops = this.#tops(blob.bytes)
    const decoded = new Map<DigestKey, ChunkExecutionData>()
    const reservation = this.#reserve()
    try {
      let bytesLeft = this.#options.maxDecodedBlockBytes
      for (const top of tops) {
        if (decoded.has(top.key)) continue
        const object = await this.#readChunk(reservation, { top, materialize: true, bytesLeft, signal })
        bytesLeft -= object.decodedBytes
        decoded.set(top.key, object.value)
      }
    } finally {
      reservation.releaseAll()
    }
    return { blockId: root.blockId, chunks: tops.map((top) => decoded.get(top.key) as ChunkExecutionData) }
  }

  /**
   * The structural check after a download: decompresses and decodes each different chunk of a manifest, one after the other and
   * letting the event loop turn in between, and counts what the block holds. Errors as of `readBlock`, without the block's bound.
   */
  async checkContent(
    manifest: Pick<BlobTreeManifest, 'chunks'>,
    { signal }: SignalOptions = {}
  ): Promise<ContentCheck> {
    const counts = new Map<DigestKey, ContentCounts>()
    const total = { chunks: 0, decodedBytes: 0, transactions: 0, events: 0, registers: 0, results: 0 }
    for (const { cid } of manifest.chunks) {
      let count = counts.get(cid.key)
      if (count === undefined) {
        const reservation = this.#reserve()
        try {
          const read = { top: cid, materialize: false, bytesLeft: this.#options.maxChunkBytes, signal }
          const object = await this.#readChunk(reservation, read)
          total.decodedBytes += object.decodedBytes
          count = object.counts
        } finally {
          reservation.releaseAll()
        }
        counts.set(cid.key, count)
      }
      total.chunks += 1
      total.transactions += count.transactions
      total.events += count.events
      total.registers += count.registers
      total.results += count.results
    }
    return total
  }

  #tops(rootBytes: Uint8Array): BlobCid[] {
    return (readRootBlob(rootBytes, this.#options, undefined).chunkIds ?? []).map(blobCidOf)
  }

  #reserve(): Reservation {
    return new Reservation(this.#components.memory, () => this.#components.metrics.memoryRefused.inc())
  }

  async #readChunk(reservation: Reservation, read: Parameters<typeof readChunk>[2]): ReturnType<typeof readChunk> {
    const { blockstore, metrics } = this.#components
    try {
      const object = await readChunk({ blockstore, reservation }, this.#options, read)
      metrics.decodedBytes.inc(object.decodedBytes)
      return object
    } catch (error) {
      if (isMalformed(error)) metrics.malformed.inc({ code: error.code })
      throw error
    }
  }

  /** Gives the blobs of level `state.next` that are new, and puts the level below in its place: none below a chunk. */
  async *#readLevel(state: LevelState): AsyncGenerator<Blob, void, undefined> {
    const { blockstore } = this.#components
    const { order, next: level, signal } = state
    const { isChunk, first } = await openLevel(blockstore, level)
    const different = new Map(level.map((cid) => [cid.key, cid]))
    const bound = this.#options.maxListBytes + this.#options.maxBlobBytes
    let listBytes = 0
    for (const cid of different.values()) {
      signal?.throwIfAborted()
      const fresh = order.add(cid)
      if (!fresh && isChunk) continue
      const blob = first.get(cid.key) ?? (await getBlob(blockstore, cid))
      if (!isChunk) {
        first.set(cid.key, blob)
        listBytes += blob.bytes.length
        if (listBytes > bound) throw limitExceeded('maxListBytes', listBytes, bound)
      }
      if (fresh) yield blob
    }
    const slices = isChunk ? [] : level.map((cid) => (first.get(cid.key) as Blob).bytes)
    state.next = isChunk ? [] : readListLevel(slices, this.#options)
  }
}
