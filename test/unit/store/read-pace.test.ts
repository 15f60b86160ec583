import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadPace } from '#src/store/read-pace.ts'

/** A pace whose reads take so long, ms. */
function paceOf(): { readonly pace: ReadPace; readonly read: (ms: number) => 'here' | 'here, slow' | 'apart' } {
  let at = 0
  const pace = new ReadPace({ now: () => at })
  const read = (ms: number): 'here' | 'here, slow' | 'apart' => {
    if (!pace.isQuick()) return 'apart'
    at += ms
    return pace.isSlow() ? 'here, slow' : 'here'
  }
  return { pace, read }
}

test('reads stay in the thread while they are quick', () => {
  const { read } = paceOf()
  for (let count = 0; count < 1000; count += 1) assert.equal(read(0.15), 'here')
})

test('after a slow one 256 go to other threads, then one is tried', () => {
  const { read } = paceOf()
  for (let round = 0; round < 3; round += 1) {
    assert.equal(read(12), 'here, slow')
    for (let count = 0; count < 256; count += 1) assert.equal(read(12), 'apart')
  }
  assert.equal(read(0.1), 'here')
  assert.equal(read(0.1), 'here')
})

test('each of several keys read in a row has its own time', () => {
  let at = 0
  const pace = new ReadPace({ now: () => at })
  assert.equal(pace.isQuick(), true)
  for (let key = 0; key < 64; key += 1) {
    at += 0.15
    assert.equal(pace.isSlow(), false, `key ${key}`)
  }
  at += 0.3
  assert.equal(pace.isSlow(), true)
  assert.equal(pace.isQuick(), false)
})
