import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TakePace } from '#src/exchange/server/take-pace.ts'
import { seededRng } from '#src/util/index.ts'

/** Bytes a ms. */
const PACE = 1_000
const BURST = 2_000_000

/** A link that swallows a burst and then takes what it carries, more or less, in ticks of 20 ms. */
function saturated(pace: TakePace, from: { now: number; left: number }, ms: number): { now: number; left: number } {
  const rng = seededRng(7)
  let { now, left } = from
  pace.begin(now, left)
  left += BURST
  pace.taken(now, left, false)
  const until = now + ms
  while (now < until) {
    now += 20
    left += 20 * PACE * (0.5 + rng.next())
    pace.taken(now, left, false)
  }
  return { now, left }
}

describe('the pace at which a peer takes what it is sent', () => {
  it('is not known at first, and then tells what buffers have swallowed', () => {
    const pace = new TakePace()
    pace.begin(0, 0)
    pace.taken(0, 50_000, true)
    assert.equal(pace.aheadMs(0, 50_000), 0)
    const { now, left } = saturated(pace, { now: 10_000, left: 50_000 }, 400)
    const ahead = pace.aheadMs(now, left)
    assert.ok(ahead > 1_000 && ahead < 3_000, `${ahead} ms`)
    assert.equal(pace.aheadMs(now + 4_000, left), 0)
  })

  it('does not make ever more of what is on its way while a link is full for long', () => {
    const pace = new TakePace()
    const { now, left } = saturated(pace, { now: 0, left: 0 }, 120_000)
    const ahead = pace.aheadMs(now, left)
    assert.ok(ahead < 5_000, `${ahead} ms`)
    assert.equal(pace.aheadMs(now + 5_001, left), 0)
  })

  it('is forgotten with the stream, and when it was seen too long ago', () => {
    const pace = new TakePace()
    const { now, left } = saturated(pace, { now: 0, left: 0 }, 1_000)
    const later = now + 61_000
    pace.begin(later, left)
    pace.taken(later, left + BURST, true)
    assert.equal(pace.aheadMs(later, left + BURST), 0)
    const again = saturated(pace, { now: later, left }, 1_000)
    assert.ok(pace.aheadMs(again.now, again.left) > 0)
    pace.reset()
    assert.equal(pace.aheadMs(again.now, 0), 0)
  })
})
