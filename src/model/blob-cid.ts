import { Buffer } from 'node:buffer'
import { base58btc } from 'multiformats/bases/base58'
import type { ExecutionDataId } from './identifiers.ts'

/** A digest as a map key: 32 latin1 characters, one a byte. Cheaper to hash and to hold than hex or base58. */
export type DigestKey = string & { readonly digestKey: unique symbol }

export const DIGEST_LENGTH = 32
/** Length of a CIDv0 in bytes: `12 20` and the digest. */
export const CID_LENGTH = 34

/**
 * The address of a blob: CIDv0, that is a bare sha2-256 multihash (flow-go `module/blobs/blob.go`).
 * Compare by `key`; two objects may stand for the same blob.
 */
export class BlobCid {
  /**
   * 32 bytes, never written to. V8 keeps so short an array in its own heap as long as nobody asks for its `buffer`, which costs four pieces
   * of memory outside: a node holds thousands of these for long, each on a page that would be free otherwise.
   */
  readonly digest: Uint8Array
  readonly key: DigestKey

  private constructor(digest: Uint8Array, key: DigestKey) {
    this.digest = digest
    this.key = key
  }

  /** Copies the 32 bytes, so that no larger buffer is pinned. Throws a RangeError on any other length. */
  static fromDigest(digest: Uint8Array): BlobCid {
    if (digest.length !== DIGEST_LENGTH) throw new RangeError(`a digest has 32 bytes, not ${digest.length}`)
    const copy = new Uint8Array(DIGEST_LENGTH)
    copy.set(digest)
    return new BlobCid(copy, digestKey(digest))
  }

  static fromKey(key: DigestKey): BlobCid {
    return new BlobCid(new Uint8Array(Buffer.from(key, 'latin1')), key)
  }

  static fromExecutionDataId(id: ExecutionDataId): BlobCid {
    return BlobCid.fromDigest(Buffer.from(id, 'hex'))
  }

  /** Reads `12 20 <digest>`; `undefined` for anything else. */
  static fromBytes(bytes: Uint8Array): BlobCid | undefined {
    if (bytes.length !== CID_LENGTH || bytes[0] !== 0x12 || bytes[1] !== 0x20) return undefined
    return BlobCid.fromDigest(bytes.subarray(2))
  }

  /** Reads `Qm…`; `undefined` for anything else. */
  static parse(text: string): BlobCid | undefined {
    if (text.length !== 46 || !text.startsWith('Qm')) return undefined
    try {
      return BlobCid.fromBytes(base58btc.baseDecode(text))
    } catch {
      return undefined
    }
  }

  /** `12 20 <digest>`, 34 bytes, freshly made. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(CID_LENGTH)
    bytes[0] = 0x12
    bytes[1] = 0x20
    bytes.set(this.digest, 2)
    return bytes
  }

  toExecutionDataId(): ExecutionDataId {
    return Buffer.from(this.key, 'latin1').toString('hex') as ExecutionDataId
  }

  /** `Qm…`, 46 characters. */
  toString(): string {
    return base58btc.baseEncode(this.toBytes())
  }

  toJSON(): string {
    return this.toString()
  }
}

/** The map key of 32 digest bytes. */
export function digestKey(digest: Uint8Array): DigestKey {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('latin1') as DigestKey
}
