import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkDeadCode } from './dead-code.ts'
import { type Files, manifestWith, problemsIn } from './fixture.ts'

/** Nothing dead: one command, one room with a door, one test. */
const LIVE: Files = {
  'package.json': manifestWith({ dependencies: {}, devDependencies: {}, scripts: {} }),
  'bin/sealsync.mjs': "const { main } = await import('../cmd/main.ts')\nmain()\n",
  'cmd/main.ts': "import { one } from '#src/util/index.ts'\nexport const main = (): number => one()\n",
  'src/util/index.ts': "export { one, type One } from './one.ts'\n",
  'src/util/one.ts': 'export type One = number\nexport const one = (): One => 1\n',
  'test/unit/one.test.ts': "import { one } from '#src/util/index.ts'\none()\n"
}

const PLANTED: readonly { readonly name: string; readonly files: Files; readonly problem: RegExp }[] = [
  {
    name: 'an unused export',
    files: { 'src/util/one.ts': `${LIVE['src/util/one.ts']}export const two = 2\n` },
    problem: /^src\/util\/one\.ts:\d+ two: is exported and nobody imports it$/
  },
  {
    name: 'an unused export at a door',
    files: {
      'src/util/index.ts': "export { one, two } from './one.ts'\n",
      'src/util/one.ts': `${LIVE['src/util/one.ts']}export const two = 2\n`
    },
    problem: /^src\/util\/index\.ts:\d+ two: is exported and nobody imports it$/
  },
  {
    name: 'an unused type',
    files: { 'src/util/one.ts': `${LIVE['src/util/one.ts']}export type Two = 2\n` },
    problem: /^src\/util\/one\.ts:\d+ Two: is exported as a type and nobody imports it$/
  },
  {
    name: 'an unused file',
    files: { 'src/util/two.ts': 'export const two = 2\n' },
    problem: /^src\/util\/two\.ts: nothing imports this file$/
  },
  {
    name: 'a file that tests alone use',
    files: {
      'src/util/two.ts': 'export const two = 2\n',
      'test/unit/two.test.ts': "import { two } from '#src/util/two.ts'\nconsole.log(two)\n"
    },
    problem: /^src\/util\/two\.ts: no product code imports this file$/
  },
  {
    name: 'an unused dependency',
    files: { 'package.json': manifestWith({ dependencies: { level: '10.0.0' }, devDependencies: {}, scripts: {} }) },
    problem: /^package\.json(:\d+)? level: stands in dependencies and is not used$/
  },
  {
    name: 'a dependency that is not declared',
    files: { 'src/util/one.ts': `import 'level'\n${LIVE['src/util/one.ts']}` },
    problem: /^src\/util\/one\.ts:\d+ level: is imported and does not stand in package\.json$/
  }
]

describe('planted dead code', () => {
  it('a tree without dead code passes', async () => {
    assert.deepEqual(await problemsIn(checkDeadCode, LIVE), [])
  })

  for (const { name, files, problem } of PLANTED) {
    it(`${name} fails`, async () => {
      const problems = await problemsIn(checkDeadCode, { ...LIVE, ...files })
      assert.ok(
        problems.some((text) => problem.test(text)),
        `${problem} in ${JSON.stringify(problems, null, 1)}`
      )
    })
  }
})
