import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/logger.ts'
import { createMemory, planMemory } from '#src/node/memory-stage.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3
const standard = { limitBytes: undefined, cacheBytes: 64 * MIB, totalBytes: 192 * MIB }
const machine = { totalBytes: 8 * GIB, constrainedBytes: undefined }

describe('memory plan', () => {
  it('takes the settings as they are where the machine has room', () => {
    const plan = planMemory(standard, machine)
    assert.deepEqual(plan, { limitBytes: 8 * GIB, totalBytes: 192 * MIB, cacheBytes: 64 * MIB })
  })

  it('fits the budget, and the cache with it, under a cgroup or a limit that is given', () => {
    const inGroup = planMemory(standard, { ...machine, constrainedBytes: 256 * MIB })
    assert.equal(inGroup.limitBytes, 256 * MIB)
    assert.ok(inGroup.totalBytes < 192 * MIB)
    assert.equal(inGroup.cacheBytes, Math.floor(inGroup.totalBytes / 3))
    assert.deepEqual(planMemory({ ...standard, limitBytes: 256 * MIB }, machine), inGroup)
  })

  it('refuses a limit above the machine or the cgroup, and names both', () => {
    assert.throws(
      () => planMemory({ ...standard, limitBytes: 9 * GIB }, machine),
      /--memory 9\.00 GiB.*machine.*8\.00 GiB/
    )
    assert.throws(
      () => planMemory({ ...standard, limitBytes: GIB }, { ...machine, constrainedBytes: 256 * MIB }),
      /cgroup allows: at most 256\.0 MiB/
    )
  })

  it('refuses one that is too small, and says the smallest that works, which does work', () => {
    let smallest = ''
    try {
      planMemory({ ...standard, limitBytes: 128 * MIB }, machine)
    } catch (error) {
      smallest = /smallest that works is ([\d.]+) MiB/.exec(String(error))?.[1] ?? ''
    }
    assert.notEqual(smallest, '')
    assert.ok(planMemory({ ...standard, limitBytes: Number(smallest) * MIB }, machine).totalBytes > 0)
  })
})

/**
 * A node's memory on a machine of its own, and what it asks of the cache: a share, -1 for empty; -2 for a collection that drops code too, -4 for
 * one that does not, -3 for giving freed memory back, -5 for paging out.
 */
function started(constrainedBytes: number | undefined, profile: 'nano' | 'standard' = 'standard') {
  const machine = { totalBytes: 8 * GIB, constrainedBytes }
  const clock = new VirtualClock()
  const shares: number[] = []
  const memory = createMemory(
    { memory: standard, profile },
    {
      clock,
      logger: silentLogger,
      register: new Registry(),
      readMachine: () => machine,
      readResident: () => 300 * MIB,
      collect: (flavor) => shares.push(flavor === 'regular' ? -4 : -2),
      trim: () => shares.push(-3),
      pageOut: () => shares.push(-5)
    }
  )
  memory.attach({ setShare: (share) => shares.push(share), giveBack: () => {}, clear: () => shares.push(-1) })
  return { memory, clock, shares, machine }
}

describe('a limit that shrinks while the node runs', () => {
  it('takes the cache, then downloads ahead, then requests, and gives all back when it grows again', async () => {
    const { memory, clock, shares, machine } = started(2 * GIB)
    await memory.watch.start()
    assert.equal(memory.fetching(), 'all')
    const api = memory.budget.account('api')
    // 300 MiB are resident throughout; the cgroup is told to allow less and less.
    for (const [limit, level] of [
      [390 * MIB, 'shrink'],
      [360 * MIB, 'hold'],
      [335 * MIB, 'shed'],
      [310 * MIB, 'refuse']
    ] as const) {
      machine.constrainedBytes = limit
      await clock.run(clock.now() + 500)
      assert.equal(memory.watch.level, level)
      assert.equal(memory.watch.reading.limitBytes, limit)
    }
    assert.deepEqual(shares, [0.25, -3, 0.125, -3, 0, -4, -3, 0, -3])
    assert.equal(memory.fetching(), 'lowest')
    assert.equal(api.tryReserve(1), false)
    assert.equal(memory.budget.account('receive').tryReserve(2 * MIB), true)
    machine.constrainedBytes = undefined
    await clock.run(clock.now() + 20_000)
    assert.equal(memory.watch.level, 'none')
    assert.equal(memory.fetching(), 'all')
    assert.equal(api.tryReserve(1), true)
    await memory.watch.stop()
  })
})

describe('a node with nothing to do', () => {
  it('collects what the last load left and gives it back, and in the profile nano empties its cache', async () => {
    for (const [profile, asked] of [
      ['standard', [-4, -3]],
      ['nano', [-1, -5, -2, -3]]
    ] as const) {
      const { memory, clock, shares } = started(2 * GIB, profile)
      const watch = memory.idleWatch(() => 0)
      await watch.start()
      await clock.run(60_000)
      assert.deepEqual(shares, asked)
      await watch.stop()
    }
  })
})
