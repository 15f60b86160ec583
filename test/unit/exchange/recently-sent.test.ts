import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RecentlySent } from '#src/exchange/server/recently-sent.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'

const FOR_MS = 60_000

describe('what was sent lately', () => {
  it('is remembered for a minute, by its last time', () => {
    const key = seededBlob(1, 10).cid.key
    const sent = new RecentlySent({ forMs: FOR_MS, most: 4_096 })
    assert.equal(sent.at(key, 0), undefined)
    sent.note(key, 5)
    assert.equal(sent.at(key, 5), 5)
    assert.equal(sent.at(key, FOR_MS + 5), 5)
    assert.equal(sent.at(key, FOR_MS + 6), undefined)
    sent.note(key, 30_000)
    assert.equal(sent.at(key, FOR_MS + 6), 30_000)
    sent.clear()
    assert.equal(sent.at(key, FOR_MS + 6), undefined)
  })

  it('says what a map of all times would say, as long as there are no more than it holds', () => {
    const keys = Array.from({ length: 300 }, (_, at) => seededBlob(at, 10).cid.key)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(299), fc.nat(3_000)), { maxLength: 400 }), (steps) => {
        const sent = new RecentlySent({ forMs: FOR_MS, most: 4_096 })
        const all = new Map<string, number>()
        let now = 0
        for (const [at, later] of steps) {
          const key = keys[at]
          if (key === undefined) continue
          now += later
          const known = all.get(key)
          assert.equal(sent.at(key, now), known === undefined || now - known > FOR_MS ? undefined : known)
          sent.note(key, now)
          all.set(key, now)
        }
      })
    )
  })

  it('forgets the oldest when there are more than it holds, and never the newest', () => {
    const most = 64
    const sent = new RecentlySent({ forMs: FOR_MS, most })
    const keys = Array.from({ length: 10 * most }, (_, at) => seededBlob(at, 10).cid.key)
    keys.forEach((key, at) => sent.note(key, at))
    const known = keys.filter((key) => sent.at(key, keys.length) !== undefined)
    assert.ok(known.length <= most)
    assert.deepEqual(known, keys.slice(-known.length))
    assert.ok(known.length >= (most * 3) / 4)
  })
})
