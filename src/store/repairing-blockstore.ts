import type { Logger } from '../log/logger.ts'
import { type Blob, BlobCid, DIGEST_LENGTH, type DigestKey } from '../model/index.ts'
import { type Clock, messageOf, type Service, sleep } from '../util/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'
import type { KeyValueSpace } from './key-value.ts'
import type { StoreMetrics } from './metrics.ts'

/** Gets the verified blob from somewhere else. Rejects with the signal's reason. */
export type FetchBlob = (cid: BlobCid, options: { readonly signal: AbortSignal }) => Promise<Blob>

export interface RepairingComponents {
  readonly store: Blockstore
  /** Remembers what is to be repaired over a restart; nothing else may use it. */
  readonly space: KeyValueSpace
  readonly metrics: StoreMetrics
  readonly logger: Logger
  readonly clock: Clock
}

export interface RepairOptions {
  /** How long whoever asks for a damaged blob waits for a good copy, ms; then it is not here for them. */
  readonly waitMs: number
  /** How long one try in the background takes, ms. */
  readonly attemptMs: number
  /** Pause before blobs that could not be had are asked for again, ms. */
  readonly againMs: number
  /** Most damaged blobs remembered; beyond it a disk is dying, and a blob is repaired only when it is asked for. */
  readonly maxRemembered: number
}

export const defaultRepairOptions: RepairOptions = Object.freeze({
  waitMs: 10_000,
  attemptMs: 60_000,
  againMs: 60_000,
  maxRemembered: 65_536
})

/**
 * Fetches anew what the store found damaged and dropped. Whoever asks for such a blob waits for the good copy; what nobody asks for is
 * repaired one after the other in the background, over restarts.
 *
 * Invariants: what is damaged is remembered on the disk before it is repaired, and forgotten after a good copy is durable, or when the blob
 * was deleted; one fetch a blob however many ask.
 */
export class RepairingBlockstore implements Blockstore, Service {
  readonly #components: RepairingComponents
  readonly #options: RepairOptions
  readonly #controller = new AbortController()
  readonly #damaged = new Map<DigestKey, BlobCid>()
  readonly #repairs = new Map<DigestKey, Promise<Blob>>()
  #fetch: FetchBlob | undefined
  #wake: (() => void) | undefined
  #main: Promise<void> | undefined

  constructor(components: RepairingComponents, options: Partial<RepairOptions> = {}) {
    this.#components = components
    this.#options = { ...defaultRepairOptions, ...options }
  }

  /** Where good copies come from; until then nothing is repaired. */
  connect(fetch: FetchBlob): void {
    this.#fetch = fetch
  }

  /** Blobs that wait for a good copy. */
  get waiting(): number {
    return this.#damaged.size
  }

  /** To be called by the store below when it drops a blob. */
  readonly onDamaged = (cid: BlobCid): void => {
    if (this.#damaged.size >= this.#options.maxRemembered) {
      this.#components.metrics.repairs.inc({ outcome: 'forgotten' })
      return
    }
    this.#damaged.set(cid.key, cid)
    this.#components.metrics.unrepairedBlobs.set(this.#damaged.size)
    const operation = { type: 'put', key: cid.digest, value: new Uint8Array(0) } as const
    this.#components.space.batch([operation], { sync: false }).catch((error: unknown) => this.#notNoted(error))
    this.#wake?.()
  }

  /** Reads what an earlier run left, and repairs in the background. */
  async start(): Promise<void> {
    for await (const [digest] of this.#components.space.entries({ limit: this.#options.maxRemembered })) {
      if (digest.length !== DIGEST_LENGTH) continue
      const cid = BlobCid.fromDigest(digest)
      this.#damaged.set(cid.key, cid)
    }
    this.#components.metrics.unrepairedBlobs.set(this.#damaged.size)
    this.#main = this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort(new Error('repairing stops'))
    this.#wake?.()
    await this.#main
    await Promise.allSettled(this.#repairs.values())
  }

  has(cid: BlobCid): Promise<boolean> {
    return this.#components.store.has(cid)
  }

  getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#components.store.getSize(cid)
  }

  get(cid: BlobCid): Promise<Blob | undefined> {
    const { store } = this.#components
    return store
      .get(cid)
      .then((blob) => (blob === undefined && this.#damaged.has(cid.key) ? this.#repaired(cid) : blob))
  }

  /** The blob when it is here again in time. */
  #repaired(cid: BlobCid): Promise<Blob | undefined> {
    return Promise.race([
      this.#repair(cid).catch(() => undefined),
      sleep(this.#components.clock, this.#options.waitMs, this.#controller.signal).then(
        () => undefined,
        () => undefined
      )
    ])
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  putMany(blobs: readonly Blob[]): Promise<void> {
    const { store } = this.#components
    return store
      .putMany(blobs)
      .then(() => (this.#damaged.size > 0 ? this.#forget(blobs.map(({ cid }) => cid)) : undefined))
  }

  async deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    const deleted = await this.#components.store.deleteMany(cids)
    if (this.#damaged.size > 0) await this.#forget(cids)
    return deleted
  }

  keys(): AsyncIterable<BlobCid> {
    return this.#components.store.keys()
  }

  stats(): BlockstoreStats {
    return this.#components.store.stats()
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    while (!signal.aborted) {
      for (const cid of [...this.#damaged.values()]) {
        if (signal.aborted) return
        if (this.#damaged.has(cid.key)) await this.#repair(cid).catch(() => undefined)
      }
      await this.#pause(signal)
    }
  }

  /** Until something is damaged, or it is time to try again what could not be had. */
  async #pause(signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    const ms = this.#damaged.size > 0 ? this.#options.againMs : 2 ** 31 - 1
    await sleep(this.#components.clock, ms, AbortSignal.any([signal, woken.signal])).catch(() => undefined)
    this.#wake = undefined
  }

  #repair(cid: BlobCid): Promise<Blob> {
    const running = this.#repairs.get(cid.key)
    if (running !== undefined) return running
    const repair = this.#repairOnce(cid).finally(() => this.#repairs.delete(cid.key))
    this.#repairs.set(cid.key, repair)
    return repair
  }

  async #repairOnce(cid: BlobCid): Promise<Blob> {
    const { clock, logger, metrics, store } = this.#components
    const fetch = this.#fetch
    if (fetch === undefined) throw new Error('there is nowhere to fetch from')
    const late = new AbortController()
    const timer = clock.setTimer(this.#options.attemptMs, () => late.abort(new Error('no copy came in time')))
    try {
      const blob = await fetch(cid, { signal: AbortSignal.any([this.#controller.signal, late.signal]) })
      await store.put(blob)
      await this.#forget([cid])
      metrics.repairs.inc({ outcome: 'repaired' })
      logger.info({ cid: String(cid) }, 'damaged blob repaired')
      return blob
    } catch (error) {
      metrics.repairs.inc({ outcome: 'failed' })
      logger.debug({ cid: String(cid), reason: messageOf(error) }, 'damaged blob not repaired yet')
      throw error
    } finally {
      timer.cancel()
    }
  }

  async #forget(cids: readonly BlobCid[]): Promise<void> {
    const known = cids.filter(({ key }) => this.#damaged.delete(key))
    if (known.length === 0) return
    this.#components.metrics.unrepairedBlobs.set(this.#damaged.size)
    const operations = known.map((cid) => ({ type: 'del', key: cid.digest }) as const)
    await this.#components.space.batch(operations, { sync: false })
  }

  #notNoted(error: unknown): void {
    this.#components.logger.warn(
      { error: messageOf(error) },
      'a damaged blob is not noted on the disk: after a restart it is repaired only when it is asked for'
    )
  }
}
