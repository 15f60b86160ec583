import type { Blob, BlobCid, DigestKey } from '../model/index.ts'
import type { DownloaderComponents, DownloadSession } from './download-ports.ts'
import { ExecutionDataError } from './errors.ts'
import { FetchGate } from './fetch-gate.ts'
import { HintFetch } from './hint-fetch.ts'
import type { HintTrust } from './hint-trust.ts'
import type { ExecutionDataOptions } from './options.ts'
import { checkBlobSize, type TreeSource } from './tree-walker.ts'

/** One run of the downloader: where the walk's blobs come from, and their way into the store. */

type Components = Pick<DownloaderComponents, 'blockstore' | 'onStored' | 'metrics'> & {
  readonly session: DownloadSession
  readonly fetching: FetchRegister
  readonly hintTrust: Pick<HintTrust, 'spent'>
}

/** What the downloads of one node are fetching now: several that want the same blob at once do not fetch it again. */
export type FetchRegister = Map<DigestKey, { count: number; shared: boolean }>

export class TreeDownload implements TreeSource {
  readonly #components: Components
  readonly #options: ExecutionDataOptions
  readonly #gate: FetchGate
  readonly #controller = new AbortController()
  /** A blob on its way, or the length of one that is in the store: bytes are not kept. */
  readonly #taken = new Map<DigestKey, Promise<Blob> | number>()
  readonly #undurable = new Set<Promise<void>>()
  /** CIDs that another download was fetching at the same time. */
  readonly #shared = new Set<DigestKey>()
  #hint: HintFetch | undefined

  constructor(components: Components, options: ExecutionDataOptions) {
    this.#components = components
    this.#options = options
    this.#gate = new FetchGate(options)
  }

  useHint(cids: readonly BlobCid[]): void {
    const { blockstore } = this.#components
    this.#hint = new HintFetch(
      cids,
      {
        fetch: (cid, signal) => this.#fetch(cid, signal),
        has: (cid) => blockstore.has(cid),
        mayBegin: () => this.#gate.storeKeepsUp
      },
      this.#options
    )
    this.#hint.pump()
  }

  async load(cid: BlobCid): Promise<Uint8Array> {
    const taken = this.#taken.get(cid.key)
    if (typeof taken !== 'number') return (await (taken ?? this.#take(cid))).bytes
    const blob = await this.#components.blockstore.get(cid)
    if (blob !== undefined) return blob.bytes
    throw new ExecutionDataError('blob-missing', `the store lost blob ${cid} during a download`, { details: { cid } })
  }

  async size(cid: BlobCid): Promise<number> {
    const taken = this.#taken.get(cid.key) ?? this.#take(cid)
    return typeof taken === 'number' ? taken : (await taken).bytes.length
  }

  /** Resolves when every blob is durable. Rejects as the store does, and as soon as the download is abandoned. */
  async finish(): Promise<void> {
    this.#dropHint(true)
    const { signal } = this.#controller
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      void Promise.all(this.#undurable).then(() => resolve())
    })
    signal.throwIfAborted()
  }

  /** Ends everything this download began. The first reason counts. */
  abandon(error: unknown): void {
    this.#controller.abort(error)
    this.#dropHint(false)
    this.#gate.open()
  }

  #take(cid: BlobCid): Promise<Blob> {
    const taking = this.#obtain(cid)
    this.#taken.set(cid.key, taking)
    taking.then(
      (blob) => this.#taken.set(cid.key, blob.bytes.length),
      () => {}
    )
    return taking
  }

  async #obtain(cid: BlobCid): Promise<Blob> {
    const { metrics } = this.#components
    let blob = await this.#hint?.claim(cid)
    let source = 'network'
    if (blob === undefined) {
      await this.#gate.enter()
      try {
        this.#controller.signal.throwIfAborted()
        blob = await this.#components.blockstore.get(cid)
        if (blob === undefined) blob = await this.#fetch(cid, this.#controller.signal)
        else source = 'store'
      } finally {
        this.#gate.leave()
      }
    }
    this.#controller.signal.throwIfAborted()
    if (blob.cid.key !== cid.key) {
      throw new ExecutionDataError('blob-mismatch', `asked for ${cid}, was given ${blob.cid}`, { details: { cid } })
    }
    checkBlobSize(blob.bytes.length, this.#options)
    if (source === 'network') await this.#store(blob)
    metrics.blobs.inc({ source })
    metrics.blobBytes.inc({ source }, blob.bytes.length)
    return blob
  }

  async #fetch(cid: BlobCid, signal: AbortSignal): Promise<Blob> {
    const { fetching, session } = this.#components
    const entry = fetching.get(cid.key) ?? { count: 0, shared: false }
    entry.count += 1
    if (entry.count > 1) entry.shared = true
    fetching.set(cid.key, entry)
    try {
      return await session.fetch(cid, { signal })
    } finally {
      entry.count -= 1
      if (entry.count === 0) fetching.delete(cid.key)
      if (entry.shared) this.#shared.add(cid.key)
    }
  }

  async #store(blob: Blob): Promise<void> {
    const { blockstore, metrics } = this.#components
    if ((await blockstore.has(blob.cid)) && !this.#shared.has(blob.cid.key)) metrics.refetchedBlobs.inc()
    const size = blob.bytes.length
    this.#gate.storing(size)
    const durable = blockstore.put(blob)
    this.#components.onStored?.(blob.cid)
    const settled = durable
      .catch((error: unknown) => this.abandon(error))
      .finally(() => {
        this.#gate.stored(size)
        this.#undurable.delete(settled)
        this.#hint?.pump()
      })
    this.#undurable.add(settled)
  }

  /** `known`: the whole tree is, so what it has not claimed is none of it. */
  #dropHint(known: boolean): void {
    const { metrics, hintTrust } = this.#components
    const left = this.#hint?.stop()
    this.#hint = undefined
    if (left === undefined) return
    metrics.extraHintBlobs.inc({ arrived: 'yes' }, left.arrived)
    metrics.extraHintBlobs.inc({ arrived: 'no' }, left.aborted)
    metrics.extraHintBytes.inc(left.arrivedBytes)
    if (known || left.givenUp) hintTrust.spent(left.arrivedBytes)
    if (left.givenUp) metrics.hintsGivenUp.inc()
  }
}
