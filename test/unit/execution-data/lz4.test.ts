import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ExecutionDataError } from '#src/execution-data/errors.ts'
import { decodeFrame, decodeFrameSteps, type Lz4Options } from '#src/execution-data/lz4/frame-decode.ts'
import { encodeFrame } from '#src/execution-data/lz4/frame-encode.ts'
import { xxh32 } from '#src/execution-data/lz4/xxh32.ts'
import { type ByteGenerator, cut, generate, hexBytes, readBytes, readJson, sha256Hex } from './fixtures.ts'

const options: Lz4Options = {
  strict: false,
  ratioFreeBytes: 128 << 20,
  maxRatio: 255,
  maxFrameBlocks: 65_536,
  pauseBytes: 65_536,
  maxOutputBytes: 128 << 20,
  outputLimit: 'maxChunkBytes'
}
const strict: Lz4Options = { ...options, strict: true }

interface CompressCase {
  name: string
  input: ByteGenerator
  inputLen: number
  inputSha256: string
  outputLen: number
  outputSha256: string
  output?: string
}

interface FrameCase {
  name: string
  frame?: string
  file?: string
  readAll: { accepted: boolean; len?: number; sha256?: string }
  deserialize: { accepted: boolean; sha256?: string }
}

describe('lz4 compressor', () => {
  for (const vector of readJson<CompressCase[]>('lz4/compress.json')) {
    test(`writes ${vector.name} as flow-go does`, () => {
      const input = generate(vector.input)
      assert.equal(sha256Hex(input), vector.inputSha256, 'the generator gives other bytes')
      const output = encodeFrame(input)
      if (vector.output !== undefined) assert.equal(Buffer.from(output).toString('hex'), vector.output)
      assert.equal(output.length, vector.outputLen)
      assert.equal(sha256Hex(output), vector.outputSha256)
      assert.deepEqual(Buffer.compare(decodeFrame([output], strict).bytes, input), 0)
      assert.deepEqual(Buffer.compare(decodeFrame(cut(output, 7), strict).bytes, input), 0)
    })
  }
})

/** What the lenient reader of whole streams takes and `strict` refuses on purpose. */
const STRICTER = new Set([
  'content-size-too-big',
  'content-size-too-small',
  'content-size-huge',
  'content-size-zero',
  'empty-input',
  'only-magic',
  'only-header',
  'no-end-mark',
  'no-content-checksum-bytes',
  'skippable-too-long',
  'skippable-only'
])

describe('lz4 reader', () => {
  for (const vector of readJson<FrameCase[]>('lz4/frames.json')) {
    test(`${vector.name}: strict verdict as of the whole stream`, () => {
      const frame = vector.file === undefined ? hexBytes(vector.frame ?? '') : readBytes(`lz4/${vector.file}`)
      const read = (): Uint8Array => decodeFrame(cut(frame, 3), strict).bytes
      if (!vector.readAll.accepted || STRICTER.has(vector.name)) {
        assert.throws(
          read,
          (error: ExecutionDataError) => error instanceof ExecutionDataError && error.code === 'lz4-malformed'
        )
        return
      }
      const bytes = read()
      assert.equal(bytes.length, vector.readAll.len)
      assert.equal(sha256Hex(bytes), vector.readAll.sha256)
    })
  }

  test('bounds are checked before anything is allocated', () => {
    const zeros = encodeFrame(new Uint8Array(5 << 20))
    const refused = (limit: Partial<Lz4Options>, name: string): void => {
      assert.throws(
        () => decodeFrame([zeros], { ...options, ...limit }),
        (error: ExecutionDataError) => error.code === 'limit-exceeded' && error.details.limit === name
      )
    }
    refused({ maxOutputBytes: (5 << 20) - 1 }, 'maxChunkBytes')
    refused({ ratioFreeBytes: 1 << 20, maxRatio: 64 }, 'maxRatio')
    refused({ maxFrameBlocks: 1 }, 'maxFrameBlocks')
    assert.equal(decodeFrame([zeros], { ...options, maxOutputBytes: 5 << 20 }).bytes.length, 5 << 20)
  })

  test('endless skippable frames are refused', () => {
    const skippable = hexBytes('502a4d1800000000')
    assert.throws(() => decodeFrame(Array(100).fill(skippable), options), { code: 'lz4-malformed' })
  })

  test('what stands before a broken block is given, with the reason', () => {
    const frame = encodeFrame(new Uint8Array(5 << 20).fill(7))
    const part = decodeFrame([frame.subarray(0, frame.length - 40)], options)
    assert.equal(part.bytes.length, 4 << 20)
    assert.equal(part.failure?.code, 'lz4-malformed')
  })
})

describe('lz4 properties', () => {
  const texts = fc.array(fc.oneof(fc.constantFrom('abc', 'flow', '\0\0\0\0'), fc.string()), { maxLength: 400 })

  test('round trip, sliced anyhow', () => {
    fc.assert(
      fc.property(texts, fc.integer(), (words, seed) => {
        const plain = new Uint8Array(Buffer.from(words.join('')))
        const frame = encodeFrame(plain, [4])
        assert.deepEqual(decodeFrame(cut(frame.subarray(1), seed), strict).bytes, plain)
      }),
      { numRuns: 300 }
    )
  })

  test('a changed or cut frame gives bytes within the bound or a typed error', () => {
    const bounded = { ...options, maxOutputBytes: 100_000 }
    fc.assert(
      fc.property(texts, fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (words, at, byte, shorten) => {
        const frame = encodeFrame(new Uint8Array(Buffer.from(words.join(''))))
        const position = at % frame.length
        if (!shorten) frame[position] = byte
        try {
          const { bytes } = decodeFrame(cut(shorten ? frame.subarray(0, position) : frame, at), bounded)
          assert.ok(bytes.length <= 100_000)
        } catch (error) {
          assert.ok(error instanceof ExecutionDataError, String(error))
        }
      }),
      { numRuns: 2000 }
    )
  })

  test('decoding pauses with the bytes it has worked through, not with each frame or block', () => {
    const cases: [string, Uint8Array, number, number][] = [
      ['a small frame', new Uint8Array(20_000).fill(1), 65_536, 0],
      ['two blocks below the bound', new Uint8Array(5 << 20), 6 << 20, 0],
      ['three blocks, measured and filled', new Uint8Array(12 << 20), 65_536, 6]
    ]
    for (const [what, input, pauseBytes, pauses] of cases) {
      const steps = decodeFrameSteps([encodeFrame(input)], { ...options, pauseBytes })
      let seen = 0
      while (steps.next().done !== true) seen += 1
      assert.equal(seen, pauses, what)
    }
  })

  test('xxh32 of known texts', () => {
    assert.equal(xxh32(new Uint8Array()), 0x02cc5d05)
    assert.equal(xxh32(Buffer.from('abc')), 0x32d153ff)
    assert.equal(xxh32(Buffer.from('Nobody inspects the spammish repetition')), 0xe2293b2f)
  })
})
