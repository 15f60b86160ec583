/**
 * P-256 keys as go-libp2p has them: type `ECDSA` (3), public keys as SPKI DER, private keys as SEC1 DER, signatures
 * sha-256 with DER (go-libp2p `core/crypto/ecdsa.go`). One text form each: anything but the canonical 91 bytes is refused,
 * since a second encoding of a key would give its owner a second peer id.
 */
import { Buffer } from 'node:buffer'
import { createECDH, createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import type { ECDSAPrivateKey, ECDSAPublicKey } from '@libp2p/interface'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { MultihashDigest } from 'multiformats/hashes/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { concatBytes, equalBytes, toHex } from '../../util/index.ts'
import { P2pError } from '../errors.ts'

/** Bytes of `X ‖ Y`, the form in Flow's identity tables. */
export const P256_POINT_LENGTH = 64
/** Bytes of a private scalar. */
export const P256_SCALAR_LENGTH = 32
/** Bytes of a P-256 public key as SPKI DER. */
const P256_SPKI_LENGTH = 91

const LIBP2P_KEY_CODEC = 0x72
const SHA2_256 = 0x12
/** SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING } and the `04` of an uncompressed point. */
const SPKI_PREFIX = new Uint8Array(Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'))
/** libp2p's `PublicKey` message: Type = 3 (ECDSA), Data of 91 bytes. */
const PROTOBUF_PREFIX = new Uint8Array([0x08, 0x03, 0x12, P256_SPKI_LENGTH])

/** True for the DER that {@link P256PublicKey.fromDer} reads, before the point is checked. */
export function looksLikeP256Spki(der: Uint8Array): boolean {
  return der.length === P256_SPKI_LENGTH && equalBytes(der.subarray(0, SPKI_PREFIX.length), SPKI_PREFIX)
}

/** The field's prime and the curve's `b` (FIPS 186-4 D.1.2.3); `a` is −3. */
const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn
const CURVE_B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

/** What makes 64 bytes a public key: coordinates of the field, on the curve; its cofactor is 1, and infinity has no such form. */
function isOnCurve(point: Uint8Array): boolean {
  const x = BigInt(`0x${toHex(point.subarray(0, P256_POINT_LENGTH / 2))}`)
  const y = BigInt(`0x${toHex(point.subarray(P256_POINT_LENGTH / 2))}`)
  return x < FIELD && y < FIELD && (y * y - (x * x - 3n) * x - CURVE_B) % FIELD === 0n
}

const contiguous = (data: Uint8Array | Uint8ArrayList): Uint8Array =>
  data instanceof Uint8Array ? data : data.subarray()

/** A staked node's public network key. */
export class P256PublicKey implements ECDSAPublicKey {
  readonly type = 'ECDSA'
  /** SPKI DER, 91 bytes. */
  readonly raw: Uint8Array
  /** Made when it is first needed: a table has thousands of keys, and OpenSSL's cost 60 µs each and pauses of the collector later. */
  #keyObject: KeyObject | undefined
  #multihash: MultihashDigest<0x12> | undefined

  private constructor(raw: Uint8Array) {
    this.raw = raw
  }

  get #key(): KeyObject {
    this.#keyObject ??= createPublicKey({ key: Buffer.from(this.raw), format: 'der', type: 'spki' })
    return this.#keyObject
  }

  /** Reads canonical SPKI DER. Throws P2pError `key-invalid` for any other bytes and for a point off the curve. */
  static fromDer(der: Uint8Array): P256PublicKey {
    if (!looksLikeP256Spki(der)) throw new P2pError('key-invalid', 'not the SPKI DER of an uncompressed P-256 key')
    const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('latin1')
    const known = knownKeys.get(text)
    if (known !== undefined) return known
    if (!isOnCurve(der.subarray(SPKI_PREFIX.length))) {
      throw new P2pError('key-invalid', 'the point is not on the curve P-256')
    }
    const key = new P256PublicKey(new Uint8Array(der))
    remember(text, key)
    return key
  }

  /** Reads `X ‖ Y`, 64 bytes. Throws P2pError `key-invalid`. */
  static fromPoint(point: Uint8Array): P256PublicKey {
    if (point.length !== P256_POINT_LENGTH) {
      throw new P2pError('key-invalid', `a P-256 public key has ${P256_POINT_LENGTH} bytes, not ${point.length}`)
    }
    return P256PublicKey.fromDer(concatBytes([SPKI_PREFIX, point]))
  }

  /** `X ‖ Y`, 64 bytes, freshly made. */
  get point(): Uint8Array {
    return this.raw.slice(SPKI_PREFIX.length)
  }

  get jwk(): JsonWebKey {
    return this.#key.export({ format: 'jwk' })
  }

  /** The `PublicKey` message, 95 bytes. */
  toProtobuf(): Uint8Array {
    return concatBytes([PROTOBUF_PREFIX, this.raw])
  }

  /** sha-256 of the message, as of every key whose message is longer than 42 bytes (libp2p specs `peer-ids`). */
  toMultihash(): MultihashDigest<0x0> {
    this.#multihash ??= createDigest(SHA2_256, new Uint8Array(hash('sha256', this.toProtobuf(), 'buffer')))
    // The interface knows ECDSA only as an inlined key, which go-libp2p never does for 95 bytes.
    return this.#multihash as unknown as MultihashDigest<0x0>
  }

  toCID(): CID<unknown, 0x72, 0x0, 1> {
    return CID.createV1(LIBP2P_KEY_CODEC, this.toMultihash())
  }

  /** The peer id, `Qm…`. */
  toString(): string {
    return base58btc.baseEncode(this.toMultihash().bytes)
  }

  equals(key?: unknown): boolean {
    const raw = (key as { raw?: unknown } | undefined)?.raw
    return raw instanceof Uint8Array && equalBytes(this.raw, raw)
  }

  /** False for a wrong signature and for bytes that are none. */
  verify(data: Uint8Array | Uint8ArrayList, signature: Uint8Array): boolean {
    try {
      return verify('sha256', contiguous(data), this.#key, signature)
    } catch {
      return false
    }
  }
}

/**
 * libp2p decodes a peer's key from its peer store for every stream, and OpenSSL's form of it costs some 100 µs. Keys do not
 * change; strangers bring new ones to the handshake, hence the bound, at which the oldest goes.
 */
const MAX_KNOWN_KEYS = 1_024
const knownKeys = new Map<string, P256PublicKey>()

function remember(text: string, key: P256PublicKey): void {
  const [oldest] = knownKeys.keys()
  if (knownKeys.size >= MAX_KNOWN_KEYS && oldest !== undefined) knownKeys.delete(oldest)
  knownKeys.set(text, key)
}

/** A staked node's private network key. The scalar leaves it only through `scalar` and `raw`; it prints as its peer id. */
export class P256PrivateKey implements ECDSAPrivateKey {
  readonly type = 'ECDSA'
  readonly publicKey: P256PublicKey
  readonly #key: KeyObject

  private constructor(key: KeyObject, publicKey: P256PublicKey) {
    this.#key = key
    this.publicKey = publicKey
  }

  /** From a big-endian scalar of 32 bytes. Throws P2pError `key-invalid` unless 0 < scalar < the curve's order. */
  static fromScalar(scalar: Uint8Array): P256PrivateKey {
    if (scalar.length !== P256_SCALAR_LENGTH) {
      throw new P2pError('key-invalid', `a P-256 private key has ${P256_SCALAR_LENGTH} bytes, not ${scalar.length}`)
    }
    try {
      const ecdh = createECDH('prime256v1')
      ecdh.setPrivateKey(scalar)
      const point = new Uint8Array(ecdh.getPublicKey()).subarray(1)
      const publicKey = P256PublicKey.fromPoint(point)
      const jwk = { ...publicKey.jwk, d: Buffer.from(scalar).toString('base64url') }
      return new P256PrivateKey(createPrivateKey({ key: jwk, format: 'jwk' }), publicKey)
    } catch (cause) {
      throw new P2pError('key-invalid', 'the scalar is not a P-256 private key (it must lie in 1 … order − 1)', {
        cause
      })
    }
  }

  /** From SEC1 DER. Throws P2pError `key-invalid`. */
  static fromDer(der: Uint8Array): P256PrivateKey {
    let jwk: JsonWebKey
    try {
      const key = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'sec1' })
      jwk = key.export({ format: 'jwk' })
    } catch (cause) {
      throw new P2pError('key-invalid', 'not the SEC1 DER of an elliptic curve key', { cause })
    }
    if (jwk.crv !== 'P-256' || jwk.d === undefined) throw new P2pError('key-invalid', 'not a P-256 private key')
    return P256PrivateKey.fromScalar(new Uint8Array(Buffer.from(jwk.d, 'base64url')))
  }

  static generate(): P256PrivateKey {
    const ecdh = createECDH('prime256v1')
    ecdh.generateKeys()
    const scalar = new Uint8Array(P256_SCALAR_LENGTH)
    const bytes = ecdh.getPrivateKey()
    scalar.set(bytes, P256_SCALAR_LENGTH - bytes.length)
    return P256PrivateKey.fromScalar(scalar)
  }

  /** The scalar, big endian, 32 bytes. A secret: for the key file alone. */
  get scalar(): Uint8Array {
    return new Uint8Array(Buffer.from(this.jwk.d ?? '', 'base64url'))
  }

  /** SEC1 DER. A secret. */
  get raw(): Uint8Array {
    return new Uint8Array(this.#key.export({ format: 'der', type: 'sec1' }))
  }

  /** A secret. */
  get jwk(): JsonWebKey {
    return this.#key.export({ format: 'jwk' })
  }

  equals(key?: unknown): boolean {
    return key instanceof P256PrivateKey && key.publicKey.equals(this.publicKey)
  }

  /** A DER signature over the sha-256 of the data. */
  sign(data: Uint8Array | Uint8ArrayList): Uint8Array {
    return new Uint8Array(sign('sha256', contiguous(data), this.#key))
  }

  toString(): string {
    return `P256PrivateKey(${this.publicKey})`
  }

  toJSON(): string {
    return this.toString()
  }
}
