import type { Blob, BlobCid } from '../model/index.ts'
import type { Blockstore } from '../store/index.ts'
import { type Clock, sleep } from '../util/index.ts'

/** What may be read at once after a pause, ms of the rate: a blob of any size goes out without waiting when nothing went before. */
const BURST_MS = 1_000

/**
 * Blobs at no more than a rate, in bytes a second: each reading waits for the ones before it. Whoever reads here has bounded how many it
 * reads at a time.
 */
export class PacedBlobs {
  readonly #source: Pick<Blockstore, 'get' | 'getSize'>
  readonly #clock: Clock
  readonly #bytesPerMs: number
  #freeAt = 0

  constructor(
    components: { readonly source: Pick<Blockstore, 'get' | 'getSize'>; readonly clock: Clock },
    options: { readonly bytesPerSecond: number }
  ) {
    this.#source = components.source
    this.#clock = components.clock
    this.#bytesPerMs = options.bytesPerSecond / 1_000
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    const blob = await this.#source.get(cid)
    if (blob === undefined) return undefined
    const now = this.#clock.now()
    const from = Math.max(this.#freeAt, now - BURST_MS)
    this.#freeAt = from + blob.bytes.length / this.#bytesPerMs
    if (this.#freeAt > now) await sleep(this.#clock, this.#freeAt - now)
    return blob
  }

  getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#source.getSize(cid)
  }
}
