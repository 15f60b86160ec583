import { type BlobTreeManifest, ExecutionDataError, type ExecutionDataStore } from '../execution-data/index.ts'
import type { Logger } from '../log/index.ts'
import type { NodeMetrics } from './metrics.ts'

export interface ContentCheckComponents {
  readonly store: Pick<ExecutionDataStore, 'checkContent'>
  readonly metrics: Pick<NodeMetrics, 'uncheckedBlocks'>
  readonly logger: Logger
}

/** Rejects with ExecutionDataError when the content does not decode, and with the signal's reason. */
export type ContentCheck = (manifest: BlobTreeManifest, options: { readonly signal: AbortSignal }) => Promise<void>

/** Takes each block as it is, and counts it. */
export function createNoContentCheck({ uncheckedBlocks }: Pick<NodeMetrics, 'uncheckedBlocks'>): ContentCheck {
  return async () => uncheckedBlocks.inc()
}

/**
 * The structural check of what was downloaded: every chunk decompresses and decodes. One block at a time, since a chunk is held whole
 * while it is decoded and its plaintext is some four times what was received.
 *
 * A block that needs more memory than there is goes on unchecked, with a warning and a count: its blobs are verified and stored, a sealed
 * block is not optional, and to hold everything behind it back would be worse.
 */
export function createContentCheck(components: ContentCheckComponents): ContentCheck {
  const { store, metrics, logger } = components
  let last: Promise<unknown> = Promise.resolve()
  const check = async (manifest: BlobTreeManifest, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted()
    try {
      await store.checkContent(manifest, { signal })
    } catch (error) {
      if (!(error instanceof ExecutionDataError && error.code === 'memory-refused')) throw error
      metrics.uncheckedBlocks.inc()
      logger.warn(
        { executionDataId: manifest.executionDataId, bytes: manifest.bytes, reason: error.message },
        'a block is stored but its content is not checked: it needs more memory than the budget gives to decoding'
      )
    }
  }
  return (manifest, { signal }) => {
    const turn = last.then(() => check(manifest, signal))
    last = turn.catch(() => undefined)
    return turn
  }
}
