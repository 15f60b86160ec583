import type { ExchangeSession } from '../exchange/index.ts'
import type { Blob, BlobCid, DigestKey, Height } from '../model/index.ts'

/** Wanted blobs by height, for stall reports: what a download waits for is known only where it asks. */
export class MissingBlobs {
  readonly #waiting = new Map<Height, Map<DigestKey, BlobCid>>()

  /** The CIDs that downloads of the height wait for, the longest waiting first. */
  of(height: Height): readonly BlobCid[] {
    return [...(this.#waiting.get(height)?.values() ?? [])]
  }

  /** The session, with what it fetches noted under the height for as long as it takes. */
  watch(height: Height, session: ExchangeSession): ExchangeSession {
    return { fetch: (cid, options) => this.#fetch(height, { cid, pending: () => session.fetch(cid, options) }) }
  }

  async #fetch(height: Height, job: { readonly cid: BlobCid; readonly pending: () => Promise<Blob> }): Promise<Blob> {
    const waiting = this.#waiting.get(height) ?? new Map<DigestKey, BlobCid>()
    this.#waiting.set(height, waiting)
    waiting.set(job.cid.key, job.cid)
    try {
      return await job.pending()
    } finally {
      waiting.delete(job.cid.key)
      if (waiting.size === 0 && this.#waiting.get(height) === waiting) this.#waiting.delete(height)
    }
  }
}
