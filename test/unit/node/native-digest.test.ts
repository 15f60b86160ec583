import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import { nativeDigest } from '#src/node/native-digest.ts'

/** The processors for which the package is named; every Node of nodejs.org exports OpenSSL's functions. */
const here = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)

const bytesOf = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).map((_, at) => at * 7 + length)

describe('hashing where the bytes lie', () => {
  it('finds SHA256 where it is, and says once where it is not', async () => {
    const missing: unknown[] = []
    const digest = nativeDigest((cause) => missing.push(cause))
    await digest(bytesOf(1))
    await digest(bytesOf(2))
    assert.equal(missing.length, here ? 0 : 1)
  })

  it('hashes bytes of any length and any place in their buffer as Node does', async () => {
    const digest = nativeDigest(() => undefined)
    for (const length of [0, 1, 55, 56, 63, 64, 65, 65_536, 262_144, 1_048_576]) {
      const bytes = bytesOf(length + 13).subarray(13)
      assert.deepEqual(Buffer.from(await digest(bytes)), hash('sha256', bytes, 'buffer'), `${length} bytes`)
    }
  })

  it('hashes more at a time than it may have under way', async () => {
    const digest = nativeDigest(() => undefined)
    const all = Array.from({ length: 300 }, (_, at) => bytesOf(65_536 + at))
    const digests = await Promise.all(all.map((bytes) => digest(bytes)))
    for (const [at, bytes] of all.entries()) {
      assert.deepEqual(Buffer.from(digests[at] ?? []), hash('sha256', bytes, 'buffer'), `${bytes.length} bytes`)
    }
  })
})
