import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { chainFixture, lastJson, temporaryDirectory } from '#test/support/node/cli.ts'
import { command } from '#test/support/node/command.ts'

interface Report {
  readonly schema: string
  readonly ok: boolean
  readonly reasons: readonly string[]
  readonly blocks: number
  readonly blobs: number
  readonly bytes: number
  readonly mismatches: readonly { readonly what: string; readonly chunk: number | null; readonly file: string }[]
  readonly mbPerSecond: { readonly decode: number; readonly encode: number }
}

interface Inspected {
  readonly schema: string
  readonly chunks: readonly { readonly transactions: number; readonly events: number; readonly registers: number }[]
}

const report = (stdout: string): Report => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Report

describe('codec check and inspect', () => {
  const home = temporaryDirectory()
  after(() => home.remove())
  const blocks = join(chainFixture, '..', 'blocks')
  const trees = join(chainFixture, '..', 'trees')

  it('holds for every block that flow-go made', async () => {
    const checked = lastJson<Report>(await command(['codec', 'check', chainFixture, blocks, '--json']))
    assert.deepEqual(
      [checked.schema, checked.ok, checked.blocks, checked.blobs, checked.bytes, checked.mismatches],
      ['sealsync.codec/1', true, 96, 861, 18_381_370, []]
    )
    assert.ok(checked.mbPerSecond.decode > 0 && checked.mbPerSecond.encode > 0)
  })

  it('names what does not come out again, what cannot be read, and what is no CAR, and ends with 1', async () => {
    const car = readFileSync(join(chainFixture, '1000004.car'))
    mkdirSync(join(home.path, 'a', 'b'), { recursive: true })
    writeFileSync(join(home.path, 'a', 'b', 'cut.car'), car.subarray(0, car.length - 10))
    writeFileSync(join(home.path, 'text.car'), '\u0005no CAR file')
    const odd = ['chunk-trailing', 'empty-list'].map((name) => join(trees, `${name}.car`))
    const finished = await command(['codec', 'check', home.path, ...odd, '--json'])
    assert.equal(finished.code, 1)
    const { ok, reasons, mismatches } = report(finished.stdout)
    assert.equal(ok, false)
    assert.equal(reasons.length, 1)
    assert.deepEqual(
      mismatches.map(({ what, chunk }) => [what, chunk]),
      [
        ['car-truncated', null],
        ['car-malformed', null],
        ['different', 0],
        ['tree-malformed', null]
      ]
    )
    const strict = await command(['codec', 'check', '--strict', odd[0] ?? '', '--json'])
    assert.deepEqual(
      report(strict.stdout).mismatches.map(({ what }) => what),
      ['lz4-malformed']
    )
  })

  it('a path that is not there ends with 3, a folder without CAR files with 1', async () => {
    assert.equal((await command(['codec', 'check', join(home.path, 'nothing')])).code, 3)
    const none = await command(['codec', 'check', join(chainFixture, '..', 'objects')])
    assert.deepEqual([none.code, /no block was checked/.test(none.stdout)], [1, true])
  })

  it('inspect shows a block to people and to programs', async () => {
    const file = join(chainFixture, '1000010.car')
    const text = await command(['inspect', file])
    assert.equal(text.code, 0, text.stderr)
    for (const part of [
      /^block +ee80e069/,
      /chunk 0 /,
      /FlowToken\.TokensWithdrawn/,
      /register updates on state/,
      /failed, computation/
    ]) {
      assert.match(text.stdout, part)
    }
    assert.doesNotMatch(text.stdout, /[^\x20-\x7e\n→…–]/)
    const { schema, chunks } = lastJson<Inspected>(await command(['inspect', file, '--json']))
    assert.equal(schema, 'sealsync.inspect/1')
    assert.deepEqual([chunks[0]?.transactions, chunks[0]?.events, chunks[0]?.registers], [2, 14, 10])
  })

  it('inspect of what is neither a file nor an id', async () => {
    assert.equal((await command(['inspect', join(home.path, 'nothing.car')])).code, 2)
    assert.equal((await command(['inspect', 'ab'.repeat(31)])).code, 2)
    assert.equal((await command(['inspect', 'ab'.repeat(32)])).code, 2)
  })
})
