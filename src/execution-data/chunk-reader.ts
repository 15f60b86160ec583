import type { MemoryAccount } from '../budget/account.ts'
import type { Blob, BlobCid, DigestKey } from '../model/index.ts'
import type { Blockstore } from '../store/blockstore.ts'
import { ExecutionDataError, limitExceeded } from './errors.ts'
import type { ExecutionDataOptions } from './options.ts'
import { CHUNK_CODES, type Deserialized, deserializeSteps } from './serializer.ts'
import { runInTurns } from './steps.ts'
import { holdsChunk, readListLevel } from './tree-walker.ts'

/** Reads and decodes one chunk of the store, holding no more than its blobs and its decompressed bytes. */

export type DecodedObject = Extract<Deserialized, { code: 3 | 4 }>

export interface ChunkReadOptions {
  /** False: check and count only. */
  readonly materialize: boolean
  /** Decompressed bytes that may still be held for the block. */
  readonly bytesLeft: number
  readonly signal?: AbortSignal | undefined
}

/** Reserves on a memory account and gives everything back at the end. */
export class Reservation {
  readonly #account: MemoryAccount | undefined
  readonly #onRefused: () => void
  #bytes = 0

  constructor(account: MemoryAccount | undefined, onRefused: () => void) {
    this.#account = account
    this.#onRefused = onRefused
  }

  /** Throws `memory-refused`. */
  add(bytes: number): void {
    if (this.#account === undefined) return
    if (!this.#account.tryReserve(bytes)) {
      this.#onRefused()
      throw new ExecutionDataError('memory-refused', `no room for ${bytes} bytes in the ${this.#account.name} account`)
    }
    this.#bytes += bytes
  }

  releaseAll(): void {
    this.#account?.release(this.#bytes)
    this.#bytes = 0
  }
}

/** Throws `blob-missing`. */
export async function getBlob(blockstore: Pick<Blockstore, 'get'>, cid: BlobCid): Promise<Blob> {
  const blob = await blockstore.get(cid)
  if (blob !== undefined) return blob
  throw new ExecutionDataError('blob-missing', `blob ${cid} is not in the store`, { details: { cid } })
}

/** One level of a chunk's tree in the store: the first byte of its bytes, and how to get at all of them. */
export async function openLevel(
  blockstore: Pick<Blockstore, 'get'>,
  level: readonly BlobCid[]
): Promise<{ readonly isChunk: boolean; readonly first: Map<DigestKey, Blob> }> {
  const first = new Map<DigestKey, Blob>()
  for (const cid of level) {
    if (first.has(cid.key)) continue
    const blob = await getBlob(blockstore, cid)
    first.set(cid.key, blob)
    if (blob.bytes.length > 0) return { isChunk: holdsChunk(blob.bytes[0]), first }
  }
  return { isChunk: holdsChunk(undefined), first }
}

/**
 * Decodes the chunk whose tree begins at `top`. Throws the malformed kinds, `blob-missing`, `memory-refused`; rejects with the signal's reason.
 */
export async function readChunk(
  components: { readonly blockstore: Pick<Blockstore, 'get'>; readonly reservation: Reservation },
  options: ExecutionDataOptions,
  read: ChunkReadOptions & { readonly top: BlobCid }
): Promise<DecodedObject> {
  const { blockstore, reservation } = components
  let level: readonly BlobCid[] = [read.top]
  for (let depth = 1; ; depth += 1) {
    read.signal?.throwIfAborted()
    if (depth > options.maxTreeDepth) throw limitExceeded('maxTreeDepth', depth, options.maxTreeDepth)
    const { isChunk, first } = await openLevel(blockstore, level)
    const slices = await loadSlices(components, level, {
      first,
      maxBytes: isChunk ? options.maxChunkSerializedBytes : options.maxListBytes + options.maxBlobBytes,
      limit: isChunk ? 'maxChunkSerializedBytes' : 'maxListBytes'
    })
    if (!isChunk) {
      level = readListLevel(slices, options)
      continue
    }
    const ownBound = options.maxChunkBytes <= read.bytesLeft
    const object = await runInTurns(
      deserializeSteps(slices, {
        ...options,
        expected: CHUNK_CODES,
        materialize: read.materialize,
        maxChunkBytes: ownBound ? options.maxChunkBytes : read.bytesLeft,
        chunkLimit: ownBound ? 'maxChunkBytes' : 'maxDecodedBlockBytes',
        onAllocate: (bytes) => reservation.add(bytes)
      }),
      read.signal
    )
    return object as DecodedObject
  }
}

/** A level's bytes in list order; each different blob is loaded and counted once. */
async function loadSlices(
  components: { readonly blockstore: Pick<Blockstore, 'get'>; readonly reservation: Reservation },
  level: readonly BlobCid[],
  state: { readonly first: Map<DigestKey, Blob>; readonly maxBytes: number; readonly limit: string }
): Promise<Uint8Array[]> {
  const { first, maxBytes, limit } = state
  let bytes = 0
  const slices: Uint8Array[] = []
  const seen = new Set<DigestKey>()
  for (const cid of level) {
    const blob = first.get(cid.key) ?? (await getBlob(components.blockstore, cid))
    first.set(cid.key, blob)
    if (!seen.has(cid.key)) {
      seen.add(cid.key)
      bytes += blob.bytes.length
      if (bytes > maxBytes) throw limitExceeded(limit, bytes, maxBytes)
      components.reservation.add(blob.bytes.length)
    }
    slices.push(blob.bytes)
  }
  return slices
}
