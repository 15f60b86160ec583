import { type Blob, type BlobCid, blobOf, type DigestKey } from '#src/model/index.ts'
import { type Clock, seededRng, sleep } from '#src/util/index.ts'

/** The part of a blockstore that the exchange uses, in memory, with counts of what was asked. */
export class MemoryBlobs {
  readonly held = new Map<DigestKey, Blob>()
  gets = 0
  sizes = 0
  /** How long the store takes to answer, ms; it fails when there is no telling. */
  delayMs: () => number | 'fails' = () => 0
  readonly #clock: Clock | undefined

  constructor(clock?: Clock) {
    this.#clock = clock
  }

  put(blob: Blob): void {
    this.held.set(blob.cid.key, blob)
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    this.gets += 1
    await this.#wait()
    return this.held.get(cid.key)
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    this.sizes += 1
    await this.#wait()
    return this.held.get(cid.key)?.bytes.length
  }

  async #wait(): Promise<void> {
    const delay = this.delayMs()
    if (delay === 'fails') throw new Error('the store does not answer')
    if (delay > 0 && this.#clock !== undefined) await sleep(this.#clock, delay)
  }
}

/** A blob of pseudo-random bytes, the same for the same seed. */
export function seededBlob(seed: number, length: number): Blob {
  const rng = seededRng(seed)
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 1) bytes[at] = Math.floor(rng.next() * 256)
  return blobOf(bytes)
}

/** A large blob, cheap to make: only its first bytes differ from others'. */
export function largeBlob(seed: number, length: number): Blob {
  const bytes = new Uint8Array(length)
  new DataView(bytes.buffer).setFloat64(0, seed + 0.5)
  return blobOf(bytes)
}
