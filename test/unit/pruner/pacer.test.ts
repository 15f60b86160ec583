import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultPrunerOptions } from '#src/pruner/index.ts'
import { Pacer } from '#src/pruner/pacer.ts'

const FREE = { queue: 0, diskPressure: 0 }
const options = { ...defaultPrunerOptions, idleShare: 0.5, busyShare: 0.02, maxPauseMs: 1_000 }
const step = { busyMs: 10, freedBytes: 0, load: FREE, backlog: 0 }

void describe('pace of pruning', () => {
  void it('takes its idle share of a node with nothing else to do', () => {
    assert.equal(new Pacer(options).pauseAfter(step), 10)
  })

  void it('takes its busy share when much is waiting, or the loop is late', () => {
    const queue = new Pacer(options)
    assert.equal(Math.round(queue.pauseAfter({ ...step, load: { ...FREE, queue: 65 } })), 490)
    const late = new Pacer(options)
    for (let time = 0; time < 10; time += 1) late.noteLag(30)
    assert.equal(Math.round(late.pauseAfter(step)), 490)
    for (let time = 0; time < 10; time += 1) late.noteLag(0)
    assert.equal(late.pauseAfter(step), 10)
  })

  for (const [what, load, backlog] of [
    ['backlog', { queue: 999, diskPressure: 0 }, 1],
    ['a filling disk', { queue: 999, diskPressure: 1 }, 0]
  ] as const) {
    void it(`takes more of a busy node as ${what} presses`, () => {
      const pacer = new Pacer(options)
      assert.equal(pacer.pauseAfter({ ...step, load, backlog }), 10)
      const half = pacer.pauseAfter({
        ...step,
        load: { ...load, diskPressure: load.diskPressure / 2 },
        backlog: backlog / 2
      })
      assert.ok(half > 20 && half < 40, `${half} ms`)
    })
  }

  void it('never pauses longer than the longest pause, so that it does not starve', () => {
    assert.equal(new Pacer(options).pauseAfter({ ...step, busyMs: 500, load: { ...FREE, queue: 999 } }), 1_000)
  })

  void it('pays for what it deleted beyond its rate', () => {
    const pacer = new Pacer({ ...options, bytesPerSecond: 1_000 })
    assert.equal(pacer.pauseAfter({ ...step, freedBytes: 2_010 }), 2_000)
    assert.equal(pacer.pauseAfter(step), 10)
  })
})
