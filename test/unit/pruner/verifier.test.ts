import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import { createVerifierMetrics, Verifier } from '#src/pruner/index.ts'
import { SEGMENT_HEADER_LENGTH } from '#src/store/segment/format.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { DIRECTORY, Machine } from '#test/support/store/machine.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const COUNT = 600

class World {
  readonly machine = new Machine(1)
  readonly clock = new VirtualClock()
  readonly space = new SimulatedKeyValue()
  damaged = 0
  reads = 0

  async fill(damaged: readonly number[]): Promise<void> {
    const store = await this.machine.open()
    await store.putMany(Array.from({ length: COUNT }, (_, at) => randomBlob(at, 100)))
    await store.close()
    const path = `${DIRECTORY}/0000000001.seg`
    const bytes = Buffer.from(this.machine.disk.contentOf(path))
    for (const at of damaged) {
      const place = SEGMENT_HEADER_LENGTH + at * 144 + 100
      bytes[place] = (bytes[place] ?? 0) ^ 1
    }
    this.machine.disk.setContent(path, bytes)
  }

  async open(): Promise<Verifier> {
    const store = await this.machine.open(() => {
      this.damaged += 1
    })
    const verifier = new Verifier({
      space: this.space.attach(),
      cidsAfter: (digest, limit) => store.cidsAfter(digest, limit),
      read: (cid) => {
        this.reads += 1
        return store.get(cid)
      },
      stats: () => store.stats(),
      damagedSoFar: () => this.damaged,
      logger: silentLogger,
      clock: this.clock
    })
    await verifier.start()
    return verifier
  }
}

void describe('verification of the store', () => {
  void it('reads everything, and counts what is damaged', async () => {
    const world = new World()
    await world.fill([3, 77])
    const verifier = await world.open()
    assert.equal(verifier.status(), null)
    verifier.begin({ bytesPerSecond: 0 })
    await verifier.ended()
    const { state, checked, damaged, total } = verifier.status() ?? assert.fail()
    assert.deepEqual([state, checked.blobs, damaged, total.blobs], ['done', COUNT, 2, COUNT])
    assert.equal(checked.bytes, (COUNT - 2) * 100)
    const register = new Registry()
    createVerifierMetrics(register).levels(() => verifier.status())
    const read = async (name: string) => (await register.getSingleMetric(name)?.get())?.values[0]?.value
    assert.equal(await read('sealsync_pruner_verify_progress_ratio'), 1)
    assert.equal(await read('sealsync_pruner_verify_damaged_blobs'), 2)
    const again = await world.open()
    again.begin({ bytesPerSecond: 0 })
    await again.ended()
    assert.deepEqual([again.status()?.damaged, again.status()?.checked.blobs], [0, COUNT - 2])
  })

  void it('keeps to its rate, and goes on where it was after a kill', async () => {
    const world = new World()
    await world.fill([])
    const verifier = await world.open()
    // Sixty thousand bytes in sixty seconds.
    verifier.begin({ bytesPerSecond: 1_000 })
    await world.clock.run(30_000)
    const half = verifier.status()?.checked.blobs ?? 0
    assert.ok(half > 280 && half < 320, `${half} blobs`)
    await verifier.stop()
    world.machine.killProcess()
    world.space.killProcess()
    const again = await world.open()
    assert.equal(again.status()?.state, 'running')
    await world.clock.run(world.clock.now() + 40_000)
    assert.equal(again.status()?.state, 'done')
    assert.equal(again.status()?.checked.blobs, COUNT)
    assert.ok(world.reads <= COUNT + 1, `${world.reads} reads`)
    await again.stop()
  })
})
