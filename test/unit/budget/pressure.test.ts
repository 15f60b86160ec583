import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import { createBudgetMetrics, type MemoryWatchReading, MemoryWatch } from '#src/budget/index.ts'
import { PRESSURE_OPTIONS } from '#src/budget/options.ts'
import { atLeast, PRESSURE_LEVELS, PressureGauge } from '#src/budget/pressure.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const { enterAt, hysteresis, dwellMs } = PRESSURE_OPTIONS

describe('pressure gauge', () => {
  it('rises at once, over several levels if need be', () => {
    const gauge = new PressureGauge(PRESSURE_OPTIONS)
    assert.equal(gauge.update(enterAt.shrink - 0.01, 0), 'none')
    assert.equal(gauge.update(enterAt.hold, 1), 'hold')
    assert.equal(gauge.update(2, 2), 'refuse')
  })

  it('comes down a level at a time, only well below the entry and after the dwell', () => {
    const gauge = new PressureGauge(PRESSURE_OPTIONS)
    gauge.update(1, 0)
    assert.equal(gauge.update(0, dwellMs - 1), 'refuse')
    assert.equal(gauge.update(enterAt.refuse - hysteresis / 2, dwellMs), 'refuse')
    assert.equal(gauge.update(0, dwellMs), 'shed')
    assert.equal(gauge.update(0, dwellMs + 1), 'shed')
    assert.equal(gauge.update(0, 2 * dwellMs), 'hold')
  })

  it('never flaps: between two changes downwards lies the dwell, and no share inside the hysteresis changes anything', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1.2, noNaN: true }), { maxLength: 60 }), (shares) => {
        const gauge = new PressureGauge(PRESSURE_OPTIONS)
        let changedAt = Number.NEGATIVE_INFINITY
        shares.forEach((share, at) => {
          const before = gauge.level
          const now = at * 700
          const after = gauge.update(share, now)
          if (after === before) return
          if (atLeast(before, after)) assert.ok(now - changedAt >= dwellMs)
          changedAt = now
        })
      })
    )
  })

  it('orders its levels', () => {
    assert.ok(atLeast('refuse', 'shed') && atLeast('shed', 'shed') && !atLeast('hold', 'shed'))
    const entries = PRESSURE_LEVELS.flatMap((level) => (level === 'none' ? [] : [enterAt[level]]))
    assert.deepEqual(
      entries,
      [...entries].sort((a, b) => a - b)
    )
  })
})

describe('memory watch', () => {
  const make = () => {
    const clock = new VirtualClock()
    const register = new Registry()
    const world = { resident: 10, limit: 100, budget: { reservedBytes: 4, elasticBytes: 0, totalBytes: 50 } }
    const watch = new MemoryWatch(
      {
        budget: world.budget,
        clock,
        metrics: createBudgetMetrics(register),
        readResident: () => world.resident,
        readLimit: () => world.limit
      },
      { everyMs: 500 }
    )
    const seen: string[] = []
    watch.onLevel((reading: MemoryWatchReading, before) => seen.push(`${before}>${reading.level}`))
    return { clock, register, watch, world, seen }
  }

  it('sees resident memory rise, and what stands in no account', async () => {
    const { clock, register, watch, world, seen } = make()
    await watch.start()
    world.resident = 95
    await clock.run(500)
    assert.deepEqual(seen, ['none>refuse'])
    assert.equal(watch.reading.unaccountedBytes, 91)
    const text = await register.metrics()
    assert.match(text, /sealsync_budget_pressure_level 4/)
    assert.match(text, /sealsync_budget_pressure_changes_total\{level="refuse"\} 1/)
    await watch.stop()
  })

  it('sees a limit that shrinks while it runs', async () => {
    const { clock, watch, world, seen } = make()
    await watch.start()
    await clock.run(1000)
    assert.deepEqual(seen, [])
    world.limit = 12
    await clock.run(1500)
    assert.deepEqual(seen, ['none>hold'])
    world.limit = 100
    await clock.run(8000)
    assert.deepEqual(seen, ['none>hold', 'hold>shrink', 'shrink>none'])
    await watch.stop()
  })

  it('takes full accounts for pressure, but not what elastic holders give back', async () => {
    const { clock, watch, world, seen } = make()
    await watch.start()
    world.budget.reservedBytes = 50
    world.budget.elasticBytes = 30
    await clock.run(500)
    assert.deepEqual(seen, [])
    world.budget.elasticBytes = 0
    await clock.run(1000)
    assert.deepEqual(seen, ['none>refuse'])
    await watch.stop()
    const looks = seen.length
    world.budget.reservedBytes = 0
    await clock.run(20_000)
    assert.equal(seen.length, looks)
  })
})
