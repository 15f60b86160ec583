import { MAX_BLOB_BYTES, type SealedBlock } from '../model/index.ts'

/** Weight of the newest block in the moving averages: some twenty blocks shape them. */
const WEIGHT = 0.1

/**
 * Guesses how many bytes a block's tree has before it is fetched, from the length of its hint and from what earlier blocks turned
 * out to be. Begins with the largest blob, so that a fresh node starts carefully.
 */
export class SizeEstimate {
  #blobBytes = MAX_BLOB_BYTES
  #blockBytes = MAX_BLOB_BYTES

  of(block: SealedBlock): number {
    const blobs = block.hint?.length ?? 0
    return Math.max(1, Math.round(blobs > 0 ? blobs * this.#blobBytes : this.#blockBytes))
  }

  learn(bytes: number, blobs: number): void {
    this.#blockBytes += WEIGHT * (bytes - this.#blockBytes)
    if (blobs > 0) this.#blobBytes += WEIGHT * (bytes / blobs - this.#blobBytes)
  }
}
