import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import { createNodeMetrics } from '#src/node/metrics.ts'
import { DiskWatch } from '#src/node/disk-watch.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const OPTIONS = {
  lowWaterBytes: 500,
  criticalBytes: 100,
  reserveBytes: 50,
  everyMs: 10_000,
  everyWhenShortMs: 1_000,
  maxUnexplained: 3
}

async function watch(freeBytes: number) {
  const clock = new VirtualClock()
  const disk = { freeBytes, reserved: 0, looks: 0, failure: undefined as Error | undefined }
  const subject = new DiskWatch(
    {
      disk: {
        async room() {
          disk.looks += 1
          if (disk.failure !== undefined) throw disk.failure
          return { freeBytes: disk.freeBytes, totalBytes: 10_000 }
        },
        async reserve(bytes) {
          disk.reserved = bytes
        },
        async giveUpReserve() {
          disk.reserved = 0
        }
      },
      clock,
      logger: silentLogger,
      metrics: createNodeMetrics(new Registry())
    },
    OPTIONS
  )
  await subject.start()
  return { clock, disk, subject }
}

void describe('room on the disk', () => {
  void it('holds some back while there is room, looks often when there is little, and goes on by itself', async () => {
    const { clock, disk, subject } = await watch(5_000)
    assert.deepEqual([subject.ok, subject.pressure, disk.reserved], [true, 0, 50])
    disk.freeBytes = 400
    await clock.run(10_001)
    assert.deepEqual([subject.ok, subject.pressure], [false, 1])
    disk.freeBytes = 1_250
    await clock.run(11_500)
    assert.deepEqual([subject.ok, subject.pressure], [true, 0.5])
    await subject.stop()
  })

  void it('gives the reserve up at the critical mark, and fails so that the node stops', async () => {
    const { clock, disk, subject } = await watch(5_000)
    disk.freeBytes = 99
    const failed = assert.rejects(subject.failed, { code: 'disk-full' })
    await clock.run(10_001)
    await failed
    assert.equal(disk.reserved, 0)
    await subject.stop()
  })

  void it('believes a refused write rather than its last look, for a while', async () => {
    const { clock, disk, subject } = await watch(5_000)
    for (let time = 1; time <= 3; time += 1) {
      assert.equal(subject.noteFull(), true)
      assert.equal(subject.ok, false)
      assert.equal(subject.noteFull(), true, 'the next of the same moment counts for nothing')
      await clock.run(clock.now() + 1_001)
      assert.equal(subject.ok, true)
    }
    assert.equal(subject.noteFull(), false, 'there is room, and writes are refused all the same')
    await subject.stop()
    assert.ok(disk.looks >= 4)
  })

  void it('keeps what it knows when it cannot look', async () => {
    const { clock, disk, subject } = await watch(400)
    disk.failure = new Error('no')
    await clock.run(5_000)
    assert.equal(subject.ok, false)
    disk.failure = undefined
    disk.freeBytes = 5_000
    await clock.run(7_000)
    assert.equal(subject.ok, true)
    await subject.stop()
  })
})
