import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ReadGarbage } from '#src/util/index.ts'

describe('garbage of reads', () => {
  test('is collected once for so many bytes, in whatever pieces they come', () => {
    const collected: number[] = []
    let read = 0
    const garbage = new ReadGarbage(1000, () => collected.push(read))
    for (const bytes of [400, 400, 199, 1, 999, 2500, 999, 1]) {
      read += bytes
      garbage.add(bytes)
    }
    assert.deepEqual(collected, [1000, 4499, 5499])
  })
})
