import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Announcement, BlobCid, MAX_HINT_CIDS, parseBlockId } from '#src/model/index.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnnouncement,
  encodeOffer,
  encodeReplayEnd,
  encodeRequest,
  FrameDecoder,
  MAX_ANSWER_FRAME,
  MAX_REQUEST_FRAME
} from '#src/p2p/announce/frames.ts'
import {
  decodeSigned,
  decodeSignedBytes,
  encodeSigned,
  MAX_SIGNED_ANNOUNCEMENT_BYTES,
  P2pError,
  signAnnouncement,
  signedBytesOf,
  verifyAnnouncement
} from '#src/p2p/index.ts'
import { concatBytes, toHex } from '#src/util/index.ts'
import { makeAnnouncement, makeMember } from './support.ts'

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 })
const announcement: fc.Arbitrary<Announcement> = fc
  .record({
    height: fc.nat(Number.MAX_SAFE_INTEGER),
    announcedAtMs: fc.nat(Number.MAX_SAFE_INTEGER),
    block: digest,
    root: digest,
    rest: fc.option(fc.array(digest, { maxLength: 20 }))
  })
  .map(({ height, announcedAtMs, block, root, rest }) => {
    const blockId = parseBlockId(toHex(block))
    assert.ok(blockId)
    const hint = rest === null ? [] : [root, ...rest].map((bytes) => BlobCid.fromDigest(bytes))
    return { height, announcedAtMs, blockId, executionDataId: BlobCid.fromDigest(root).toExecutionDataId(), hint }
  })

const isMalformed = (error: unknown): boolean => error instanceof P2pError && error.code === 'announcement-malformed'

/** Anything but a P2pError `announcement-malformed` fails the test. */
function tolerates(run: () => unknown): boolean {
  try {
    run()
    return true
  } catch (error) {
    if (!isMalformed(error)) throw error
    return false
  }
}

test('what was signed comes back, field by field and byte by byte', () => {
  const { key } = makeMember('execution')
  fc.assert(
    fc.property(announcement, (value) => {
      const signed = signAnnouncement(key, value)
      const decoded = decodeSigned(encodeSigned(signed))
      assert.deepEqual(decoded, signed)
      assert.deepEqual(decodeSignedBytes(signed.signedBytes), value)
      assert.ok(verifyAnnouncement(key.publicKey, decoded))
    }),
    { numRuns: 50 }
  )
})

test('the signed bytes are these', () => {
  const blockId = parseBlockId('11'.repeat(32))
  assert.ok(blockId)
  const root = BlobCid.fromDigest(new Uint8Array(32).fill(0x22))
  const value = { height: 258, blockId, executionDataId: root.toExecutionDataId(), announcedAtMs: 3, hint: [root] }
  const expected = `${Buffer.from('sealsync/announcement/1\0').toString('hex')}${'0000000000000102'}${'11'.repeat(32)}${'22'.repeat(32)}${'0000000000000003'}${'0001'}${'22'.repeat(32)}`
  assert.equal(toHex(signedBytesOf(value)), expected)
})

test('a changed byte is malformed or does not verify', () => {
  const { key } = makeMember('execution')
  const bytes = encodeSigned(signAnnouncement(key, makeAnnouncement(5)))
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const mutated = bytes.slice()
      mutated[at] = (mutated[at] ?? 0) ^ change
      tolerates(() => assert.ok(!verifyAnnouncement(key.publicKey, decodeSigned(mutated))))
    }),
    { numRuns: 300 }
  )
})

test('another node’s key does not verify', () => {
  const signed = signAnnouncement(makeMember('execution').key, makeAnnouncement(1))
  assert.equal(verifyAnnouncement(makeMember('execution').key.publicKey, signed), false)
})

test('what no announcement may hold is not signed', () => {
  const good = makeAnnouncement(7)
  const [, other] = good.hint
  assert.ok(other)
  const bad: Partial<Announcement>[] = [
    { height: -1 },
    { height: 1.5 },
    { height: 2 ** 53 },
    { announcedAtMs: Number.NaN },
    { hint: [other] },
    { hint: Array.from({ length: MAX_HINT_CIDS + 1 }, () => BlobCid.fromExecutionDataId(good.executionDataId)) }
  ]
  for (const change of bad) assert.throws(() => signedBytesOf({ ...good, ...change }), RangeError)
})

test('the largest announcement fits its frame, one CID more is refused', () => {
  const { key } = makeMember('execution')
  const signed = signAnnouncement(key, makeAnnouncement(1, MAX_HINT_CIDS))
  const frame = encodeAnnouncement(signed, true)
  assert.ok(encodeSigned(signed).length <= MAX_SIGNED_ANNOUNCEMENT_BYTES)
  const [body] = [...new FrameDecoder(MAX_ANSWER_FRAME).push(frame)]
  assert.ok(body)
  assert.equal(decodeAnswer(body).type, 'announcement')
  const longer = signed.signedBytes.slice()
  new DataView(longer.buffer).setUint16(longer.length - MAX_HINT_CIDS * 32 - 2, MAX_HINT_CIDS + 1)
  assert.throws(() => decodeSignedBytes(concatBytes([longer, new Uint8Array(32)])), isMalformed)
})

test('random bytes never do worse than be malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      tolerates(() => decodeSigned(bytes))
      tolerates(() => decodeSignedBytes(bytes))
      tolerates(() => decodeAnswer(bytes))
      tolerates(() => decodeRequest(bytes))
      tolerates(() => [...new FrameDecoder(MAX_REQUEST_FRAME).push(bytes)])
    }),
    { numRuns: 500 }
  )
})

test('small frames come back', () => {
  const safe = fc.nat(Number.MAX_SAFE_INTEGER)
  const body = (frame: Uint8Array): Uint8Array => {
    const [only, more] = [...new FrameDecoder(MAX_REQUEST_FRAME).push(frame)]
    assert.ok(only !== undefined && more === undefined)
    return only
  }
  fc.assert(
    fc.property(safe, safe, safe, fc.boolean(), (id, a, b, served) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      assert.deepEqual(decodeRequest(body(encodeRequest({ id, from, to }))), { id, from, to })
      assert.deepEqual(decodeAnswer(body(encodeOffer(from, to))), { type: 'offer', lowest: from, highest: to })
      assert.deepEqual(decodeAnswer(body(encodeReplayEnd(id, served))), { type: 'replay-end', id, served })
    })
  )
  assert.deepEqual(decodeAnswer(body(encodeOffer(undefined, undefined))), {
    type: 'offer',
    lowest: undefined,
    highest: undefined
  })
})

test('frames survive any cutting of the stream', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 20 }),
      (frames, cuts) => {
        const stream = concatBytes(
          frames.flatMap((frame) => {
            const head = frame.length < 128 ? [frame.length] : [(frame.length & 127) | 128, frame.length >> 7]
            return [Uint8Array.from(head), frame]
          })
        )
        const decoder = new FrameDecoder(300)
        const got: Uint8Array[] = []
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const size = cuts[turn % cuts.length] ?? 1
          got.push(...decoder.push(stream.subarray(at, at + size)))
          at += size
        }
        assert.deepEqual(got, frames)
        assert.equal(decoder.buffered, 0)
      }
    )
  )
})

test('lengths that lie are refused before anything is set aside for them', () => {
  const rows: [string, number[]][] = [
    ['one more than the largest', [26]],
    ['2^28', [0xff, 0xff, 0xff, 0x7f]],
    ['without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]],
    ['not in shortest form', [0x81, 0x00]],
    ['nothing', [0x00]]
  ]
  for (const [name, bytes] of rows) {
    const decoder = new FrameDecoder(MAX_REQUEST_FRAME)
    assert.throws(() => [...decoder.push(Uint8Array.from(bytes))], isMalformed, name)
  }
})

test('frames of a wrong kind or form', () => {
  const rows: [string, () => unknown][] = [
    ['an answer as request', () => decodeRequest(Uint8Array.of(0x11, 1, 1, 1))],
    ['a range that ends before it begins', () => decodeRequest(Uint8Array.of(0x01, 1, 9, 3))],
    ['a request cut off', () => decodeRequest(Uint8Array.of(0x01, 1, 9))],
    ['a request with more behind it', () => decodeRequest(Uint8Array.of(0x01, 1, 1, 9, 0))],
    ['a number not in shortest form', () => decodeRequest(Uint8Array.of(0x01, 0x81, 0x00, 1, 1))],
    ['an unknown type', () => decodeAnswer(Uint8Array.of(0x77))],
    ['an empty frame', () => decodeAnswer(new Uint8Array())],
    ['an offer of less than nothing', () => decodeAnswer(Uint8Array.of(0x10, 1, 5, 3))],
    ['an unknown end', () => decodeAnswer(Uint8Array.of(0x13, 1, 2))]
  ]
  for (const [name, run] of rows) assert.throws(run, isMalformed, name)
})
