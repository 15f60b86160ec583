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

/** A blob on its way into the store. */
class Arrival {
  /** Between its arrival and the moment in which the store has it. In no promise: one that was waited for would keep it. */
  blob: Blob | undefined
  /** Told when the store has it. */
  readonly looks: ((bytes: Uint8Array) => void)[] = []
  /** Its length, when the store has it. */
  stored: Promise<number> = NEVER

  readonly take = (blob: Blob): void => {
    this.blob = blob
  }
}

const NEVER = new Promise<never>(() => undefined)

export class TreeDownload implements TreeSource {
  readonly #components: Components
  readonly #options: ExecutionDataOptions
  readonly #gate: FetchGate
  readonly #controller = new AbortController()
  /** A blob on its way, or the length of one that is in the store: bytes are not kept. */
  readonly #taken = new Map<DigestKey, Arrival | number>()
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
        fetchInto: (cid, signal, take) => this.#fetch(cid, { signal, take }),
        has: (cid) => blockstore.has(cid),
        mayBegin: () => this.#gate.storeKeepsUp
      },
      this.#options
    )
    this.#hint.pump()
  }

  async read<T>(cid: BlobCid, look: (bytes: Uint8Array) => T): Promise<T> {
    const taken = this.#taken.get(cid.key) ?? this.#take(cid)
    if (typeof taken === 'number') return this.#readStored(cid, look)
    const seen: (() => T)[] = []
    taken.looks.push((bytes) => seen.push(outcomeOf(() => look(bytes))))
    await taken.stored
    return (seen[0] as () => T)()
  }

  async #readStored<T>(cid: BlobCid, look: (bytes: Uint8Array) => T): Promise<T> {
    const blob = await this.#components.blockstore.get(cid)
    if (blob !== undefined) return look(blob.bytes)
    throw new ExecutionDataError('blob-missing', `the store lost blob ${cid} during a download`, { details: { cid } })
  }

  async size(cid: BlobCid): Promise<number> {
    const taken = this.#taken.get(cid.key) ?? this.#take(cid)
    return typeof taken === 'number' ? taken : taken.stored
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

  #take(cid: BlobCid): Arrival {
    const arrival = new Arrival()
    this.#taken.set(cid.key, arrival)
    arrival.stored = this.#obtain(cid, arrival)
    // Heard by whoever waits for it.
    arrival.stored.catch(() => undefined)
    return arrival
  }

  async #obtain(cid: BlobCid, arrival: Arrival): Promise<number> {
    const { metrics } = this.#components
    const source = await this.#bring(cid, arrival)
    this.#controller.signal.throwIfAborted()
    const { blob } = arrival
    if (blob === undefined || blob.cid.key !== cid.key) {
      throw new ExecutionDataError('blob-mismatch', `asked for ${cid}, was given ${blob?.cid}`, { details: { cid } })
    }
    const size = blob.bytes.length
    checkBlobSize(size, this.#options)
    if (source === 'network') await this.#store(blob)
    arrival.blob = undefined
    for (const look of arrival.looks) look(blob.bytes)
    this.#taken.set(cid.key, size)
    metrics.blobs.inc({ source })
    metrics.blobBytes.inc({ source }, size)
    return size
  }

  async #bring(cid: BlobCid, { take }: Arrival): Promise<'network' | 'store'> {
    if (this.#hint !== undefined && (await this.#hint.claim(cid, take))) return 'network'
    const turn = this.#gate.enter()
    if (turn !== undefined) await turn
    try {
      const { signal } = this.#controller
      signal.throwIfAborted()
      const blob = await this.#components.blockstore.get(cid)
      if (blob === undefined) {
        await this.#fetch(cid, { signal, take })
        return 'network'
      }
      take(blob)
      return 'store'
    } finally {
      this.#gate.leave()
    }
  }

  async #fetch<T>(
    cid: BlobCid,
    options: { readonly signal: AbortSignal; readonly take: (blob: Blob) => T }
  ): Promise<T> {
    const { fetching, session } = this.#components
    const entry = fetching.get(cid.key) ?? { count: 0, shared: false }
    entry.count += 1
    if (entry.count > 1) entry.shared = true
    fetching.set(cid.key, entry)
    try {
      return await session.fetchInto(cid, options)
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
    const ended = (): void => {
      this.#gate.stored(size)
      this.#undurable.delete(settled)
      this.#hint?.pump()
    }
    const settled = durable.then(ended, (error: unknown) => {
      this.abandon(error)
      ended()
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

/** Calls at once, and gives or throws later what came of it. */
function outcomeOf<T>(call: () => T): () => T {
  try {
    const value = call()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}
