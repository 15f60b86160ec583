import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { createBudgetMetrics, defaultIdleOptions, type IdleOptions, IdleWatch } from '#src/budget/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const { everyMs, quietMs, quietBytesPerSecond, againBytes, againMs, calmAgainMs, calmPart, deepMs } = defaultIdleOptions

function watched(options: Partial<IdleOptions> = {}) {
  const clock = new VirtualClock()
  const register = new Registry()
  const state = {
    moved: 0,
    resident: 100 * 1024 ** 2,
    rests: [] as number[],
    quiet: [] as boolean[],
    deep: [] as boolean[],
    after: [] as number[]
  }
  const watch = new IdleWatch(
    {
      clock,
      metrics: createBudgetMetrics(register),
      moved: () => state.moved,
      resident: () => state.resident,
      rest: ({ quiet, deep }) => {
        state.rests.push(clock.now())
        state.quiet.push(quiet)
        state.deep.push(deep)
      },
      afterRest: () => state.after.push(clock.now())
    },
    { ...defaultIdleOptions, ...options }
  )
  const counted = async (): Promise<number> =>
    (await register.getSingleMetric('sealsync_budget_rests_total')?.get())?.values[0]?.value ?? -1
  return { clock, state, watch, counted }
}

describe('idle watch', () => {
  it('rests once after the quiet time, and again only when the node has worked in between', async () => {
    const { clock, state, watch, counted } = watched()
    await watch.start()
    await clock.run(quietMs - 1)
    assert.deepEqual(state.rests, [])
    await clock.run(20 * quietMs)
    assert.deepEqual(state.rests, [quietMs])
    assert.deepEqual(state.after, [quietMs + everyMs])
    state.moved += 1024 ** 2
    const worked = clock.now()
    await clock.run(worked + 3 * quietMs)
    assert.deepEqual(state.rests, [quietMs, worked + everyMs + quietMs])
    assert.equal(await counted(), 2)
    await watch.stop()
  })

  it('drops what is compiled only after long without work, once, and begins anew with work', async () => {
    const { clock, state, watch } = watched()
    await watch.start()
    await clock.run(3 * deepMs)
    assert.deepEqual(
      [state.rests, state.deep],
      [
        [quietMs, deepMs],
        [false, true]
      ]
    )
    state.moved += 1024 ** 2
    await clock.run(clock.now() + deepMs)
    assert.deepEqual(state.deep, [false, true, false])
    await clock.run(clock.now() + deepMs)
    assert.deepEqual(state.deep, [false, true, false, true])
    await watch.stop()
  })

  it('drops it at the first rest where memory is short', async () => {
    const { clock, state, watch } = watched({ deepMs: quietMs })
    await watch.start()
    await clock.run(3 * deepMs)
    assert.deepEqual([state.rests, state.deep], [[quietMs], [true]])
    await watch.stop()
  })

  it('takes the murmur of a mesh for quiet, and a byte a second above it for work', async () => {
    for (const [perSecond, rests] of [
      [quietBytesPerSecond, 1],
      [quietBytesPerSecond + 1, 0]
    ] as const) {
      const { clock, state, watch } = watched()
      await watch.start()
      for (let at = 1; at <= 40; at += 1) {
        state.moved += (perSecond * everyMs) / 1000
        await clock.run(at * everyMs)
      }
      assert.equal(state.rests.length, rests, `${perSecond} bytes a second`)
      await watch.stop()
    }
  })

  it('rests again when it has grown though nothing moved, and leaves time between two rests', async () => {
    const { clock, state, watch } = watched()
    await watch.start()
    await clock.run(quietMs + everyMs)
    assert.deepEqual(state.rests, [quietMs])
    state.resident += againBytes - 1
    await clock.run(2 * againMs)
    assert.deepEqual(state.rests, [quietMs])
    state.resident += 1
    await clock.run(2 * againMs + everyMs)
    assert.deepEqual(state.rests.slice(1), [2 * againMs + everyMs])
    // What it then takes is what it is measured against, however much that is.
    state.resident += againBytes / 2
    await clock.run(2 * againMs + 3 * everyMs)
    state.resident += againBytes
    await clock.run(3 * againMs)
    assert.equal(state.rests.length, 2)
    await clock.run(3 * againMs + 2 * everyMs)
    assert.equal(state.rests.length, 3)
    await watch.stop()
  })

  it('collects once when a storm is over and blocks go on coming', async () => {
    const { clock, state, watch } = watched()
    await watch.start()
    const moving = async (looks: number, bytes: number): Promise<void> => {
      for (let at = 0; at < looks; at += 1) {
        state.moved += bytes
        await clock.run(clock.now() + everyMs)
      }
    }
    const chain = 2 * quietBytesPerSecond * (everyMs / 1000)
    await moving(100, chain)
    assert.deepEqual(state.rests, [])
    await moving(20, calmPart * chain)
    const over = clock.now()
    await moving(3, chain)
    await moving(1, chain + 1)
    await moving(quietMs / everyMs - 1, chain)
    assert.deepEqual(state.rests, [])
    await moving(100, chain)
    assert.deepEqual(state.rests, [over + 4 * everyMs + quietMs])
    assert.deepEqual(state.quiet, [false])
    assert.equal(state.after.length, 1)
    // A storm that leaves nothing behind, one that does, and one too soon after it.
    const looks = calmAgainMs / everyMs
    await moving(20, calmPart * chain)
    await moving(looks, chain)
    assert.equal(state.rests.length, 1)
    state.resident += againBytes
    for (const rests of [2, 2]) {
      await moving(20, calmPart * chain)
      state.resident += againBytes
      await moving(looks / 4, chain)
      assert.equal(state.rests.length, rests)
    }
    await watch.stop()
  })

  it('looks no more once it is stopped', async () => {
    const { clock, state, watch } = watched()
    await watch.start()
    await watch.stop()
    await clock.run(10 * quietMs)
    assert.deepEqual(state.rests, [])
  })
})
