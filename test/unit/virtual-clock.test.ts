import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Timer } from '#src/util/index.ts'
import { LEAST_SWEPT, settleInTicks, VirtualClock } from '#test/support/virtual-clock.ts'

interface Planned {
  /** When it is set, and how long it waits, ms. */
  readonly at: number
  readonly delay: number
  /** When it is cancelled, ms: never in the moment in which it is set or due. */
  readonly cancelAt: number | undefined
}

const planned = fc.record({
  at: fc.nat(40),
  delay: fc.nat(40),
  cancelAt: fc.option(
    fc.nat(90).map((ms) => ms + 0.5),
    { nil: undefined }
  )
})

describe('virtual clock', () => {
  test('runs what is due, in order of time and then of setting, each once, and nothing that was cancelled before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(planned, { maxLength: 60 }), async (plan: Planned[]) => {
        const clock = new VirtualClock(settleInTicks())
        const timers = new Map<Planned, Timer>()
        const set: Planned[] = []
        const ran: { readonly event: Planned; readonly at: number }[] = []
        for (const event of plan) {
          clock.setTimer(event.at, () => {
            set.push(event)
            timers.set(
              event,
              clock.setTimer(event.delay, () => ran.push({ event, at: clock.now() }))
            )
          })
          if (event.cancelAt !== undefined) clock.setTimer(event.cancelAt, () => timers.get(event)?.cancel())
        }
        await clock.run(200)
        // The sort is stable: what is due in one moment stays in the order in which it was set.
        const expected = set.filter(isKept).sort((a, b) => dueOf(a) - dueOf(b))
        assert.deepEqual(
          ran,
          expected.map((event) => ({ event, at: dueOf(event) }))
        )
        assert.equal(clock.held, 0)
      }),
      { numRuns: 200 }
    )
  })

  test('holds at most as many cancelled events as others, but for the few that no sweep is worth', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.tuple(fc.nat(1000), fc.integer({ min: 1, max: 10 }))), async (stream) => {
        const clock = new VirtualClock(settleInTicks())
        const ran: number[] = []
        const left: number[] = []
        let cancelled = 0
        for (let count = 0; count < 4 * LEAST_SWEPT; count += 1) {
          const [delay, kept] = stream.next().value as [number, number]
          const timer = clock.setTimer(delay, () => ran.push(clock.now()))
          if (kept === 1) left.push(delay)
          else {
            timer.cancel()
            timer.cancel()
            cancelled += 1
          }
          assert.ok(clock.held - left.length <= Math.max(LEAST_SWEPT, left.length) + 1, `${clock.held} held`)
        }
        assert.ok(cancelled > 2 * LEAST_SWEPT && left.length > 0, 'too few were cancelled for a sweep')
        await clock.run(1000)
        assert.deepEqual(
          ran,
          left.sort((a, b) => a - b)
        )
      }),
      { numRuns: 3 }
    )
  })

  test('to cancel what has run is harmless, however much of it', async () => {
    const clock = new VirtualClock(settleInTicks())
    const timers = Array.from({ length: LEAST_SWEPT + 1 }, () => clock.setTimer(1, () => {}))
    await clock.run(1)
    let ran = 0
    for (let count = 0; count < 10; count += 1) clock.setTimer(1, () => (ran += 1))
    for (const timer of timers) timer.cancel()
    await clock.run(2)
    assert.equal(ran, 10)
  })

  test('time stops where it was told, and nothing later has run', async () => {
    const clock = new VirtualClock(settleInTicks())
    const ran: number[] = []
    for (const delay of [10, 20, 20.5]) clock.setTimer(delay, () => ran.push(delay))
    await clock.run(20)
    assert.deepEqual([clock.now(), ran], [20, [10, 20]])
    await clock.run(15)
    assert.equal(clock.now(), 20)
    clock.setTimer(-5, () => ran.push(-5))
    await clock.run(20.5)
    assert.deepEqual(ran, [10, 20, -5, 20.5])
  })

  test('what a promise sets off runs before the next event', async () => {
    const clock = new VirtualClock()
    const ran: string[] = []
    clock.setTimer(1, () => void Promise.resolve().then(() => ran.push('promise')))
    clock.setTimer(1, () => ran.push('next'))
    await clock.run(1, () => ran.push('after'))
    assert.deepEqual(ran, ['promise', 'after', 'next', 'after'])
  })
})

const dueOf = ({ at, delay }: Planned): number => at + delay

/** It was not cancelled, or too early (it was not set yet) or too late. */
const isKept = (event: Planned): boolean =>
  event.cancelAt === undefined || event.cancelAt < event.at || event.cancelAt > dueOf(event)
