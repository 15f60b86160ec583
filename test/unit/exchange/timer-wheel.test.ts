import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Clock, defaultTimerWheelOptions, TimerWheel } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

describe('timer wheel', () => {
  test('every timer runs once, not early and at most a slot late', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3000), fc.nat(20_000)), { maxLength: 40 }), async (plan) => {
        const clock = new VirtualClock()
        const wheel = new TimerWheel(clock, { slotMs: 25, slots: 16 })
        const ran: number[] = plan.map(() => 0)
        plan.forEach(([at, delay], index) => {
          clock.setTimer(at, () => {
            const due = clock.now() + delay
            wheel.schedule(delay, () => {
              ran[index] = (ran[index] ?? 0) + 1
              assert.ok(clock.now() >= due - 1e-6, `${clock.now()} before ${due}`)
              assert.ok(clock.now() <= due + 50 + 1e-6, `${clock.now()} long after ${due}`)
            })
          })
        })
        await clock.run(30_000)
        assert.deepEqual(
          ran,
          plan.map(() => 1)
        )
        assert.equal(wheel.size, 0)
      }),
      { numRuns: 20 }
    )
  })

  test('a cancelled timer does not run, and cancelling twice is harmless', async () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock, defaultTimerWheelOptions)
    const ran: string[] = []
    const first = wheel.schedule(100, () => ran.push('first'))
    wheel.schedule(100, () => ran.push('second'))
    first.cancel()
    first.cancel()
    assert.equal(wheel.size, 1)
    await clock.run(1000)
    assert.deepEqual(ran, ['second'])
  })

  test('a timer may cancel one of the same slot', async () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock, defaultTimerWheelOptions)
    const ran: string[] = []
    wheel.schedule(100, () => {
      ran.push('first')
      second.cancel()
    })
    const second = wheel.schedule(100, () => ran.push('second'))
    await clock.run(1000)
    assert.deepEqual(ran, ['first'])
  })

  test('a process that was not looking for a second has not lost a second', () => {
    let now = 0
    const set: (() => void)[] = []
    const clock: Clock = {
      now: () => now,
      wallNow: () => now,
      setTimer: (_, run) => {
        set.push(run)
        return { cancel() {} }
      }
    }
    const wheel = new TimerWheel(clock, { slotMs: 25, slots: 64 })
    let ran = false
    wheel.schedule(500, () => {
      ran = true
    })
    now = 1000
    set.shift()?.()
    assert.equal(ran, false)
    assert.equal(wheel.now(), 50)
  })

  test('a stopped wheel runs nothing', async () => {
    const clock = new VirtualClock()
    const wheel = new TimerWheel(clock, defaultTimerWheelOptions)
    let ran = false
    wheel.schedule(10, () => {
      ran = true
    })
    wheel.stop()
    await clock.run(1000)
    assert.equal(ran, false)
    assert.equal(wheel.size, 0)
  })
})
