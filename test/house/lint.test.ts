import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { problemsIn } from './fixture.ts'
import { checkLint } from './lint.ts'

interface Planted {
  readonly name: string
  readonly file: string
  readonly text: string
  readonly rule: string
}

const lines = (count: number): string => '  value += 1\n'.repeat(count)
const oversize = (count: number): string =>
  `export function long(): number {\n  let value = 0\n${lines(count - 4)}  return value\n}\n`

const longFile = (count: number): string => `export const one = 1\n${'// line\n'.repeat(count - 1)}`

const PLANTED: readonly Planted[] = [
  {
    name: 'a floating promise',
    file: 'src/store/one.ts',
    text: 'export async function one(): Promise<void> {}\nexport function two(): void {\n  one()\n}\n',
    rule: 'no-floating-promises'
  },
  {
    name: 'a floating promise within a test',
    file: 'test/unit/one.test.ts',
    text: "import { test } from 'node:test'\nasync function one(): Promise<void> {}\ntest('one', () => {\n  one()\n})\n",
    rule: 'no-floating-promises'
  },
  {
    name: 'an async function where a result is thrown away',
    file: 'src/store/one.ts',
    text: 'export function one(values: number[]): void {\n  values.forEach(async () => {})\n}\n',
    rule: 'no-misused-promises'
  },
  { name: 'a function of 61 lines', file: 'src/store/one.ts', text: oversize(61), rule: 'max-lines-per-function' },
  {
    name: 'a function of 61 lines in a command',
    file: 'cmd/one.ts',
    text: oversize(61),
    rule: 'max-lines-per-function'
  },
  {
    name: 'four parameters',
    file: 'src/store/one.ts',
    text: 'export const one = (a: number, b: number, c: number, d: number): number => a + b + c + d\n',
    rule: 'max-params'
  },
  { name: 'a file of 401 lines', file: 'src/store/one.ts', text: longFile(401), rule: 'max-lines' },
  { name: 'a test file of 401 lines', file: 'test/unit/one.test.ts', text: longFile(401), rule: 'max-lines' },
  {
    name: 'the wall clock',
    file: 'src/store/one.ts',
    text: 'export const one = (): number => Date.now()\n',
    rule: 'no-restricted-properties'
  },
  {
    name: 'a bare timer',
    file: 'src/store/one.ts',
    text: 'export const one = (run: () => void): unknown => setTimeout(run, 1)\n',
    rule: 'no-restricted-globals'
  },
  {
    name: 'a timer by import',
    file: 'src/store/one.ts',
    text: "export { setTimeout as one } from 'node:timers/promises'\n",
    rule: 'no-restricted-imports'
  },
  {
    name: 'chance',
    file: 'src/node/one.ts',
    text: 'export const one = (): number => Math.random()\n',
    rule: 'no-restricted-properties'
  },
  {
    name: 'the end of the process',
    file: 'src/node/one.ts',
    text: 'export const one = (): never => process.exit(1)\n',
    rule: 'no-restricted-properties'
  },
  {
    name: 'a word to the console',
    file: 'src/store/one.ts',
    text: "export const one = (): void => console.log('one')\n",
    rule: 'no-console'
  },
  { name: 'a default export', file: 'src/store/one.ts', text: 'export default 1\n', rule: 'no-default-export' }
]

describe('planted lint violations', () => {
  for (const { name, file, text, rule } of PLANTED) {
    it(`${name} fails`, async () => {
      const problems = await problemsIn(checkLint, { [file]: text })
      assert.equal(problems.length, 1, `one problem, not ${JSON.stringify(problems)}`)
      assert.ok(problems[0]?.startsWith(file) && problems[0].includes(`(${rule})`), problems[0])
    })
  }

  it('what stays within the bounds passes', async () => {
    assert.deepEqual(
      await problemsIn(checkLint, {
        'src/store/one.ts': oversize(60),
        'src/store/two.ts': longFile(400),
        'src/util/clock.ts': 'export const now = (): number => Date.now()\n',
        'src/util/turn.ts': "export { setImmediate as turn } from 'node:timers/promises'\n",
        'src/node/three.ts': 'export const now = (): number => Date.now()\n',
        'cmd/main.ts': 'export const end = (): never => process.exit(0)\n',
        'test/unit/one.test.ts':
          "import { describe, it, test } from 'node:test'\ndescribe('one', () => {\n  it('two', () => {})\n})\ntest('three', async () => {})\n"
      }),
      []
    )
  })

  it('a tree of which the linter reads nothing fails', async () => {
    assert.notDeepEqual(await problemsIn(checkLint, { '.dependency-cruiser.cjs': '', 'src/generated/one.ts': '' }), [])
  })
})
