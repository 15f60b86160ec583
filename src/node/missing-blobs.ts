import type { DownloadSession } from '../execution-data/index.ts'
import type { BlobCid, DigestKey, Height } from '../model/index.ts'

/** Wanted blobs by height, for stall reports: what a download waits for is known only where it asks. */
export class MissingBlobs {
  readonly #waiting = new Map<Height, Map<DigestKey, BlobCid>>()

  /** The CIDs that downloads of the height wait for, the longest waiting first. */
  of(height: Height): readonly BlobCid[] {
    return [...(this.#waiting.get(height)?.values() ?? [])]
  }

  /** The session, with what it fetches noted under the height for as long as it takes. */
  watch(height: Height, session: DownloadSession): DownloadSession {
    return {
      fetchInto: async (cid, options) => {
        const noted = this.#note(height, cid)
        try {
          return await session.fetchInto(cid, options)
        } finally {
          noted()
        }
      }
    }
  }

  /** Returns what takes the note back. */
  #note(height: Height, cid: BlobCid): () => void {
    const waiting = this.#waiting.get(height) ?? new Map<DigestKey, BlobCid>()
    this.#waiting.set(height, waiting)
    waiting.set(cid.key, cid)
    return () => {
      waiting.delete(cid.key)
      if (waiting.size === 0 && this.#waiting.get(height) === waiting) this.#waiting.delete(height)
    }
  }
}
