import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ERROR_ADVICE } from '../../build/docs/error-advice.ts'
import { type ErrorClass, errorClasses, errorClassesOf, root, sourceFiles } from '../../build/docs/source-facts.ts'

const nameOf = (room: string, of: string): string => `${room} ${of}`

/** Room and code of every row below "Codes, by room". */
function listedCodes(): string[] {
  const [, tables = ''] = readFileSync(join(root, 'docs/errors.md'), 'utf8').split('## Codes, by room')
  return tables.split(/^### /m).flatMap((section) => {
    const room = /^([a-z0-9-]+): /.exec(section)?.[1] ?? ''
    return [...section.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, of = '']) => nameOf(room, of))
  })
}

function classesOf(text: string): ErrorClass[] {
  const folder = mkdtempSync(join(tmpdir(), 'errors-'))
  try {
    writeFileSync(join(folder, 'errors.ts'), text)
    return errorClassesOf('src/feed/errors.ts', join(folder, 'errors.ts'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('error codes', () => {
  const classes = errorClasses()
  const known = classes.flatMap(({ room, codes }) => codes.map((of) => nameOf(room, of)))

  it('are read from every room that has a file of them', () => {
    const rooms = sourceFiles('src')
      .filter((file) => file.endsWith('/errors.ts'))
      .map((file) => file.split('/')[1])
    assert.deepEqual(
      rooms.filter((room) => !classes.some((found) => found.room === room)),
      []
    )
    assert.ok(known.length > 90, `only ${known.length} codes were read`)
  })

  it('stand on the page, all of them and nothing else', () => {
    assert.deepEqual(listedCodes().sort(), [...known].sort())
  })

  it('each have advice, and no advice is left over', () => {
    const advised = Object.entries(ERROR_ADVICE).flatMap(([room, codes]) =>
      Object.keys(codes).map((of) => nameOf(room, of))
    )
    assert.deepEqual([...new Set(advised)].sort(), [...new Set(known)].sort())
  })

  it('are read through aliases, lists and tables, with their meanings', () => {
    const [found] = classesOf(`
      /**
       * - \`one\`, \`two\`: of a
       *   list
       */
      const LIST = ['one', 'two'] as const
      const TABLE = Object.freeze
      export const STATUS = {
        /** From a table. */
        'table-one': 400,
        /** Without quotes. */
        three: 500
      } as const
      export type Listed = (typeof LIST)[number]
      export type FeedErrorCode =
        | Listed
        | keyof typeof STATUS
        /** Alone. */
        | 'four'
      export class FeedError extends AppError<FeedErrorCode> {}
    `)
    assert.deepEqual(found?.codes, ['one', 'two', 'table-one', 'three', 'four'])
    assert.deepEqual(
      found?.codes.map((of) => found.meanings.get(of)),
      ['Of a list.', 'Of a list.', 'From a table.', 'Without quotes.', 'Alone.']
    )
  })

  it('of a class with one code take its comment', () => {
    const [found] = classesOf("/** A step was late. */\nclass StopError extends AppError<'late'> {}\n")
    assert.equal(found?.meanings.get('late'), 'A step was late.')
  })

  it('that cannot be read are an error, not an omission', () => {
    assert.throws(
      () => classesOf('export class FeedError extends AppError<string> {}'),
      /not understood: TsKeywordType/
    )
    assert.throws(() => classesOf('export class FeedError extends AppError<Elsewhere> {}'), /Elsewhere is not declared/)
  })
})
