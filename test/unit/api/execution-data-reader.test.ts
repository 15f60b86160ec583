import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { absentHeight, type HeldRange } from '#src/api/execution-data-reader.ts'

test('what is said of a height that is not tracked', () => {
  const cases: readonly (readonly [height: number, range: Partial<HeldRange>, code: string])[] = [
    // Nothing known at all: it may come.
    [5, {}, 'not-available'],
    [5, { feed: 5 }, 'not-available'],
    [6, { feed: 5 }, 'unknown-height'],
    [5, { lowest: 10, highest: 20 }, 'unknown-height'],
    [15, { lowest: 10, highest: 20 }, 'not-available'],
    [21, { lowest: 10, highest: 20 }, 'unknown-height'],
    [21, { lowest: 10, highest: 20, feed: 21 }, 'not-available'],
    [22, { lowest: 10, highest: 20, feed: 21 }, 'unknown-height'],
    // A feed that was started anew and is behind what is held.
    [19, { lowest: 10, highest: 20, feed: 3 }, 'not-available'],
    [9, { lowest: 10, highest: 20, prunedTo: 9 }, 'pruned'],
    [8, { lowest: 10, highest: 20, prunedTo: 7 }, 'unknown-height'],
    // All that was held is pruned.
    [0, { prunedTo: 9, feed: 20 }, 'pruned'],
    [10, { prunedTo: 9, feed: 20 }, 'not-available'],
    [0, { lowest: 0, highest: 0, feed: 0 }, 'not-available']
  ]
  for (const [height, range, code] of cases) {
    const all = { lowest: undefined, highest: undefined, prunedTo: undefined, feed: undefined, ...range }
    const error = absentHeight(height, all)
    assert.equal(error.code, code, JSON.stringify([height, range]))
    assert.match(error.message, range.lowest === undefined ? /no heights yet/ : /10\.\.20|0\.\.0/)
  }
})

test('a height above everything known is never promised, one at or below the pruned line never either', () => {
  const height = fc.option(fc.nat(50), { nil: undefined })
  fc.assert(
    fc.property(fc.nat(60), fc.nat(40), fc.nat(10), height, height, (asked, lowest, span, feed, prunedTo) => {
      const highest = lowest + span
      const { code } = absentHeight(asked, { lowest, highest, feed, prunedTo })
      if (asked > Math.max(highest, feed ?? 0) || asked < lowest) assert.notEqual(code, 'not-available')
      if (prunedTo !== undefined && asked <= prunedTo) assert.equal(code, 'pruned')
    })
  )
})
