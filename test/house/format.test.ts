import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemsIn } from './fixture.ts'
import { checkFormat } from './format.ts'

test('a formatted tree passes', async () => {
  assert.deepEqual(await problemsIn(checkFormat, { 'src/model/one.ts': "export const one = 'one'\n" }), [])
})

test('a planted file that is badly formatted fails', async () => {
  assert.deepEqual(await problemsIn(checkFormat, { 'src/model/one.ts': 'export const one   = "one";\n' }), [
    'src/model/one.ts: not formatted, run `npm run format`'
  ])
})

test('a planted file with a syntax error fails', async () => {
  const problems = await problemsIn(checkFormat, { 'src/model/one.ts': 'export const = 1\n' })
  assert.match(problems.join('\n'), /src\/model\/one\.ts/)
})
