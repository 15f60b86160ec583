/**
 * Keys of nodes that are not staked: secp256k1, as flow-go has them (`network/p2p/translator/unstaked_translator.go`). The point's Y is even, so
 * that its X, 32 bytes, tells the key: X is the node id. The peer id holds the whole public key (`16Uiu2…`).
 */
import { createECDH, ECDH } from 'node:crypto'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { base58btc } from 'multiformats/bases/base58'
import type { PeerIdText } from '../model/index.ts'
import { concatBytes } from '../util/index.ts'
import { P2pError } from './errors.ts'

const CURVE = 'secp256k1'
const SCALAR_LENGTH = 32
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
/** Multihash identity of 37 bytes; `PublicKey` message: Type = 2 (Secp256k1), Data of 33 bytes (libp2p specs `peer-ids`). */
const PEER_ID_PREFIX = [0x00, 0x25, 0x08, 0x02, 0x12, 0x21]
/** First byte of a compressed point with even Y. */
const EVEN = 0x02

/** The private network key of a node that is not staked. */
export interface ObserverKey {
  readonly libp2p: PrivateKey
  /** 32 bytes, big endian. A secret: for the key file alone. */
  readonly scalar: Uint8Array
  /** `X ‖ Y`, 64 bytes. */
  readonly point: Uint8Array
  readonly peerId: PeerIdText
}

/** A fresh key from the system's random source. */
export function generateObserverKey(): ObserverKey {
  const ecdh = createECDH(CURVE)
  ecdh.generateKeys()
  const scalar = new Uint8Array(SCALAR_LENGTH)
  const bytes = ecdh.getPrivateKey()
  scalar.set(bytes, SCALAR_LENGTH - bytes.length)
  return observerKeyFromScalar(scalar)
}

/** From the private scalar, 32 bytes; one with odd Y is taken as its negative. Throws P2pError `key-invalid`. */
export function observerKeyFromScalar(given: Uint8Array): ObserverKey {
  const ecdh = createECDH(CURVE)
  let scalar = given
  try {
    ecdh.setPrivateKey(scalar)
    if (ecdh.getPublicKey(null, 'compressed')[0] !== EVEN) {
      const negative = ORDER - BigInt(`0x${Buffer.from(scalar).toString('hex')}`)
      scalar = new Uint8Array(Buffer.from(negative.toString(16).padStart(2 * SCALAR_LENGTH, '0'), 'hex'))
      ecdh.setPrivateKey(scalar)
    }
  } catch (cause) {
    throw new P2pError('key-invalid', 'the scalar is not a secp256k1 private key', { cause })
  }
  const point = new Uint8Array(ecdh.getPublicKey()).subarray(1)
  const peerId = observerPeerId(point)
  if (peerId === undefined) throw new P2pError('key-invalid', 'the scalar is not a secp256k1 private key')
  return { libp2p: privateKeyFromRaw(scalar), scalar, point, peerId }
}

/** The peer id of `X ‖ Y`; `undefined` for a point off the curve. */
export function observerPeerId(point: Uint8Array): PeerIdText | undefined {
  try {
    const uncompressed = concatBytes([Uint8Array.of(4), point])
    const compressed = ECDH.convertKey(uncompressed, CURVE, undefined, undefined, 'compressed') as Uint8Array
    return base58btc.baseEncode(concatBytes([Uint8Array.from(PEER_ID_PREFIX), compressed])) as PeerIdText
  } catch {
    return undefined
  }
}
