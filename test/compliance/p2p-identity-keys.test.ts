/** What any way of giving libp2p P-256 identities must do; see `src/p2p/identity-keys/register.ts`. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { identify } from '@libp2p/identify'
import * as keys from '@libp2p/crypto/keys'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey, peerIdFromPublicKey, peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import fc from 'fast-check'
import { createLibp2p, type Libp2p } from 'libp2p'
import { Uint8ArrayList } from 'uint8arraylist'
import { generateNetworkKey, networkKeyFromScalar, networkPublicKey, P2pError, peerIdOf } from '#src/p2p/index.ts'
import { fromHex, toHex } from '#src/util/index.ts'

const hex = (text: string): Uint8Array => fromHex(text) ?? assert.fail('bad hex')
const scalarOf = (value: number): Uint8Array => hex(value.toString(16).padStart(64, '0'))
/** The generator of P-256, `X ‖ Y` (SEC 2, 2.4.2). */
const GENERATOR =
  '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'
const SPKI = `3059301306072a8648ce3d020106082a8648ce3d03010703420004${GENERATOR}`
const ORDER = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'

const isInvalid = (error: unknown): boolean => error instanceof P2pError && error.code === 'key-invalid'

test('the key of scalar 1 has the encoding and the peer id that Flow’s nodes compute', () => {
  const key = networkKeyFromScalar(scalarOf(1))
  assert.equal(toHex(key.publicKey.point), GENERATOR)
  assert.equal(toHex(key.publicKey.raw), SPKI)
  assert.equal(toHex(keys.publicKeyToProtobuf(key.publicKey)), `0803125b${SPKI}`)
  assert.equal(
    toHex(key.publicKey.toMultihash().bytes),
    '12201b4c933834e864cf3a783a11b099d6baae4fa70ca706ff368e55fab1bbb02ec6'
  )
  for (const peerId of [peerIdFromPrivateKey(key), peerIdFromPublicKey(key.publicKey), peerIdOf(key)]) {
    assert.equal(peerId.toString(), 'QmQBDSWypmTn4fBckNJfHS2jFvJ4ysijezQeeimXf6vHp9')
  }
  const peerId = peerIdFromPublicKey(key.publicKey)
  assert.ok(peerId.equals(peerIdFromString('QmQBDSWypmTn4fBckNJfHS2jFvJ4ysijezQeeimXf6vHp9')))
  assert.ok(peerId.publicKey && key.publicKey.equals(peerId.publicKey), 'the id carries its key')
})

test('keys survive their encodings', async () => {
  for (let round = 0; round < 20; round += 1) {
    const key = generateNetworkKey()
    assert.ok(keys.publicKeyFromProtobuf(keys.publicKeyToProtobuf(key.publicKey)).equals(key.publicKey))
    assert.ok(keys.privateKeyFromProtobuf(keys.privateKeyToProtobuf(key)).equals(key))
    assert.ok(keys.publicKeyFromRaw(key.publicKey.raw).equals(key.publicKey))
    assert.ok(networkKeyFromScalar(key.scalar).equals(key))
    assert.ok(networkPublicKey(key.publicKey.point).equals(key.publicKey))
  }
  assert.equal((await keys.generateKeyPair('ECDSA')).publicKey.raw.length, 91)
})

test('signatures are DER over sha-256, and only the right one verifies', async () => {
  const key = generateNetworkKey()
  const data = new Uint8Array(300).fill(7)
  const signature = key.sign(data)
  assert.equal(signature[0], 0x30)
  assert.ok(key.publicKey.verify(data, signature))
  const list = new Uint8ArrayList(data.subarray(0, 100), data.subarray(100))
  assert.ok(key.publicKey.verify(list, key.sign(list)))
  assert.equal(key.publicKey.verify(data.subarray(1), signature), false)
  assert.equal(generateNetworkKey().publicKey.verify(data, signature), false)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (junk) => {
      assert.equal(key.publicKey.verify(data, junk), false)
    })
  )
})

test('other keys and other encodings are refused', () => {
  const spki = (namedCurve: string): Uint8Array =>
    new Uint8Array(generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' }))
  const message = (der: Uint8Array): Uint8Array => Uint8Array.of(8, 3, 18, der.length, ...der)
  const rows: [string, Uint8Array][] = [
    ['a point off the curve', hex(`0803125b${SPKI.slice(0, -2)}f4`)],
    ['the point at infinity’s bytes', hex(`0803125b${SPKI.slice(0, 54)}${'00'.repeat(64)}`)],
    ['P-384', message(spki('P-384'))],
    ['secp256k1 as ECDSA', message(spki('secp256k1'))],
    ['a DER that is cut off', message(hex(SPKI.slice(0, -2)))],
    ['a DER with more behind it', message(hex(`${SPKI}00`))],
    [
      'a compressed point',
      message(hex(`3039301306072a8648ce3d020106082a8648ce3d03010703220003${GENERATOR.slice(0, 64)}`))
    ],
    ['the data before the type', hex(`125b${SPKI}0803`)],
    ['the type twice', hex(`08030803125b${SPKI}`)],
    ['a length that lies', hex(`0803127f${SPKI}`)],
    ['no data', hex('08031200')],
    ['nothing but a type', hex('0803')]
  ]
  for (const [name, bytes] of rows) assert.throws(() => keys.publicKeyFromProtobuf(bytes), name)
  for (const [name, scalar] of [
    ['zero', scalarOf(0)],
    ['the order', hex(ORDER)],
    ['31 bytes', new Uint8Array(31).fill(1)]
  ] as const) {
    assert.throws(() => networkKeyFromScalar(scalar), isInvalid, name)
  }
  assert.throws(() => networkPublicKey(new Uint8Array(63)), isInvalid)
  assert.throws(() => keys.privateKeyFromProtobuf(hex('0803120130')), isInvalid)
})

test('random key messages never do worse than an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      try {
        keys.publicKeyFromProtobuf(Uint8Array.of(8, 3, ...bytes))
      } catch (error) {
        assert.ok(error instanceof Error)
      }
    })
  )
})

test('keys of other types are what they were', async () => {
  for (const type of ['Ed25519', 'secp256k1'] as const) {
    const key = type === 'Ed25519' ? await keys.generateKeyPair(type) : await keys.generateKeyPair(type)
    const peerId = peerIdFromPrivateKey(key)
    assert.equal(peerId.type, type)
    assert.ok(keys.publicKeyFromProtobuf(keys.publicKeyToProtobuf(key.publicKey)).equals(key.publicKey))
    assert.ok(peerIdFromString(peerId.toString()).equals(peerId))
  }
})

test('a private key shows nothing of itself when it is printed', async () => {
  const { inspect } = await import('node:util')
  const key = generateNetworkKey()
  const secret = toHex(key.scalar)
  for (const text of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify(key), String(key)]) {
    assert.ok(!text.includes(secret) && !text.includes(String(key.jwk.d)))
  }
})

for (const [name, encrypter] of [
  ['TLS', tls()],
  ['noise', noise()]
] as const) {
  test(`two hosts with P-256 identities connect over ${name} and identify each other`, async () => {
    const make = (): Promise<Libp2p> =>
      createLibp2p({
        privateKey: generateNetworkKey(),
        addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
        transports: [tcp()],
        connectionEncrypters: [encrypter],
        streamMuxers: [yamux()],
        services: { identify: identify() }
      })
    const [left, right] = await Promise.all([make(), make()])
    try {
      const identified = new Promise<string>((resolve) => {
        left.addEventListener('peer:identify', ({ detail }) => resolve(detail.peerId.toString()))
      })
      const [address] = right.getMultiaddrs()
      assert.ok(address)
      const connection = await left.dial(address)
      assert.equal(connection.remotePeer.toString(), right.peerId.toString())
      assert.equal(await identified, right.peerId.toString())
      const stored = await left.peerStore.get(right.peerId)
      assert.equal(stored.id.publicKey?.type, 'ECDSA', 'the peer store gives the key back')
    } finally {
      await Promise.all([left.stop(), right.stop()])
    }
  })
}
