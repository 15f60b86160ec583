import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { duplicateFigures } from '#src/node/status.ts'

describe('duplicate figures', () => {
  it('count duplicates and partials against what was useful, and duplicates against everything', () => {
    const figures = duplicateFigures({ received: 1300, useful: 1000, duplicate: 200, partial: 100 })
    assert.equal(figures.duplicateRatio, 0.3)
    assert.equal(figures.duplicateShareOfReceived, 200 / 1300)
  })

  it('are finite when nothing was useful, or nothing came at all', () => {
    assert.deepEqual(duplicateFigures({ received: 5, useful: 0, duplicate: 5, partial: 0 }), {
      duplicateRatio: 1,
      duplicateShareOfReceived: 1
    })
    assert.deepEqual(duplicateFigures({ received: 0, useful: 0, duplicate: 0, partial: 0 }), {
      duplicateRatio: 0,
      duplicateShareOfReceived: 0
    })
  })
})
