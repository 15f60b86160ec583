/**
 * The execution node's side: what was executed becomes blobs in the store and signed announcements.
 *
 * Flow
 *   feed of sealed blocks, from the first height not announced yet → wait until the block's whole tree is in the store → track
 *     → sign → append to the announcement log → publish
 *   ingest: blobs of an executed block → store → tell the exchange → wake the wait above
 *
 * Invariants
 * - announcements are made in height order, one at a time, each height once, also over restarts: the log decides
 * - what is announced is complete, durable and tracked
 * - a height that was announced can be replayed word for word while retention keeps it and its blobs are not pruned
 * - one block at a time is waited for; memory does not grow with what is behind it
 */
import { type Blob, type Height, MAX_HINT_CIDS, type SealedBlock } from '../model/index.ts'
import { codeOf, messageOf, type Service, sleep } from '../util/index.ts'
import { ProviderError } from './errors.ts'
import { Ingest, type IngestCounts } from './ingest.ts'
import { type ProviderOptions, validateProviderOptions } from './options.ts'
import type { ProviderComponents, TreeManifest } from './ports.ts'
import { TreeWait } from './tree-wait.ts'

/** A block whose tree has been incomplete for long, in the words of the contract; ready for JSON. */
export interface ProviderStall {
  readonly height: Height
  readonly cid: string | null
  readonly askedPeers: 0
  readonly lastAnswerMsAgo: null
  readonly nextTryMs: number
  readonly reason: 'missing' | 'unreadable'
  readonly remedy: string
  readonly sinceMs: number
}

export interface ProviderStatus {
  /** Highest height of the feed. */
  readonly feed: Height | undefined
  /** Highest height announced; announcements are made in order, so it is the consecutive one too. */
  readonly highest: Height | undefined
  readonly consecutive: Height | undefined
  /** Lowest height whose announcement can be replayed. */
  readonly lowest: Height | undefined
  /** The block that waits for its blobs, when one does. */
  readonly waiting: { readonly height: Height; readonly missing: number; readonly sinceMs: number } | null
  readonly stall: ProviderStall | null
  /** A finite feed has been announced to its end. */
  readonly ended: boolean
}

export interface Provider extends Service {
  /**
   * Puts the blobs of one executed block into the store and tells the exchange. Resolves with how many when all are durable.
   * Throws ProviderError `blob-too-large`, `ingest-busy`, `height-pruned`, `stopped`; rejects with the signal's reason and with what
   * the source or the store throws. What was put before a failure stays; giving it again costs nothing.
   */
  ingest(
    block: SealedBlock,
    blobs: AsyncIterable<Blob>,
    options: { readonly signal: AbortSignal }
  ): Promise<IngestCounts>
  status(): ProviderStatus
  readiness(): { readonly ok: boolean; readonly reason: string }
  readonly failed: Promise<never>
}

/** Throws ProviderError `option-invalid`. */
export function createProvider(components: ProviderComponents, options: ProviderOptions): Provider {
  const faults = validateProviderOptions(options)
  if (faults.length > 0) throw new ProviderError('option-invalid', faults.join('; '), { details: { faults } })
  return new BlockProvider(components, options)
}

class BlockProvider implements Provider {
  readonly failed: Promise<never>
  readonly #components: ProviderComponents
  readonly #options: ProviderOptions
  readonly #controller = new AbortController()
  readonly #wait: TreeWait
  readonly #ingest: Ingest
  #reject: (error: ProviderError) => void = () => undefined
  #main: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #ended = false

  constructor(components: ProviderComponents, options: ProviderOptions) {
    this.#components = components
    this.#options = options
    this.#wait = new TreeWait(components, options)
    this.#ingest = new Ingest(components, options, (cids) => this.#wait.arrived(cids))
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#reject = reject
    })
    // Whoever listens gets it; when nobody does it must not end the process from here.
    this.failed.catch(() => undefined)
    components.metrics.lastExecutedHeight.set(components.log.announced ?? 0)
  }

  /** Works on by itself; does not wait for the feed. Throws ProviderError `already-started`. */
  async start(): Promise<void> {
    if (this.#main !== undefined || this.#stopping !== undefined) {
      throw new ProviderError('already-started', 'a provider starts once')
    }
    this.#main = this.#run()
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnce()
    return this.#stopping
  }

  async ingest(
    block: SealedBlock,
    blobs: AsyncIterable<Blob>,
    { signal }: { readonly signal: AbortSignal }
  ): Promise<IngestCounts> {
    this.#controller.signal.throwIfAborted()
    return this.#ingest.run(block, blobs, { signals: [signal, this.#controller.signal] })
  }

  status(): ProviderStatus {
    const { feed, log, clock } = this.#components
    const waiting = this.#wait.waiting
    const sinceMs = waiting === undefined ? 0 : Math.round(clock.now() - waiting.since)
    return {
      feed: feed.highest,
      highest: log.announced,
      consecutive: log.announced,
      lowest: log.lowest,
      waiting: waiting === undefined ? null : { height: waiting.block.height, missing: waiting.missing, sinceMs },
      stall: this.#stall(),
      ended: this.#ended
    }
  }

  readiness(): { readonly ok: boolean; readonly reason: string } {
    const { stall, consecutive } = this.status()
    if (stall !== null) return { ok: false, reason: `height ${stall.height} cannot be announced: ${stall.remedy}` }
    return {
      ok: true,
      reason: consecutive === undefined ? 'nothing to announce yet' : `announced to height ${consecutive}`
    }
  }

  #stall(): ProviderStall | null {
    const waiting = this.#wait.waiting
    if (waiting === undefined) return null
    const now = this.#components.clock.now()
    const sinceMs = now - waiting.since
    if (sinceMs < this.#options.stallAfterMs) return null
    const remedy =
      waiting.fault === undefined
        ? 'its blob tree is not complete in the store: ingest or import the block'
        : `its blob tree cannot be read (${waiting.fault}): import the block again`
    return {
      height: waiting.block.height,
      cid: waiting.cid?.toString() ?? null,
      askedPeers: 0,
      lastAnswerMsAgo: null,
      nextTryMs: Math.max(0, Math.round(waiting.nextTryAt - now)),
      reason: waiting.fault === undefined ? 'missing' : 'unreadable',
      remedy,
      sinceMs: Math.round(sinceMs)
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    try {
      const from = await this.#firstHeight(signal)
      for await (const block of this.#components.feed.blocks(from, { signal })) await this.#announce(block, signal)
      this.#ended = true
    } catch (error) {
      if (signal.aborted) return
      if (codeOf(error) === 'ended') this.#ended = true
      else this.#fail(error)
    }
  }

  async #firstHeight(signal: AbortSignal): Promise<Height> {
    const { feed, log } = this.#components
    if (log.announced !== undefined) return log.announced + 1
    const highest = await feed.awaitHighest({ signal })
    return feed.lowestOffered ?? highest
  }

  async #trackWhole(block: SealedBlock, signal: AbortSignal): Promise<TreeManifest> {
    for (;;) {
      const manifest = await this.#wait.forTree(block, { signal })
      try {
        await this.#components.tracker.track(block, manifest.cids)
        return manifest
      } catch (error) {
        // Pruned with an older height in between: the tree is incomplete again, and is waited for again.
        if (codeOf(error) !== 'blobs-gone') throw error
      }
    }
  }

  async #announce(block: SealedBlock, signal: AbortSignal): Promise<void> {
    const { sign, log, clock, feed, metrics, logger } = this.#components
    const manifest = await this.#trackWhole(block, signal)
    const { height, blockId, executionDataId } = block
    const hint = manifest.cids.length <= MAX_HINT_CIDS ? manifest.cids : []
    const announcement = { height, blockId, executionDataId, announcedAtMs: clock.wallNow(), hint }
    const signed = await sign(announcement)
    signal.throwIfAborted()
    await log.append(signed)
    this.#measure(height, manifest)
    try {
      await this.#components.publish(signed)
    } catch (error) {
      metrics.publishFailures.inc()
      logger.warn({ height, reason: messageOf(error) }, 'an announcement was not sent out; peers find it by replay')
    }
    logger.debug({ height, executionDataId, blobs: manifest.cids.length }, 'announced')
    feed.release(height)
  }

  #measure(height: Height, manifest: TreeManifest): void {
    const { metrics } = this.#components
    metrics.announced.inc()
    metrics.lastExecutedHeight.set(height)
    metrics.numberOfChunks.observe(manifest.chunks.length)
    metrics.executionDataSizesBytes.observe(manifest.bytes)
  }

  #fail(error: unknown): void {
    this.#reject(new ProviderError('broken', `the provider cannot go on: ${messageOf(error)}`, { cause: error }))
    this.#controller.abort(stopped())
  }

  async #stopOnce(): Promise<void> {
    this.#controller.abort(stopped())
    const { clock, logger } = this.#components
    const done = new AbortController()
    const late = sleep(clock, this.#options.stopTimeoutMs, done.signal).then(
      () => true,
      () => false
    )
    const ended = Promise.all([this.#main, this.#ingest.idle()]).then(() => false)
    if (await Promise.race([ended, late])) {
      logger.warn(
        { timeoutMs: this.#options.stopTimeoutMs },
        'the provider stops though some of its work has not ended'
      )
    }
    done.abort()
  }
}

const stopped = (): ProviderError => new ProviderError('stopped', 'the provider is being stopped')
