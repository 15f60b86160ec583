import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame } from '#src/execution-data/lz4/frame-encode.ts'
import { type BlobCid, blobOf, type BlockId } from '#src/model/index.ts'
import { defaultExecutionDataOptions, ExecutionDataError, isMalformed } from '#src/execution-data/index.ts'
import { deserialize, serializeCidList, serializeRoot } from '#src/execution-data/serializer.ts'
import { bombs } from '#test/perf/peers/bombs.ts'
import { generate, hexBytes, readJson } from './fixtures.ts'
import { bench, sealed } from './support.ts'

const MIB = 1_048_576
/** What one of these inputs may make us allocate before it is refused, or read. */
const MOST_BYTES = 16 * MIB

/** How it ends, what was allocated at once, and how many elements were read. */
function cost(blob: Uint8Array): { code: string | undefined; allocated: number; items: number } {
  let allocated = 0
  try {
    const onAllocate = (bytes: number): void => void (allocated += bytes)
    const object = deserialize([blob], { ...defaultExecutionDataOptions, expected: [2, 4], onAllocate })
    const counts = object.code === 4 ? Object.values(object.counts) : []
    return { code: undefined, allocated, items: counts.reduce((sum, count) => sum + count, 0) }
  } catch (error) {
    assert.ok(error instanceof ExecutionDataError && isMalformed(error), String(error))
    const items = error.details.limit === 'freeItems' ? Number(error.details.value) : 0
    return { code: error.code, allocated, items }
  }
}

describe('small inputs that ask for much', () => {
  for (const { name, blob, code } of bombs()) {
    test(`${name}: bounded in what is allocated and built`, () => {
      assert.ok(blob.length < MIB / 2, `${blob.length} bytes`)
      const spent = cost(blob)
      assert.equal(spent.code, code)
      assert.ok(spent.allocated <= MOST_BYTES, `${spent.allocated} bytes allocated`)
      // an element costs some 100 bytes of heap
      assert.ok(spent.items * 100 <= MOST_BYTES, `${spent.items} elements`)
    })
  }

  test('elements are paid for by what they take on the wire', () => {
    const { freeItems, minItemBytes } = defaultExecutionDataOptions
    const events = (count: number, junk: number): Uint8Array => {
      const noise = generate({ gen: 'sha256ctr', seed: 'noise', len: junk })
      const head = Buffer.from([0xa2, 0x61, 0x78, 0x5a, 0, 0, 0, 0])
      head.writeUInt32BE(junk, 4)
      const list = Buffer.from([0x66, ...Buffer.from('Events'), 0x9a, 0, 0, 0, 0])
      list.writeUInt32BE(count, 8)
      return encodeFrame(Buffer.concat([head, noise, list, Buffer.alloc(count, 0xa0)]), [4])
    }
    assert.equal(cost(events(freeItems, 0)).code, undefined)
    assert.equal(cost(events(freeItems + 10_000, 0)).code, 'limit-exceeded')
    assert.equal(cost(events(freeItems + 10_000, 10_000 * minItemBytes)).code, undefined)
  })
})

describe('trees that ask for much', () => {
  const blockId = '11'.repeat(32) as BlockId
  const leaf = blobOf(new Uint8Array([4, ...encodeFrame(new Uint8Array([0xf6]))]))
  const rootOf = (chunkIds: BlobCid[]) =>
    blobOf(serializeRoot({ blockId, chunkIds: chunkIds.map((cid) => cid.toBytes()) }))

  test('lists that name the one below twice, twenty levels deep, cost one blob a level', async () => {
    const levels = [leaf]
    for (let depth = 0; depth < 20; depth += 1) {
      const { cid } = levels.at(-1) ?? leaf
      levels.push(blobOf(serializeCidList([cid.toBytes(), cid.toBytes()])))
    }
    const root = rootOf([(levels.at(-1) ?? leaf).cid])
    const { download, fetched } = bench([root, ...levels])
    const manifest = await download(sealed(root.cid.toExecutionDataId(), blockId))
    assert.equal(fetched.length, 22)
    // only the first of two frames is read, so nothing doubles
    assert.deepEqual(manifest.chunks[0]?.levels, [1, ...Array(20).fill(2)])
  })

  test('one chunk named 5,000 times is fetched and decoded once', async () => {
    const root = rootOf(Array<BlobCid>(5_000).fill(leaf.cid))
    const { download, fetched } = bench([root, leaf])
    const manifest = await download(sealed(root.cid.toExecutionDataId(), blockId))
    assert.deepEqual([fetched.length, manifest.chunks.length, manifest.cids.length], [2, 5_000, 2])
  })

  test('a tree deeper than any data needs ends at a bound', async () => {
    const levels = [leaf]
    for (let depth = 0; depth < 40; depth += 1)
      levels.push(blobOf(serializeCidList([(levels.at(-1) ?? leaf).cid.toBytes()])))
    const root = rootOf([(levels.at(-1) ?? leaf).cid])
    const { download, fetched } = bench([root, ...levels])
    await assert.rejects(download(sealed(root.cid.toExecutionDataId(), blockId)), { code: 'limit-exceeded' })
    assert.ok(fetched.length <= 34)
  })
})

test('a byte put in, taken out or changed anywhere gives an object or an error by code, within the bounds', () => {
  const blobs = readJson<{ blob: string; code: number }[]>('objects/objects.json')
    .filter(({ blob }) => blob.length < 8_000)
    .map(({ blob }) => hexBytes(blob))
  const options = { ...defaultExecutionDataOptions, maxChunkBytes: 200_000, maxListBytes: 200_000 }
  const kinds = fc.constantFrom('insert', 'remove', 'change')
  fc.assert(
    fc.property(fc.constantFrom(...blobs), fc.nat(), fc.nat({ max: 255 }), kinds, (blob, at, byte, kind) => {
      const position = at % blob.length
      const rest = blob.subarray(position + (kind === 'insert' ? 0 : 1))
      const mutant = new Uint8Array([...blob.subarray(0, position), ...(kind === 'remove' ? [] : [byte]), ...rest])
      try {
        const onAllocate = (bytes: number): void => assert.ok(bytes <= 200_000)
        deserialize([mutant], { ...options, expected: [1, 2, 3, 4], onAllocate })
      } catch (error) {
        assert.ok(isMalformed(error), String(error))
      }
    }),
    { numRuns: 4_000 }
  )
})
