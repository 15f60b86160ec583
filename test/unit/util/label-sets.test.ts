import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelSets } from '#src/util/index.ts'

test('every combination once, and one empty set when there is no label', () => {
  assert.deepEqual(labelSets({ a: ['1', '2'], b: ['x', 'y', 'z'] }), [
    { a: '1', b: 'x' },
    { a: '1', b: 'y' },
    { a: '1', b: 'z' },
    { a: '2', b: 'x' },
    { a: '2', b: 'y' },
    { a: '2', b: 'z' }
  ])
  assert.deepEqual(labelSets({}), [{}])
  assert.deepEqual(labelSets({ a: [] }), [])
})
