import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { planMemory } from '#src/node/memory-stage.ts'

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
