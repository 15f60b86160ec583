import type { SealedBlock } from '../model/index.ts'
import { codeOf, messageOf } from '../util/index.ts'
import type { BlobTreeManifest } from './blob-tree.ts'
import type { DownloaderComponents } from './download-ports.ts'
import { isMalformed } from './errors.ts'
import { HintTrust } from './hint-trust.ts'
import type { ExecutionDataOptions } from './options.ts'
import { type FetchRegister, TreeDownload } from './tree-download.ts'
import { walkTree } from './tree-walker.ts'

/**
 * Brings the blob tree of a sealed block into the store.
 *
 * Flow: look into the store → else fetch (a hint's CIDs at once, the rest level by level) → hand to the store and tell peers at
 * the same moment → when the tree is complete and every blob durable, give its manifest.
 *
 * Invariants: a blob reaches the store only after the tree named it, so nothing is stored that will not be tracked; `onStored` follows
 * the store's `put` in the same turn, and the download resolves only when all puts are durable; what is held in memory is
 * bounded whatever the tree, the hint or the peers do; an abort ends everything the download began.
 */

export class Downloader {
  readonly #components: DownloaderComponents
  readonly #options: ExecutionDataOptions
  readonly #fetching: FetchRegister = new Map()
  readonly #hintTrust: HintTrust

  constructor(components: DownloaderComponents, options: ExecutionDataOptions) {
    this.#components = components
    this.#options = options
    this.#hintTrust = new HintTrust(components.clock, options)
  }

  /**
   * Resolves when the whole tree is durable. Throws ExecutionDataError of the malformed kinds (`isMalformed`, never to be
   * retried) or `blob-mismatch`; rejects with the signal's reason, with the session's errors and with the store's. What was stored before a
   * failure stays and is found again.
   */
  async download(block: SealedBlock, { signal }: { readonly signal: AbortSignal }): Promise<BlobTreeManifest> {
    signal.throwIfAborted()
    const { clock, metrics, logger } = this.#components
    const began = clock.now()
    const job = new TreeDownload(
      {
        ...this.#components,
        session: this.#components.openSession(block),
        fetching: this.#fetching,
        hintTrust: this.#hintTrust
      },
      this.#options
    )
    const onAbort = (): void => job.abandon(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (block.hint !== undefined && block.hint.length > 0) {
        if (this.#hintTrust.left) job.useHint(block.hint)
        else metrics.hintsGivenUp.inc()
      }
      const { manifest } = await walkTree(job, this.#options, block)
      await job.finish()
      metrics.downloads.inc({ outcome: 'ok' })
      metrics.downloadSeconds.observe((clock.now() - began) / 1000)
      logger.debug({ height: block.height, blobs: manifest.cids.length, bytes: manifest.bytes }, 'block downloaded')
      return manifest
    } catch (error) {
      job.abandon(error)
      this.#note(block, error, signal)
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #note(block: SealedBlock, error: unknown, signal: AbortSignal): void {
    const { metrics, logger } = this.#components
    if (isMalformed(error)) {
      metrics.malformed.inc({ code: error.code })
      metrics.downloads.inc({ outcome: 'malformed' })
      logger.warn(
        { height: block.height, executionDataId: block.executionDataId, code: error.code, err: messageOf(error) },
        'execution data is malformed'
      )
      return
    }
    metrics.downloads.inc({ outcome: signal.aborted ? 'aborted' : 'failed' })
    if (!signal.aborted)
      logger.debug({ height: block.height, code: codeOf(error), err: messageOf(error) }, 'download failed')
  }
}
