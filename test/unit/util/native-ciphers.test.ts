import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChaCha20Poly1305, digest } from '../../../build/lean/native-ciphers.mjs'

const hex = (text: string): Buffer => Buffer.from(text, 'hex')

// RFC 8439 §2.8.2
const key = hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f')
const nonce = hex('070000004041424344454647')
const ad = hex('50515253c0c1c2c3c4c5c6c7')
const plain = Buffer.from(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)

test('the ciphers of the bundle are those that they stand for', () => {
  const cipher = new ChaCha20Poly1305()
  const sealed = cipher.seal(key, nonce, plain, ad)
  assert.deepEqual(sealed.subarray(0, 16), hex('d31a8d34648e60db7b86afbc53ef7ec2'))
  assert.deepEqual(sealed.subarray(plain.length), hex('1ae10b594f09e26a7e902ecbd0600691'))
  assert.deepEqual(cipher.open(key, nonce, sealed, ad), plain)
  for (const broken of [Buffer.from(sealed).fill(0, 3, 4), sealed.subarray(0, 20), sealed.subarray(0, 15)]) {
    assert.equal(cipher.open(key, nonce, broken, ad), null)
  }
  // FIPS 180-4: the digest of "abc"
  assert.deepEqual(
    Buffer.from(digest(Buffer.from('abc'))),
    hex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  )
})
