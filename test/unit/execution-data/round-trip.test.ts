import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import { checkRoundTrip, defaultExecutionDataOptions, openBlock } from '#src/execution-data/index.ts'
import { encodeChunk } from '#src/execution-data/cbor/encode.ts'
import { deserialize, serializeChunk } from '#src/execution-data/serializer.ts'
import type { ChunkExecutionData } from '#src/execution-data/types.ts'
import { BlobCid, type ExecutionDataId } from '#src/model/index.ts'
import { readJson } from './fixtures.ts'
import { carBlobs, storeOf } from './support.ts'

interface Tree {
  readonly name: string
  readonly rootCid: string
  readonly file: string
  readonly store: { readonly accepted: boolean }
}

function rootOf(blobs: Awaited<ReturnType<typeof carBlobs>>): ExecutionDataId {
  const [root] = blobs
  assert.ok(root)
  return root.cid.toExecutionDataId()
}

async function roundTrip(file: string, options = defaultExecutionDataOptions) {
  const blobs = await carBlobs(file)
  const executionDataId = rootOf(blobs)
  return checkRoundTrip(await storeOf(blobs), options, { executionDataId })
}

describe('decoded and encoded again', () => {
  for (const folder of ['blocks', 'chain']) {
    test(`every file of ${folder}: nothing differs, also strictly`, async () => {
      const files = readdirSync(new URL(`../../fixtures/${folder}`, import.meta.url)).filter((name) =>
        name.endsWith('.car')
      )
      assert.ok(files.length > 20)
      for (const name of files) {
        const trip = await roundTrip(`${folder}/${name}`, { ...defaultExecutionDataOptions, strict: true })
        assert.deepEqual(trip.mismatches, [], name)
        assert.equal(trip.v1Chunks, name === 'v1-chunk.car' ? 1 : 0)
      }
    })
  }

  /** Trees that can be read and that no encoder makes, beside those that an encoder does make. */
  const SAME = new Set(['good', 'no-chunks', 'null-list', 'code-3-chunk', 'same-chunk-5000', 'v1-cid-in-root'])
  for (const { name, file, rootCid, store } of readJson<Tree[]>('trees/trees.json')) {
    if (!store.accepted || name === 'deep-200') continue
    test(`odd tree ${name}: ${SAME.has(name) ? 'the same' : 'differs'}`, async () => {
      const id = (BlobCid.parse(rootCid) as BlobCid).toExecutionDataId()
      const source = await storeOf(await carBlobs(`trees/${file}`))
      const options = { ...defaultExecutionDataOptions, maxBlobBytes: 1_048_576 }
      const tooLarge = name.includes('over-1mib')
      const trip = checkRoundTrip(source, options, { executionDataId: id })
      if (tooLarge) await assert.rejects(trip, { code: 'blob-too-large' })
      else assert.equal((await trip).mismatches.length === 0, SAME.has(name))
    })
  }

  test('a missing blob ends it', async () => {
    const blobs = await carBlobs('chain/1000004.car')
    const executionDataId = rootOf(blobs)
    const source = await storeOf(blobs.slice(0, -1))
    await assert.rejects(checkRoundTrip(source, defaultExecutionDataOptions, { executionDataId }), {
      code: 'blob-missing'
    })
    const missing = 'ab'.repeat(32) as ExecutionDataId
    await assert.rejects(openBlock(source, defaultExecutionDataOptions, { executionDataId: missing }), {
      code: 'blob-missing'
    })
  })

  test('the deleted registers of older producers keep their null, and are empty for everybody else', () => {
    const chunk: ChunkExecutionData = {
      events: null,
      collection: null,
      trieUpdate: {
        paths: [new Uint8Array(32)],
        payloads: [{ keyParts: null, value: null }],
        rootHash: new Uint8Array(32)
      },
      transactionResults: null
    }
    const older = encodeChunk(chunk, { code: 4, nullValues: true })
    const current = encodeChunk(chunk)
    const at = older.findIndex((byte, i) => byte !== current[i])
    assert.deepEqual([older[at], current[at]], [0xf6, 0x40])
    const object = deserialize([serializeChunk(chunk)], { ...defaultExecutionDataOptions, expected: [4] })
    assert.ok(object.code === 4)
    assert.deepEqual(object.value.trieUpdate?.payloads?.[0]?.value, new Uint8Array(0))
  })
})
