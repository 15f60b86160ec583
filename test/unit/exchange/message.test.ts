import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { writeCid } from '#src/exchange/message/cid.ts'
import { MessageDecoder } from '#src/exchange/message/decoder.ts'
import {
  encodeBlocks,
  encodeCancel,
  encodeControl,
  encodePresence,
  encodeWantBlock,
  encodeWantHave,
  WINDING_DOWN
} from '#src/exchange/message/encoder.ts'
import { CID_V0, CID_V1_RAW, type MessageSummary } from '#src/exchange/message/types.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { type Blob, blobOf, type DigestKey } from '#src/model/index.ts'
import { codeOf, concatBytes, toHex, varintLength, writeVarint } from '#src/util/index.ts'

type Seen =
  | { kind: 'start' | 'skipped'; length: number }
  | { kind: 'block'; key: DigestKey; bytes: string }
  | { kind: 'message'; summary: MessageSummary }

interface Reading {
  readonly seen: Seen[]
  readonly bodyBytes: number
  readonly error: string | undefined
  readonly idle: boolean
}

/** What a decoder reports when it is fed the chunks. */
function read(chunks: readonly Uint8Array[], verdict: 'take' | 'skip' = 'take'): Reading {
  const seen: Seen[] = []
  let bodyBytes = 0
  const decoder = new MessageDecoder(
    {
      blockStart: (length) => {
        seen.push({ kind: 'start', length })
        return verdict
      },
      blockBytes: (count) => {
        bodyBytes += count
      },
      blockEnd: (block) => seen.push({ kind: 'block', key: block.key, bytes: toHex(block.assemble()) }),
      blockSkipped: (length) => seen.push({ kind: 'skipped', length }),
      message: (summary) => seen.push({ kind: 'message', summary })
    },
    defaultExchangeOptions
  )
  try {
    for (const chunk of chunks) decoder.push(chunk)
  } catch (error) {
    return { seen, bodyBytes, error: codeOf(error), idle: decoder.idle }
  }
  return { seen, bodyBytes, error: undefined, idle: decoder.idle }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
/** A message with its length before it. */
function framed(...parts: Uint8Array[]): Uint8Array {
  const body = concatBytes(parts)
  const head = new Uint8Array(varintLength(body.length))
  writeVarint(head, 0, body.length)
  return concatBytes([head, body])
}
/** A length-delimited field. */
function field(number: number, ...parts: Uint8Array[]): Uint8Array {
  return concatBytes([bytes(number * 8 + 2), framed(...parts)])
}
const summaryOf = (reading: Reading): MessageSummary => {
  const last = reading.seen.at(-1)
  assert.equal(last?.kind, 'message')
  return (last as { summary: MessageSummary }).summary
}

const blob = blobOf(bytes(1, 2, 3))
const cid = blob.cid.toBytes()

describe('round trips', () => {
  test('any messages, cut anywhere, give the same events', () => {
    const body = fc.uint8Array({ maxLength: 300 }).map((content) => blobOf(content))
    const control = fc
      .record({
        entries: fc.array(fc.tuple(body, fc.nat(2)), { maxLength: 6 }),
        presences: fc.array(body, { maxLength: 4 })
      })
      .map(({ entries, presences }) =>
        encodeControl(
          entries.map(([wanted, kind]) => [encodeWantBlock, encodeWantHave, encodeCancel][kind]!(wanted.cid.toBytes())),
          presences.map((held, index) => encodePresence(held.cid.key, CID_V0, index % 2 === 0))
        )
      )
    const blocks = fc
      .array(fc.tuple(body, fc.boolean()), { maxLength: 4 })
      .map((list) =>
        concatBytes(encodeBlocks(list.map(([held, v1]) => ({ form: v1 ? CID_V1_RAW : CID_V0, bytes: held.bytes }))))
      )
    const cuts = fc.array(fc.nat(80), { maxLength: 60 })
    fc.assert(
      fc.property(fc.array(fc.oneof(control, blocks), { maxLength: 5 }), cuts, (messages, lengths) => {
        const whole = concatBytes(messages)
        const chunks: Uint8Array[] = []
        let at = 0
        for (const length of lengths) {
          chunks.push(whole.subarray(at, at + length))
          at = Math.min(whole.length, at + length)
        }
        chunks.push(whole.subarray(at))
        const expected = read([whole])
        assert.equal(expected.error, undefined)
        assert.equal(expected.idle, true)
        assert.deepEqual(read(chunks), expected)
        assert.deepEqual(read([...whole].map((byte) => bytes(byte))), expected)
      }),
      { numRuns: 150 }
    )
  })

  test('entries say what was meant', () => {
    const reading = read([
      encodeControl(
        [encodeWantBlock(cid), encodeWantHave(cid), encodeCancel(cid)],
        [encodePresence(blob.cid.key, CID_V1_RAW, false)]
      )
    ])
    const { entries, presences } = summaryOf(reading)
    assert.deepEqual(
      entries.map(({ wantType, cancel, sendDontHave, ackQueued }) => [wantType, cancel, sendDontHave, ackQueued]),
      [
        ['block', false, true, true],
        ['have', false, true, false],
        ['block', true, false, false]
      ]
    )
    assert.deepEqual(presences, [{ key: blob.cid.key, have: false }])
  })

  test('the wire is the one of the specification', () => {
    assert.equal(toHex(encodeControl([encodeWantBlock(cid)], [])), `2e0a2c0a2a0a22${toHex(cid)}100128017801`)
    assert.equal(toHex(encodeControl([], [])), '020a00')
    assert.equal(toHex(encodeControl([WINDING_DOWN], [])), '040a027801')
    assert.equal(summaryOf(read([encodeControl([WINDING_DOWN, encodeWantBlock(cid)], [])])).windingDown, true)
    const twice = read([encodeControl([WINDING_DOWN], []), encodeControl([encodeWantBlock(cid)], [])])
    assert.equal(summaryOf(twice).windingDown, undefined, 'each message says it for itself')
    assert.equal(
      toHex(concatBytes(encodeBlocks([{ form: CID_V0, bytes: blob.bytes }]))),
      '0f0a001a0b0a04007012201203010203'
    )
    const written = new Uint8Array(36)
    assert.equal(writeCid(written, 0, { key: blob.cid.key, form: CID_V1_RAW }), 36)
    assert.equal(toHex(written), `01551220${toHex(blob.cid.digest)}`)
  })

  test('an empty block is a block, with its data field or without', () => {
    const empty = blobOf(new Uint8Array(0))
    const written = read([concatBytes(encodeBlocks([{ form: CID_V0, bytes: empty.bytes }]))])
    const omitted = read([framed(bytes(0x0a, 0), field(3, field(1, bytes(0, 0x70, 0x12, 0x20))))])
    for (const reading of [written, omitted]) {
      assert.deepEqual(reading.seen.slice(0, 2), [
        { kind: 'start', length: 0 },
        { kind: 'block', key: empty.cid.key, bytes: '' }
      ])
    }
  })
})

describe('other implementations', () => {
  test('bitswap 1.0.0 blocks are read', () => {
    const reading = read([framed(field(2, blob.bytes))])
    assert.deepEqual(reading.seen[1], { kind: 'block', key: blob.cid.key, bytes: '010203' })
  })

  test('negative numbers, unknown fields and pendingBytes are read over', () => {
    const minusOne = bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)
    const entry = field(
      1,
      field(1, cid),
      concatBytes([bytes(0x10), minusOne]),
      field(9, bytes(1, 2)),
      bytes(0x4d, 1, 2, 3, 4)
    )
    const reading = read([
      framed(
        field(1, entry, bytes(0x10, 1)),
        concatBytes([bytes(0x28), minusOne]),
        bytes(0x39, 1, 2, 3, 4, 5, 6, 7, 8),
        field(7, bytes(9))
      )
    ])
    assert.equal(reading.error, undefined)
    const summary = summaryOf(reading)
    assert.equal(summary.full, true)
    assert.equal(summary.entries[0]?.key, blob.cid.key)
  })

  test('a block with a prefix the exchange does not use passes by', () => {
    const reading = read([framed(field(3, field(1, bytes(1, 0x71, 0x12, 0x20)), field(2, blob.bytes)))])
    assert.deepEqual(reading.seen[0], { kind: 'skipped', length: 3 })
  })
})

describe('bad input', () => {
  const rows: [string, Uint8Array, string][] = [
    // 4 GiB: refused while its length is still being read.
    ['a message that claims 4 GiB', bytes(0x80, 0x80, 0x80, 0x80, 0x10), 'message-too-large'],
    ['a message that claims 2^63', bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), 'message-too-large'],
    ['a length of eleven bytes', new Uint8Array(11).fill(0x80), 'malformed'],
    ['a message one byte over the limit', bytes(0x81, 0x80, 0x80, 0x02), 'message-too-large'],
    ['a field longer than its message', framed(bytes(0x0a, 5, 0)), 'malformed'],
    ['an entry longer than its wantlist', framed(field(1, bytes(0x0a, 9, 0)), new Uint8Array(20)), 'malformed'],
    ['a varint across the end of its wantlist', framed(field(1, bytes(0x10, 0x80)), bytes(1, 1)), 'malformed'],
    ['a group', framed(bytes(0x0b)), 'malformed'],
    ['field number 0', framed(bytes(0x02, 0)), 'malformed'],
    ['a block without a prefix', framed(field(3, field(2, bytes(1)))), 'malformed'],
    [
      'a block with two bodies',
      framed(field(3, field(1, bytes(0, 0x70, 0x12, 0x20)), field(2, bytes(1)), field(2, bytes(2)))),
      'malformed'
    ],
    [
      'a block that claims 3 MiB',
      concatBytes([bytes(0xff, 0xff, 0xff, 0x01, 0x12, 0x80, 0x80, 0xc0, 0x01)]),
      'block-too-large'
    ],
    ['an entry whose CID claims more than there is', framed(field(1, field(1, bytes(0x0a, 99, 1)))), 'malformed']
  ]
  for (const [name, wire, code] of rows) {
    test(`${name}: ${code}`, () => {
      const reading = read([wire])
      assert.equal(reading.error, code)
      assert.ok(reading.bodyBytes <= 1)
    })
  }

  test('10,000 entries: 1,024 are handled, the rest is refused', () => {
    const entry = encodeCancel(cid)
    const reading = read([
      encodeControl(
        Array.from({ length: 10_000 }, () => entry),
        []
      )
    ])
    const summary = summaryOf(reading)
    assert.equal(summary.entries.length, 1024)
    assert.equal(summary.refused, 8976)
  })

  test('CIDs that are too long, or of another kind, are refused one by one', () => {
    const long = field(1, field(1, new Uint8Array(169)))
    const longer = field(1, field(1, new Uint8Array(4000)))
    const other = field(1, field(1, bytes(1, 0x71, 0x12, 0x20, ...blob.cid.digest)))
    const none = field(1, bytes(0x10, 1))
    const summary = summaryOf(read([framed(field(1, long, longer, other, none, encodeCancel(cid)))]))
    assert.equal(summary.refused, 4)
    assert.equal(summary.entries.length, 1)
  })

  test('a block that is not admitted is neither hashed nor kept', () => {
    const wire = concatBytes(encodeBlocks([{ form: CID_V0, bytes: new Uint8Array(5000) }]))
    const reading = read([wire.subarray(0, 100), wire.subarray(100)], 'skip')
    assert.deepEqual(reading.seen.slice(0, 2), [
      { kind: 'start', length: 5000 },
      { kind: 'skipped', length: 5000 }
    ])
  })

  test('any bytes end in events or a typed error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (chunks) => {
        const { error } = read(chunks)
        assert.ok(error === undefined || ['malformed', 'message-too-large', 'block-too-large'].includes(error))
      }),
      { numRuns: 500 }
    )
  })

  test('any one changed byte of a message ends in events or a typed error', () => {
    const made: Blob[] = [blob, blobOf(bytes(9))]
    const wire = concatBytes([
      encodeControl(
        made.map((held) => encodeWantBlock(held.cid.toBytes())),
        [encodePresence(blob.cid.key, CID_V0, true)]
      ),
      ...encodeBlocks(made.map((held) => ({ form: CID_V0, bytes: held.bytes })))
    ])
    fc.assert(
      fc.property(fc.nat(wire.length - 1), fc.nat(255), (at, value) => {
        const changed = Uint8Array.from(wire)
        changed[at] = value
        const { error } = read([changed])
        assert.ok(error === undefined || ['malformed', 'message-too-large', 'block-too-large'].includes(error))
      }),
      { numRuns: 500 }
    )
  })
})
