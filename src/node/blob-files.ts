import {
  defaultExecutionDataOptions,
  ExecutionDataError,
  type ExecutionDataOptions,
  readCar
} from '../execution-data/index.ts'
import type { Blob, BlobCid, DigestKey } from '../model/index.ts'

/** The blobs of one CAR file, held in memory. */
export interface CarBlobs {
  readonly roots: readonly BlobCid[]
  /** Different blobs. */
  readonly size: number
  readonly bytes: number
  get(cid: BlobCid): Promise<Blob | undefined>
  getSize(cid: BlobCid): Promise<number | undefined>
}

/**
 * Reads a CAR file whole; every blob is hashed. Throws what `readCar` throws, and ExecutionDataError `limit-exceeded` when the file has more bytes
 * of blobs than a block may have.
 */
export async function readCarBlobs(
  source: AsyncIterable<Uint8Array>,
  options: ExecutionDataOptions = defaultExecutionDataOptions
): Promise<CarBlobs> {
  const car = await readCar(source, options)
  const blobs = new Map<DigestKey, Blob>()
  let bytes = 0
  for await (const blob of car.blobs) {
    if (blobs.has(blob.cid.key)) continue
    bytes += blob.bytes.length
    if (bytes > options.maxBlockBytes) {
      throw new ExecutionDataError('limit-exceeded', `maxBlockBytes is ${options.maxBlockBytes}, the file has more`, {
        details: { limit: 'maxBlockBytes', value: bytes, bound: options.maxBlockBytes }
      })
    }
    blobs.set(blob.cid.key, blob)
  }
  return {
    roots: car.roots,
    size: blobs.size,
    bytes,
    get: async (cid) => blobs.get(cid.key),
    getSize: async (cid) => blobs.get(cid.key)?.bytes.length
  }
}
