/**
 * Stands in for `@libp2p/crypto/keys`: the same exports, with type 3 (ECDSA) read and written as go-libp2p does.
 * Everything else is the original's.
 */
import * as original from '@libp2p/crypto/keys'
import { type PrivateKey, type PublicKey, UnsupportedKeyTypeError } from '@libp2p/interface'
import { concatBytes, readVarint, varintLength, writeVarint } from '../../util/index.ts'
import { P2pError } from '../errors.ts'
import { looksLikeP256Spki, P256PrivateKey, P256PublicKey } from './p256.ts'

export * from '@libp2p/crypto/keys'

/** Tells that this module, not the original, is what `@libp2p/crypto/keys` resolves to. */
export const readsGoEcdsaKeys = true

const ECDSA = 3
const TYPE_TAG = 0x08
const DATA_TAG = 0x12
/** The longest key message that is looked at, bytes: an RSA key of 8192 bits in PKCS#1 takes some 4.7 KiB. */
const MAX_KEY_MESSAGE = 16_384

/** The Data of a key message of type 3; `undefined` when the message is of another type or form. */
function ecdsaData(message: Uint8Array): Uint8Array | undefined {
  if (message.length > MAX_KEY_MESSAGE) throw new P2pError('key-invalid', 'the key message is too long')
  if (message[0] !== TYPE_TAG || message[1] !== ECDSA) return undefined
  const length = message[2] === DATA_TAG ? readVarint(message, 3) : undefined
  if (!length || length.next + length.value !== message.length) {
    throw new P2pError('key-invalid', 'the message of an ECDSA key is not canonical')
  }
  return message.subarray(length.next)
}

export function publicKeyFromProtobuf(
  message: Uint8Array,
  digest?: Parameters<typeof original.publicKeyFromProtobuf>[1]
): PublicKey {
  const data = ecdsaData(message)
  if (data !== undefined) return P256PublicKey.fromDer(data)
  const key = original.publicKeyFromProtobuf(message, digest)
  // A type written after the data, or twice, still decodes as ECDSA there, in a form nobody else reads.
  if (key.type === 'ECDSA') throw new P2pError('key-invalid', 'the message of an ECDSA key is not canonical')
  return key
}

export function publicKeyToProtobuf(key: PublicKey): Uint8Array {
  if (key instanceof P256PublicKey) return key.toProtobuf()
  if (key.type === 'ECDSA') throw new UnsupportedKeyTypeError('only P-256 keys in SPKI DER can be written')
  return original.publicKeyToProtobuf(key)
}

export function privateKeyFromProtobuf(message: Uint8Array): PrivateKey {
  const data = ecdsaData(message)
  return data === undefined ? original.privateKeyFromProtobuf(message) : P256PrivateKey.fromDer(data)
}

export function privateKeyToProtobuf(key: PrivateKey): Uint8Array {
  if (key.type !== 'ECDSA') return original.privateKeyToProtobuf(key)
  const head = new Uint8Array(3 + varintLength(key.raw.length))
  head.set([TYPE_TAG, ECDSA, DATA_TAG])
  writeVarint(head, 3, key.raw.length)
  return concatBytes([head, key.raw])
}

export function publicKeyFromRaw(raw: Uint8Array): PublicKey {
  return looksLikeP256Spki(raw) ? P256PublicKey.fromDer(raw) : original.publicKeyFromRaw(raw)
}

export const generateKeyPair = (async (type: string, extra?: unknown) =>
  type === 'ECDSA' && (extra === undefined || extra === 'P-256')
    ? P256PrivateKey.generate()
    : original.generateKeyPair(type as 'RSA', extra as number)) as typeof original.generateKeyPair
