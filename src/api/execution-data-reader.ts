import type { MemoryAccount } from '../budget/account.ts'
import { type Blob, BlobCid, type ExecutionDataId, type Height, parseBlockId, parseHeight } from '../model/index.ts'
import type { TrackedBlock, Tracker } from '../tracker/tracker.ts'
import { ApiError } from './errors.ts'
import type { ApiMetrics, TreeStreamKind } from './metrics.ts'
import {
  DESCRIBED_BLOB_BYTES,
  DESCRIBED_BLOB_TEXT_BYTES,
  type ExecutionDataReaderOptions,
  STREAM_WINDOW_BYTES
} from './options.ts'
import { exceedsLimit, reserveFor } from './refusals.ts'

/** The blob tree of a block, as `?format=json` shows it. */
export interface TreeDescription {
  /** Each different blob of the tree once, in CAR order. */
  readonly blobs: readonly { readonly cid: BlobCid; readonly size: number }[]
  /** The chunks in their order in the block; `levels`: levels of blobs below and with the chunk's own CID. */
  readonly chunks: readonly { readonly cid: BlobCid; readonly levels: number }[]
}

export interface ExecutionDataReaderComponents {
  readonly tracker: Pick<Tracker, 'blockAt' | 'blockById' | 'lowest' | 'highest' | 'prunedTo'>
  /** Highest height the feed has given, `undefined` while it has given none: tells a height to come from an unknown one. */
  readonly feedHighest: () => Height | undefined
  /**
   * The blobs of a tree in CAR order (contract §2), each different one once, read one by one as they are asked for. Throws
   * whatever keeps it from reading; must stop reading when the signal aborts or the iterator is returned.
   */
  readonly readTree: (id: ExecutionDataId, options: { readonly signal: AbortSignal }) => AsyncIterable<Blob>
  /**
   * Shape and sizes of a tree; loads the bytes of its root and lists alone. Calls `onBlob` for each blob before it is looked at, and
   * ends with what that throws.
   */
  readonly describeTree: (
    id: ExecutionDataId,
    options: { readonly signal: AbortSignal; readonly onBlob: () => void }
  ) => Promise<TreeDescription>
  /** A CARv1 file in pieces. Takes the next blob only when asked for the next piece. */
  readonly encodeCar: (root: BlobCid, blobs: AsyncIterable<Blob>) => AsyncIterable<Uint8Array>
  /** Pays for the bytes on their way to the reader. */
  readonly account: MemoryAccount
  readonly metrics: Pick<ApiMetrics, 'streams'>
}

export interface HeldRange {
  readonly lowest: Height | undefined
  readonly highest: Height | undefined
  readonly prunedTo: Height | undefined
  /** Highest height of the feed. */
  readonly feed: Height | undefined
}

/** What a request for a height that is not tracked is answered: 404 when it is not going to come, 503 when it is. Pure. */
export function absentHeight(height: Height, range: HeldRange): ApiError {
  const { lowest, highest, prunedTo, feed } = range
  const details = { lowest: lowest ?? null, highest: highest ?? null }
  const held = lowest === undefined ? 'this node holds no heights yet' : `this node holds ${lowest}..${highest}`
  if (prunedTo !== undefined && height <= prunedTo) {
    return new ApiError('pruned', `height ${height} is pruned; ${held}`, { details })
  }
  const comes =
    lowest === undefined ? feed === undefined || height <= feed : height <= Math.max(highest ?? 0, feed ?? 0)
  if (comes && (lowest === undefined || height >= lowest)) {
    return new ApiError('not-available', `height ${height} is not available yet; ${held}`, { details })
  }
  return new ApiError('unknown-height', `height ${height} is unknown; ${held}`, { details })
}

/** Blobs of a description that are reserved in one go. */
const BLOBS_AT_ONCE = 128

/** A height, or a block id: 64 hex digits are an id, also when all of them are decimal. */
function parseSelector(
  text: string
): { readonly height: Height } | { readonly blockId: NonNullable<ReturnType<typeof parseBlockId>> } {
  const blockId = parseBlockId(text)
  if (blockId !== undefined) return { blockId }
  const height = parseHeight(text)
  if (height !== undefined) return { height }
  if (/^[-+]?\d/.test(text) && text.length < 32) {
    throw new ApiError('bad-height', 'a height is 1 to 16 decimal digits, below 2^53')
  }
  throw new ApiError('bad-block-id', 'a block id is 64 hex digits (and a height 1 to 16 decimal digits)')
}

/**
 * Finds the block that a request names and reads its tree for it. Each tree being read takes one of a bounded number of places and a
 * fixed window of the memory account, both before the first byte is read, and gives them back when the reader is done, gone or cut.
 */
export class ExecutionDataReader {
  #components: ExecutionDataReaderComponents
  #options: ExecutionDataReaderOptions
  #open = 0

  constructor(components: ExecutionDataReaderComponents, options: ExecutionDataReaderOptions) {
    this.#components = components
    this.#options = options
  }

  get range(): HeldRange {
    const { tracker, feedHighest } = this.#components
    return { lowest: tracker.lowest, highest: tracker.highest, prunedTo: tracker.prunedTo, feed: feedHighest() }
  }

  /** Throws ApiError `bad-height`, `bad-block-id`, `unknown-height`, `unknown-block`, `pruned`, `not-available`. */
  async find(text: string): Promise<TrackedBlock> {
    const selector = parseSelector(text)
    const { tracker } = this.#components
    if ('height' in selector) {
      const block = await tracker.blockAt(selector.height)
      if (block === undefined) throw absentHeight(selector.height, this.range)
      return block
    }
    const block = await tracker.blockById(selector.blockId)
    if (block !== undefined) return block
    const { lowest, highest } = this.range
    const held =
      lowest === undefined ? 'this node holds no heights yet' : `this node holds heights ${lowest}..${highest}`
    const details = { lowest: lowest ?? null, highest: highest ?? null }
    throw new ApiError('unknown-block', `no block of that id is held; ${held}`, { details })
  }

  /** Throws ApiError `too-many-streams`, `exceeds-limit`, `overloaded`, `pruned`, `not-available`. */
  async describe(block: TrackedBlock, options: { readonly signal: AbortSignal }): Promise<object> {
    const release = this.#take('json')
    const paid = this.#payingForBlobs()
    try {
      const tree = await this.#components.describeTree(block.executionDataId, { ...options, onBlob: paid.onBlob })
      const { height, blockId, executionDataId } = block
      return { height, blockId, executionDataId, rootCid: BlobCid.fromExecutionDataId(executionDataId), ...tree }
    } catch (cause) {
      throw await this.#unreadable(block, { cause, signal: options.signal })
    } finally {
      paid.release()
      release()
    }
  }

  /** A description grows with the blobs of the block: each is paid for before it is looked at, and their number is bounded. */
  #payingForBlobs(): { readonly onBlob: () => void; readonly release: () => void } {
    const { account } = this.#components
    const { maxAnswerBytes } = this.#options
    let blobs = 0
    let reserved = 0
    return {
      onBlob: () => {
        blobs += 1
        const neededBytes = blobs * DESCRIBED_BLOB_TEXT_BYTES
        if (neededBytes > maxAnswerBytes) {
          const details = { limit: `${this.#options.name}.maxAnswerBytes`, limitBytes: maxAnswerBytes, neededBytes }
          throw exceedsLimit(`the description of ${blobs} blobs or more needs ${neededBytes} bytes`, details)
        }
        if (blobs * DESCRIBED_BLOB_BYTES <= reserved) return
        reserveFor(account, BLOBS_AT_ONCE * DESCRIBED_BLOB_BYTES, 'the description of a block')
        reserved += BLOBS_AT_ONCE * DESCRIBED_BLOB_BYTES
      },
      release: () => account.release(reserved)
    }
  }

  /**
   * The block's tree as a CAR. The first step throws as `describe` does when the root cannot be read; what fails later is thrown as
   * it comes, and the file is then not whole.
   */
  car(block: TrackedBlock, options: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const unreadable = (cause: unknown): Promise<unknown> => this.#unreadable(block, { cause, signal: options.signal })
    return this.#stream(block.executionDataId, { ...options, unreadable })
  }

  /** The same for a tree that lies in the store, tracked or not. The first step throws ApiError `unknown-block` when it does not. */
  tree(id: ExecutionDataId, options: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const unreadable = async (cause: unknown): Promise<unknown> =>
      cause instanceof ApiError || options.signal.aborted
        ? cause
        : new ApiError('unknown-block', `the execution data ${id} is not held, or not whole`, { cause })
    return this.#stream(id, { ...options, unreadable })
  }

  async *#stream(
    id: ExecutionDataId,
    options: { readonly signal: AbortSignal; readonly unreadable: (cause: unknown) => Promise<unknown> }
  ): AsyncGenerator<Uint8Array> {
    const { readTree, encodeCar, account } = this.#components
    const release = this.#take('car')
    let extra = 0
    try {
      const blobs = readTree(id, options)[Symbol.asyncIterator]()
      try {
        const root = await this.#firstOf(blobs, options.unreadable)
        for await (const piece of encodeCar(root.cid, startingWith(root, blobs))) {
          const more = piece.length - STREAM_WINDOW_BYTES - extra
          if (more > 0) {
            reserveFor(account, more, 'a blob of this size')
            extra += more
          }
          yield piece
        }
      } finally {
        await blobs.return?.()
      }
    } finally {
      account.release(extra)
      release()
    }
  }

  async #firstOf(blobs: AsyncIterator<Blob>, unreadable: (cause: unknown) => Promise<unknown>): Promise<Blob> {
    try {
      const first = await blobs.next()
      if (first.done === true) throw new Error('the tree has no blobs')
      return first.value
    } catch (cause) {
      throw await unreadable(cause)
    }
  }

  #take(kind: TreeStreamKind): () => void {
    const { account, metrics } = this.#components
    const { maxStreams } = this.#options
    if (this.#open >= maxStreams) {
      throw new ApiError('too-many-streams', `${maxStreams} blocks are being read, which is the limit; try again`, {
        details: { limit: `${this.#options.name}.maxStreams`, limitCount: maxStreams }
      })
    }
    reserveFor(account, STREAM_WINDOW_BYTES, 'the transfer')
    this.#open += 1
    metrics.streams.inc({ kind })
    return () => {
      this.#open -= 1
      metrics.streams.dec({ kind })
      account.release(STREAM_WINDOW_BYTES)
    }
  }

  /** A tree that is tracked and cannot be read was pruned meanwhile, or has a blob that must be fetched again. */
  async #unreadable(
    block: TrackedBlock,
    failure: { readonly cause: unknown; readonly signal: AbortSignal }
  ): Promise<unknown> {
    const { cause, signal } = failure
    if (cause instanceof ApiError) return cause
    if (signal.aborted) return signal.reason
    const still = await this.#components.tracker.blockAt(block.height)
    if (still === undefined) return absentHeight(block.height, this.range)
    return new ApiError('not-available', `the blobs of height ${block.height} cannot be read at the moment`, { cause })
  }
}

/** A blob that was taken already, and then the others. */
async function* startingWith(first: Blob, rest: AsyncIterator<Blob>): AsyncGenerator<Blob> {
  yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}
