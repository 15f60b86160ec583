import { hash, webcrypto } from 'node:crypto'
import { BlobCid, digestKey } from './blob-cid.ts'

declare const verified: unique symbol

/**
 * Bytes whose sha-256 is the CID's digest. The brand can be had only from the functions below, so bytes
 * that nobody hashed do not type-check where a blob is needed. `bytes` is shared by everyone who holds the blob and
 * must never be written to.
 */
export interface Blob {
  readonly cid: BlobCid
  readonly bytes: Uint8Array
  readonly [verified]: true
}

/** Hashes the bytes and names them. */
export function blobOf(bytes: Uint8Array): Blob {
  return { cid: BlobCid.fromDigest(hash('sha256', bytes, 'buffer')), bytes } as unknown as Blob
}

/** Gives the blob when the bytes hash to the CID, `undefined` when they do not. */
export function verifyBlob(cid: BlobCid, bytes: Uint8Array): Blob | undefined {
  return digestKey(hash('sha256', bytes, 'buffer')) === cid.key ? ({ cid, bytes } as unknown as Blob) : undefined
}

/** Shorter ones are hashed sooner than another thread has begun. */
const HASHED_APART_BYTES = 64 * 1024

/** The sha-256 of bytes that nobody writes to meanwhile, made in another thread. */
export type DigestApart = (bytes: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>

/** By Web Crypto, which copies the bytes first and clears the copy afterwards. */
export const digestApart: DigestApart = async (bytes) => new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes))

/** As `verifyBlob`; long ones are hashed in a thread of the pool, so that reading them does not hold the event loop. */
export async function verifyBlobApart(
  cid: BlobCid,
  bytes: Uint8Array<ArrayBuffer>,
  digest: DigestApart = digestApart
): Promise<Blob | undefined> {
  if (bytes.length < HASHED_APART_BYTES || digestKey(await digest(bytes)) !== cid.key) return verifyBlob(cid, bytes)
  return { cid, bytes } as unknown as Blob
}

/**
 * For a receiver that hashed the bytes while they arrived: `digest` must be the sha-256 of exactly these bytes.
 * The one place where the brand is given on the caller's word.
 */
export function blobFromHashed(digest: Uint8Array, bytes: Uint8Array): Blob {
  return { cid: BlobCid.fromDigest(digest), bytes } as unknown as Blob
}
