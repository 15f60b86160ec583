import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  BlobCid,
  blobOf,
  parseBlockId,
  parseExecutionDataId,
  parseHeight,
  verifyBlob,
  verifyBlobApart
} from '#src/model/index.ts'

describe('blob cid', () => {
  it('is the same through each of its forms', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (digest) => {
        const cid = BlobCid.fromDigest(digest)
        assert.equal(BlobCid.parse(cid.toString())?.key, cid.key)
        assert.equal(BlobCid.fromBytes(cid.toBytes())?.key, cid.key)
        assert.equal(BlobCid.fromKey(cid.key).key, cid.key)
        assert.equal(BlobCid.fromExecutionDataId(cid.toExecutionDataId()).key, cid.key)
      })
    )
  })

  it("reads and writes the chain fixture's first root", () => {
    const id = parseExecutionDataId('950ef72d48f7802fe983dbe0f73442329b93a70902c0f600ff873471e39dd962')
    assert.ok(id)
    assert.equal(BlobCid.fromExecutionDataId(id).toString(), 'QmYNWh6UUdbcKRpiGeKKJ3rkrsGnKk7nhrYuhZu7iNKmc5')
  })

  it('refuses what is not one', () => {
    for (const text of ['', 'Qm', `Qm${'0'.repeat(44)}`, 'bafkqaaa', 'x'.repeat(46)])
      assert.equal(BlobCid.parse(text), undefined, text)
    assert.equal(BlobCid.fromBytes(new Uint8Array(33)), undefined)
    assert.equal(BlobCid.fromBytes(new Uint8Array(34)), undefined)
    assert.throws(() => BlobCid.fromDigest(new Uint8Array(31)), RangeError)
  })

  it("takes no memory outside V8's heap", () => {
    const digest = Buffer.alloc(32)
    const before = process.memoryUsage().arrayBuffers
    const cids = Array.from({ length: 10_000 }, (_, at) => {
      digest.writeUInt32LE(at)
      const cid = BlobCid.fromDigest(digest)
      assert.equal(cid.toExecutionDataId().length, 64)
      return cid
    })
    const outside = process.memoryUsage().arrayBuffers - before
    assert.equal(cids.length, 10_000)
    // Else 32 bytes each; `toExecutionDataId` takes what it needs from a pool, 8 KiB at a time.
    assert.ok(outside < 200_000, `${outside} bytes`)
  })
})

describe('blob', () => {
  it('is had only for bytes that hash to the cid', () => {
    const blob = blobOf(new TextEncoder().encode('sealed'))
    assert.equal(verifyBlob(blob.cid, blob.bytes)?.cid.key, blob.cid.key)
    const wrong = blob.bytes.slice()
    wrong[0] = (wrong[0] ?? 0) ^ 1
    assert.equal(verifyBlob(blob.cid, wrong), undefined)
  })

  it('takes a long blob for damaged only when Node says so too, whoever hashed it', async () => {
    const blob = blobOf(new Uint8Array(70_000).fill(7))
    const bytes = new Uint8Array(blob.bytes)
    const mistaken = async (): Promise<Uint8Array> => new Uint8Array(32)
    assert.equal((await verifyBlobApart(blob.cid, bytes, mistaken))?.cid.key, blob.cid.key)
    assert.equal((await verifyBlobApart(blob.cid, bytes))?.cid.key, blob.cid.key)
    bytes[69_999] = 8
    assert.equal(await verifyBlobApart(blob.cid, bytes, mistaken), undefined)
    assert.equal(await verifyBlobApart(blob.cid, bytes), undefined)
  })
})

describe('identifiers', () => {
  it('are 64 hex digits in lower case', () => {
    assert.equal(parseBlockId('AB'.repeat(32)), 'ab'.repeat(32))
    for (const wrong of ['', 'ab', 'zz'.repeat(32), 5, null, 'ab'.repeat(33)])
      assert.equal(parseBlockId(wrong), undefined)
  })

  it('heights are safe integers, as numbers or decimal text', () => {
    assert.equal(parseHeight('1000071'), 1_000_071)
    assert.equal(parseHeight(0), 0)
    for (const wrong of [-1, 1.5, '1e3', '', '0x10', 2 ** 53, '9007199254740993', null])
      assert.equal(parseHeight(wrong), undefined, String(wrong))
  })
})
