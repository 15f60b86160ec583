import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problemsIn } from './fixture.ts'
import { checkTypes } from './types.ts'

test('a tree without type errors passes', async () => {
  assert.deepEqual(await problemsIn(checkTypes, { 'src/model/one.ts': 'export const one: number = 1\n' }), [])
})

test('a planted type error fails', async () => {
  const problems = await problemsIn(checkTypes, { 'src/model/one.ts': "export const one: number = 'one'\n" })
  assert.match(problems.join('\n'), /src\/model\/one\.ts\(1,14\): error TS2322/)
})

test('a tree of which the compiler reads nothing fails', async () => {
  assert.notDeepEqual(await problemsIn(checkTypes, {}), [])
})

test('syntax that cannot be erased fails', async () => {
  const problems = await problemsIn(checkTypes, { 'src/model/one.ts': 'export enum One {\n  A\n}\n' })
  assert.match(problems.join('\n'), /TS1294/)
})
