/**
 * Stands in for `@libp2p/peer-id`: the same exports, with peer ids of P-256 keys. Such an id is a sha-256 multihash, and
 * libp2p keeps what it must know of those (that the key is not inside the id and has to be stored) under its type `RSA`;
 * so that is the type they carry here.
 */
import type { PeerId, PrivateKey, PublicKey } from '@libp2p/interface'
import * as original from '@libp2p/peer-id'

export * from '@libp2p/peer-id'

export const peerIdFromPublicKey = ((publicKey: PublicKey): PeerId => {
  if (publicKey.type !== 'ECDSA') return original.peerIdFromPublicKey(publicKey)
  const peerId = original.peerIdFromMultihash(publicKey.toMultihash())
  return Object.assign(peerId, { publicKey })
}) as typeof original.peerIdFromPublicKey

export const peerIdFromPrivateKey = ((privateKey: PrivateKey): PeerId =>
  peerIdFromPublicKey(privateKey.publicKey)) as typeof original.peerIdFromPrivateKey
