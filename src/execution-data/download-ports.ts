import type { Logger } from '../log/logger.ts'
import type { Blob, BlobCid, SealedBlock } from '../model/index.ts'
import type { Blockstore } from '../store/blockstore.ts'
import type { Clock } from '../util/index.ts'
import type { ExecutionDataMetrics } from './metrics.ts'

/** One block's way to its peers; the exchange's session has this shape. */
export interface DownloadSession {
  /**
   * Gives the verified blob to `take`, however long it takes to come, and resolves with what that returns. Rejects with the signal's
   * reason.
   */
  fetchInto<T>(
    cid: BlobCid,
    options: { readonly signal: AbortSignal; readonly take: (blob: Blob) => T | PromiseLike<T> }
  ): Promise<T>
}

export interface DownloaderComponents {
  openSession(block: SealedBlock): DownloadSession
  readonly blockstore: Pick<Blockstore, 'get' | 'has' | 'put'>
  /** A blob was just handed to the store, which answers for it from now on. */
  onStored?(cid: BlobCid): void
  readonly logger: Logger
  readonly metrics: ExecutionDataMetrics
  readonly clock: Clock
}
