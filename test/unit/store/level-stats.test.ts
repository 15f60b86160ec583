import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseLevelStats } from '#src/store/level-stats.ts'

/** As LevelDB 1.20 prints it (`db/db_impl.cc`, `GetProperty`). */
const STATS = `                               Compactions
Level  Files Size(MB) Time(sec) Read(MB) Write(MB)
--------------------------------------------------
  0        2        3         1        0         4
  1       12       25         7       40        38
`

test('the levels of a database are summed', () => {
  assert.deepEqual(parseLevelStats(STATS, '4194304'), {
    files: 14,
    bytes: 28 * 1024 ** 2,
    compactionSeconds: 8,
    compactionReadBytes: 40 * 1024 ** 2,
    compactionWrittenBytes: 42 * 1024 ** 2,
    memoryBytes: 4_194_304
  })
})

test('an empty database, or a text that says nothing, is all zero', () => {
  const head = STATS.split('\n').slice(0, 3).join('\n')
  for (const text of [head, '', 'no such property']) {
    assert.ok(Object.values(parseLevelStats(text, '')).every((value) => value === 0))
  }
})
