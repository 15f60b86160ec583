/**
 * Hashes where the bytes lie. Web Crypto copies what it is to hash, since it cannot know who writes to it, and clears the copy before and
 * after: a third of what the hash itself costs. Nobody writes to a blob. Node has no other call that hashes in a thread of the pool, but
 * it exports OpenSSL's own functions to native modules, and koffi calls one of them there.
 */
import { hash } from 'node:crypto'
import { DIGEST_LENGTH, type DigestApart, digestApart } from '../model/index.ts'
import { loadKoffi, type NativeFunction } from './native.ts'

/** `SHA256(const unsigned char *d, size_t n, unsigned char *md)` */
type Sha256 = NativeFunction<[bytes: Uint8Array, length: number, digest: Uint8Array], unknown>

/**
 * Calls under way at a time: what the pool can have before it for a moment, and a quarter of what koffi takes, which keeps 256 KiB of
 * address space for each. What is beyond goes to Web Crypto.
 */
const MAX_CALLS = 64

/** Loads what it needs when it is first called. `missing` is told once where there is no such thing; then it is Web Crypto that hashes. */
export function nativeDigest(missing: (cause: unknown) => void): DigestApart {
  let opened: { readonly sha256: Sha256 | undefined } | undefined
  let calls = 0
  const hashApart = async (sha256: Sha256, bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> => {
    calls += 1
    try {
      return await call(sha256, bytes)
    } finally {
      calls -= 1
    }
  }
  return async (bytes) => {
    opened ??= { sha256: open(missing) }
    const { sha256 } = opened
    return sha256 === undefined || calls >= MAX_CALLS ? digestApart(bytes) : hashApart(sha256, bytes)
  }
}

/** Gives the bytes to its callback, so that they are there until it is called. */
function call(sha256: Sha256, bytes: Uint8Array): Promise<Uint8Array> {
  const digest = new Uint8Array(DIGEST_LENGTH)
  return new Promise((resolve, reject) => {
    sha256.async(bytes, bytes.length, digest, (error) => {
      if (error === null) resolve(digest)
      else reject(new Error(`${bytes.length} bytes could not be hashed`, { cause: error }))
    })
  })
}

function open(missing: (cause: unknown) => void): Sha256 | undefined {
  try {
    const sha256: Sha256 = loadKoffi().load(null).func('void *SHA256(void *d, size_t n, void *md)')
    // Whoever built this Node may have put something else behind the name.
    const known = Buffer.from('abc')
    const digest = new Uint8Array(DIGEST_LENGTH)
    sha256(known, known.length, digest)
    if (!hash('sha256', known, 'buffer').equals(digest)) throw new Error('SHA256 gives another digest')
    return sha256
  } catch (cause) {
    missing(cause)
    return undefined
  }
}
