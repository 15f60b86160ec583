import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type Files, manifestWith, problemsIn } from './fixture.ts'
import { checkHygiene } from './hygiene.ts'

const LOCK = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')
const MIB = 1024 * 1024

/** Put together here, so that this file does not hold what it plants. */
const word = (...parts: readonly string[]): string => parts.join('')

interface Planted {
  readonly name: string
  readonly files: Files
  readonly problem: RegExp
}

const PLANTED: readonly Planted[] = [
  {
    name: 'a path of a machine',
    files: { 'docs/one.md': `See ${word('/ho', 'me/user/one')}.\n` },
    problem: /^docs\/one\.md:1: a path of some machine/
  },
  {
    name: 'the address of a registry',
    files: { '.npmrc': `${word('regis', 'try')}=https://packages.example/\n` },
    problem: /^\.npmrc:1: an address of a package registry/
  },
  {
    name: 'a download address in the lock',
    files: { 'package-lock.json': LOCK.replace('"integrity":', `${word('"resol', 'ved"')}: "x",\n      "integrity":`) },
    problem: /^package-lock\.json:\d+: a download address/
  },
  {
    name: 'a version that is not exact',
    files: { 'package.json': manifestWith({ dependencies: { level: '^10.0.0' } }) },
    problem: /^package\.json: level@\^10\.0\.0 is not an exact version$/
  },
  {
    name: 'a lock that does not fit package.json',
    files: { 'package.json': manifestWith({ version: '99.0.0' }) },
    problem: /^package-lock\.json: version differs from package\.json/
  },
  {
    name: 'a dependency that the lock has in another version',
    files: { 'package.json': manifestWith({ dependencies: { level: '9.9.9' } }) },
    problem: /^package-lock\.json: has no level@9\.9\.9/
  },
  {
    name: 'a lock without one of the packages that are needed',
    files: { 'package-lock.json': LOCK.replace('"node_modules/abstract-level"', '"node_modules/abstract-other"') },
    problem: /^package-lock\.json: node_modules\/.* needs abstract-level, which is not there/
  },
  {
    name: 'a dependency that may not be passed on',
    files: {
      'package-lock.json': LOCK.replace(/("node_modules\/commander": \{[^}]*?"license": )"MIT"/, '$1"AGPL-3.0"')
    },
    problem: /^package-lock\.json: node_modules\/.* has the licence AGPL-3\.0$/
  },
  {
    name: 'another licence',
    files: { 'package.json': manifestWith({ license: 'UNLICENSED' }) },
    problem: /^package\.json: the licence is Apache-2\.0 OR MIT$/
  },
  {
    name: 'a file of more than 5 MiB',
    files: { 'docs/large.txt': 'x'.repeat(5 * MIB + 1) },
    problem: /^docs\/large\.txt: 5\.0 MiB is more than 5\.0 MiB$/
  },
  {
    name: 'a repository of more than 60 MiB',
    files: { 'test/fixtures/large.txt': 'x'.repeat(60 * MIB) },
    problem: /^the repository takes 60\.\d MiB, more than 60\.0 MiB$/
  },
  ...['only', 'skip', 'todo'].flatMap((mode) => [
    {
      name: `test.${mode}`,
      files: { 'test/unit/one.test.ts': `test.${mode}('one', () => {})\n` },
      problem: /^test\/unit\/one\.test\.ts:1: a test that does not run/
    },
    {
      name: `the option ${mode}`,
      files: { 'test/unit/one.test.ts': `test('one', { ${mode}: true }, () => {})\n` },
      problem: /^test\/unit\/one\.test\.ts:1: a test that does not run/
    }
  ]),
  {
    name: 'unfinished work',
    files: { 'src/util/one.ts': `// ${word('TO', 'DO')}: the rest\n` },
    problem: /^src\/util\/one\.ts:1: unfinished work/
  },
  {
    name: 'a rule that is switched off',
    files: { 'src/util/one.ts': `// ${word('oxlint', '-disable')} max-lines\n` },
    problem: /^src\/util\/one\.ts:1: a rule is switched off/
  },
  {
    name: 'a run that ends with handles open',
    files: { '.ci/run': `node --test ${word('--test-force', '-exit')}\n` },
    problem: /^\.ci\/run:1: a leaked handle must show/
  }
]

describe('planted violations of the hygiene of the repository', () => {
  it('a clean repository passes', async () => {
    const files = {
      'docs/one.md': 'See `/etc/sealsync` and docs/home/one.\n',
      'test/unit/one.test.ts': "test('one', { skip: false }, () => {})\n",
      'test/fixtures/large.txt': 'x'.repeat(6 * MIB)
    }
    assert.deepEqual(await problemsIn(checkHygiene, files), [])
  })

  for (const { name, files, problem } of PLANTED) {
    it(`${name} fails`, async () => {
      const problems = await problemsIn(checkHygiene, files)
      assert.ok(
        problems.some((text) => problem.test(text)),
        `${problem} in ${JSON.stringify(problems, null, 1)}`
      )
    })
  }
})
