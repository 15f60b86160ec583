import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type ByteSource, readBlocks, START } from '#src/feed/block-list/read.ts'
import type { SealedBlock } from '#src/model/index.ts'
import { blockIdAt, dataIdAt } from '#test/support/feed/fake-network.ts'

function sourceOf(bytes: Buffer): ByteSource {
  return { read: async (into, position) => (position < bytes.length ? bytes.copy(into, 0, position) : 0) }
}

async function read(
  text: string | Buffer,
  options: { chunkBytes?: number; acceptLastLine?: boolean } = {}
): Promise<SealedBlock[]> {
  const blocks: SealedBlock[] = []
  const reading = { maxLineBytes: 1_000, chunkBytes: 64, acceptLastLine: true, ...options }
  for await (const { block } of readBlocks(sourceOf(Buffer.from(text)), START, reading)) blocks.push(block)
  return blocks
}

const lineOf = (height: unknown, more: object = {}): string =>
  JSON.stringify({ height, blockId: blockIdAt(1), executionDataId: dataIdAt(1), ...more })

void describe('block list', () => {
  void it('reads heights, ids and nothing else of each line', async () => {
    const text = `${lineOf(5, { chunks: [1, { a: 2 }] })}\n${lineOf('6')}\r\n\n  \n${lineOf(7, { blockId: 'AB'.repeat(32) })}\n`
    const ids = { blockId: blockIdAt(1), executionDataId: dataIdAt(1) }
    assert.deepEqual(await read(text), [
      { height: 5, ...ids },
      { height: 6, ...ids },
      { height: 7, ...ids, blockId: 'ab'.repeat(32) }
    ])
    assert.deepEqual(await read(''), [])
  })

  void it('takes a last line without its newline only when told to', async () => {
    const text = `${lineOf(1)}\n${lineOf(2)}`
    assert.equal((await read(text)).length, 2)
    assert.equal((await read(text, { acceptLastLine: false })).length, 1)
    await assert.rejects(read(text.slice(0, -5)), { code: 'malformed-line', details: { line: 2 } })
    assert.equal((await read(text.slice(0, -5), { acceptLastLine: false })).length, 1)
  })

  for (const [what, line, message] of [
    ['no JSON', 'height: 4', /^line 2: not JSON/],
    ['a cut line', lineOf(2).slice(0, 30), /^line 2: not JSON/],
    ['a list', '[2]', /^line 2: not a JSON object/],
    ['null', 'null', /^line 2: not a JSON object/],
    ['a number', '2', /^line 2: not a JSON object/],
    ['no height', lineOf(undefined), /"height"/],
    ['a negative height', lineOf(-1), /"height"/],
    ['a fraction', lineOf(2.5), /"height"/],
    ['a height beyond 2^53', lineOf('90071992547409930'), /"height"/],
    ['no block id', lineOf(2, { blockId: undefined }), /"blockId"/],
    ['a short block id', lineOf(2, { blockId: 'ab' }), /"blockId"/],
    [
      'an execution data id with a letter that is no digit',
      lineOf(2, { executionDataId: 'g'.repeat(64) }),
      /"executionDataId"/
    ],
    ['a CID for an execution data id', lineOf(2, { executionDataId: `Qm${'a'.repeat(44)}` }), /"executionDataId"/]
  ] as const) {
    void it(`names the line and what is wrong with ${what}`, async () => {
      await assert.rejects(read(`${lineOf(1)}\n${line}\n${lineOf(3)}\n`), {
        code: 'malformed-line',
        message,
        details: { line: 2 }
      })
    })
  }

  void it('rejects heights that do not ascend by one', async () => {
    for (const found of [0, 1, 3, 900]) {
      await assert.rejects(read(`${lineOf(1)}\n\n${lineOf(found)}\n`), {
        code: 'gap',
        details: { line: 3, expected: 2, found }
      })
    }
  })

  void it('rejects a line that is too long before it holds much of it', async () => {
    let asked = 0
    const endless: ByteSource = {
      read: async (into) => {
        asked += into.length
        into.fill(97)
        return into.length
      }
    }
    const reading = { maxLineBytes: 1_000, chunkBytes: 64, acceptLastLine: true }
    await assert.rejects(readBlocks(endless, START, reading).next(), { code: 'line-too-long', details: { line: 1 } })
    assert.ok(asked <= 1_128, `${asked} bytes`)
    await assert.rejects(read(`${lineOf(1, { more: 'x'.repeat(2_000) })}\n`, { chunkBytes: 8_192 }), {
      code: 'line-too-long'
    })
  })

  void it('reads the same whatever the chunks, and from any place between lines', async () => {
    const block = fc.record({ more: fc.string(), blank: fc.nat(2), crlf: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.array(block, { maxLength: 12 }),
        fc.integer({ min: 1, max: 300 }),
        fc.nat(1_000_000),
        async (list, chunkBytes, first) => {
          const text = list
            .map(
              ({ more, blank, crlf }, at) => `${lineOf(first + at, { more })}${crlf ? '\r' : ''}\n${'\n'.repeat(blank)}`
            )
            .join('')
          const source = sourceOf(Buffer.from(text))
          const reading = { maxLineBytes: 1_000, chunkBytes, acceptLastLine: true }
          const places = []
          for await (const listed of readBlocks(source, START, reading)) places.push(listed)
          assert.deepEqual(
            places.map(({ block: { height } }) => height),
            list.map((_, at) => first + at)
          )
          for (const [at, { at: mark }] of places.entries()) {
            const rest = []
            for await (const { block: found } of readBlocks(source, mark, reading)) rest.push(found.height)
            assert.deepEqual(
              rest,
              list.slice(at).map((_, more) => first + at + more)
            )
          }
        }
      ),
      { numRuns: 60 }
    )
  })
})
