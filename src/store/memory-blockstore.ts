import type { Blob, BlobCid, DigestKey } from '../model/index.ts'
import type { Blockstore, BlockstoreStats } from './blockstore.ts'

/**
 * Blobs in memory, for simulations and tests: grows with what is put. "Durable" is here at once.
 */
export class MemoryBlockstore implements Blockstore {
  readonly #blobs = new Map<DigestKey, Blob>()
  #bytes = 0

  async has(cid: BlobCid): Promise<boolean> {
    return this.#blobs.has(cid.key)
  }

  async getSize(cid: BlobCid): Promise<number | undefined> {
    return this.#blobs.get(cid.key)?.bytes.length
  }

  async get(cid: BlobCid): Promise<Blob | undefined> {
    return this.#blobs.get(cid.key)
  }

  put(blob: Blob): Promise<void> {
    return this.putMany([blob])
  }

  async putMany(blobs: readonly Blob[]): Promise<void> {
    for (const blob of blobs) {
      if (this.#blobs.has(blob.cid.key)) continue
      this.#blobs.set(blob.cid.key, blob)
      this.#bytes += blob.bytes.length
    }
  }

  async deleteMany(cids: readonly BlobCid[]): Promise<BlockstoreStats> {
    const deleted = { count: 0, bytes: 0 }
    for (const { key } of cids) {
      const blob = this.#blobs.get(key)
      if (blob === undefined) continue
      this.#blobs.delete(key)
      this.#bytes -= blob.bytes.length
      deleted.count += 1
      deleted.bytes += blob.bytes.length
    }
    return deleted
  }

  async *keys(): AsyncGenerator<BlobCid> {
    for (const { cid } of this.#blobs.values()) yield cid
  }

  stats(): BlockstoreStats {
    return { count: this.#blobs.size, bytes: this.#bytes }
  }
}
