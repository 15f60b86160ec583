import {
  blobFromHashed,
  type Blob,
  type BlobCid,
  CID_LENGTH,
  DIGEST_LENGTH,
  type DigestKey
} from '../../model/index.ts'
import { readVarint } from '../../util/index.ts'
import { LabError } from '../errors.ts'

/** The blobs of a CARv1 file that the driver made itself, as views of it. Throws LabError `bad-source` when it is cut short. */
export function carBlobs(car: Uint8Array): Blob[] {
  const blobs: Blob[] = []
  let at = 0
  let header = true
  while (at < car.length) {
    const length = readVarint(car, at)
    if (length === undefined || length === null || length.next + length.value > car.length)
      throw new LabError('bad-source', `the CAR breaks off at byte ${at}`)
    const section = car.subarray(length.next, length.next + length.value)
    if (!header)
      blobs.push(blobFromHashed(section.slice(CID_LENGTH - DIGEST_LENGTH, CID_LENGTH), section.subarray(CID_LENGTH)))
    header = false
    at = length.next + length.value
  }
  return blobs
}

/** The newest blobs, up to so many bytes: what load peers hold together, as other access nodes would. */
export class RecentBlobs {
  readonly #blobs = new Map<DigestKey, Blob>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  put(blob: Blob): void {
    if (this.#blobs.has(blob.cid.key)) return
    this.#blobs.set(blob.cid.key, blob)
    this.#bytes += blob.bytes.length
    for (const [key, oldest] of this.#blobs) {
      if (this.#bytes <= this.#maxBytes) return
      this.#blobs.delete(key)
      this.#bytes -= oldest.bytes.length
    }
  }

  async has(cid: BlobCid): Promise<boolean> {
    return this.#blobs.has(cid.key)
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#blobs.get(cid.key)?.bytes.length
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    return this.#blobs.get(cid.key)
  }
}

/** A blob that the target should hold. */
export interface KnownBlob {
  readonly cid: BlobCid
  readonly size: number
}

/** Half a million entries are some 80 MB in the driver; of more, the first are read. */
const MAX_KNOWN = 500_000

/** All that the target should hold, to be picked from at random. */
export class Catalogue {
  readonly #blobs: KnownBlob[] = []
  readonly #heights: number[] = []
  readonly #blocks: (readonly KnownBlob[])[] = []
  #bytes = 0

  add(height: number, blobs: readonly KnownBlob[]): void {
    if (this.#blobs.length >= MAX_KNOWN) return
    this.#heights.push(height)
    this.#blocks.push(blobs)
    for (const blob of blobs) {
      this.#blobs.push(blob)
      this.#bytes += blob.size
    }
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The blobs of each block, root first. */
  get blocks(): readonly (readonly KnownBlob[])[] {
    return this.#blocks
  }

  get blobCount(): number {
    return this.#blobs.length
  }

  /** `share` is 0 to 1; `undefined` when there is nothing. */
  blobAt(share: number): KnownBlob | undefined {
    return this.#blobs[Math.floor(share * this.#blobs.length)]
  }

  heightAt(share: number): number | undefined {
    return this.#heights[Math.floor(share * this.#heights.length)]
  }
}
