import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { carHeader, carSectionLength, ExecutionDataError, readCar, writeCar } from '#src/execution-data/index.ts'
import { type Blob, type BlobCid, blobOf } from '#src/model/index.ts'
import { cut, hexBytes, readBytes } from './fixtures.ts'

const options = { maxBlobBytes: 1 << 20 }
const car = readBytes('blocks/three-chunks.car')

async function read(pieces: Iterable<Uint8Array>): Promise<{ roots: readonly BlobCid[]; blobs: Blob[] }> {
  const { roots, blobs } = await readCar(pieces, options)
  return { roots, blobs: await Array.fromAsync(blobs) }
}

async function write(root: BlobCid, blobs: readonly Blob[]): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await Array.fromAsync(writeCar(root, blobs))))
}

const section = (cid: Uint8Array, bytes: Uint8Array): Uint8Array => {
  assert.ok(cid.length + bytes.length < 128)
  return new Uint8Array([cid.length + bytes.length, ...cid, ...bytes])
}

describe('car files', () => {
  test('a file read in any pieces and written again is the same file', async () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { roots, blobs } = await read(cut(car, seed))
      assert.equal(Buffer.compare(await write(roots[0] as BlobCid, blobs), car), 0)
      const length =
        carHeader(roots[0] as BlobCid).length + blobs.reduce((sum, blob) => sum + carSectionLength(blob), 0)
      assert.equal(length, car.length)
    }
  })

  test('round trip of any blobs, the empty one too', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 })), fc.nat(), async (contents, seed) => {
        const blobs = contents.map(blobOf)
        const root = blobOf(new Uint8Array([1])).cid
        const back = await read(cut(await write(root, blobs), seed))
        assert.deepEqual(
          back.blobs.map((blob) => blob.bytes),
          contents
        )
        assert.equal(back.roots[0]?.key, root.key)
      }),
      { numRuns: 200 }
    )
  })

  test('any cut or changed byte gives the blobs before it and a typed error', async () => {
    const small = await write(blobOf(new Uint8Array()).cid, [
      blobOf(new Uint8Array([1, 2, 3])),
      blobOf(new Uint8Array(200))
    ])
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 255 }), fc.boolean(), async (at, byte, shorten) => {
        const copy = small.slice()
        const position = at % copy.length
        copy[position] = byte
        try {
          await read(cut(shorten ? small.subarray(0, position) : copy, at))
        } catch (error) {
          assert.ok(error instanceof ExecutionDataError, String(error))
        }
      }),
      { numRuns: 1000 }
    )
  })

  test('what is wrong has a name', async () => {
    const blob = blobOf(new Uint8Array([1, 2, 3]))
    const header = carHeader(blob.cid)
    const sectionOf = section(blob.cid.toBytes(), blob.bytes)
    const cases: [string, Uint8Array[]][] = [
      ['car-malformed', []],
      ['car-malformed', [new Uint8Array([0])]],
      ['car-malformed', [new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1])]],
      ['car-malformed', [new Uint8Array([0xff, 0x7f])]],
      ['car-malformed', [new Uint8Array([3, 0x82, 1, 2])]],
      ['car-malformed', [withHeader('a265726f6f7473806776657273696f6e02')]],
      ['car-malformed', [withHeader('a265726f6f7473806776657273696f6e01')]],
      ['car-malformed', [withHeader('a265726f6f74738161786776657273696f6e01')]],
      ['car-truncated', [header.subarray(0, 20)]],
      ['car-truncated', [header, sectionOf.subarray(0, sectionOf.length - 1)]],
      ['car-truncated', [header, new Uint8Array([0x85])]],
      ['car-malformed', [header, new Uint8Array([0])]],
      ['car-malformed', [header, section(new Uint8Array([5, 5, 5]), blob.bytes)]],
      ['car-mismatch', [header, section(blob.cid.toBytes(), new Uint8Array([1, 2, 4]))]],
      ['blob-too-large', [header, new Uint8Array([0xff, 0xff, 0xff, 0x7f])]],
      ['cid-unusable', [header, section(new Uint8Array([1, 0x55, 0, 2, 7, 7]), blob.bytes)]]
    ]
    for (const [code, pieces] of cases)
      await assert.rejects(read(pieces), { code }, `${code} of ${pieces.length} pieces`)
  })

  test('a blob of the largest size passes, one byte more does not', async () => {
    const largest = blobOf(new Uint8Array(options.maxBlobBytes))
    assert.equal((await read([await write(largest.cid, [largest])])).blobs.length, 1)
    const over = blobOf(new Uint8Array(options.maxBlobBytes + 1))
    await assert.rejects(read([await write(over.cid, [over])]), { code: 'blob-too-large' })
  })

  test('sections of CIDv1 are taken when their hash is sha2-256', async () => {
    const blob = blobOf(new Uint8Array([1, 2, 3]))
    const { blobs } = await read([
      carHeader(blob.cid),
      section(new Uint8Array([1, 0x55, ...blob.cid.toBytes()]), blob.bytes)
    ])
    assert.equal(blobs[0]?.cid.key, blob.cid.key)
  })

  test('the source is let go early when the reader stops', async () => {
    let closed = 0
    const source = {
      async *[Symbol.asyncIterator]() {
        try {
          yield car.subarray(0, 2000)
          yield car.subarray(2000)
        } finally {
          closed += 1
        }
      }
    }
    const { blobs } = await readCar(source, options)
    await blobs.next()
    await blobs.return()
    assert.equal(closed, 1)
  })

  function withHeader(hex: string): Uint8Array {
    return new Uint8Array([hex.length / 2, ...hexBytes(hex)])
  }
})
