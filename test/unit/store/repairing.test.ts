import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import type { Blob, BlobCid } from '#src/model/index.ts'
import { createStoreMetrics, RepairingBlockstore } from '#src/store/index.ts'
import { SEGMENT_HEADER_LENGTH } from '#src/store/segment/format.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { DIRECTORY, Machine } from '#test/support/store/machine.ts'
import { SimulatedKeyValue } from '#test/support/store/simulated-key-value.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const FIRST = `${DIRECTORY}/0000000001.seg`

class World {
  readonly machine = new Machine(1)
  readonly clock = new VirtualClock()
  readonly space = new SimulatedKeyValue()
  readonly blobs = Array.from({ length: 5 }, (_, at) => randomBlob(at, 1_000))
  readonly asked: BlobCid[] = []
  /** What peers have. */
  peers: readonly Blob[] = []
  store!: RepairingBlockstore

  /** A store of five blobs of which the given ones have a flipped bit. */
  async open(damaged: readonly number[]): Promise<void> {
    const first = await this.machine.open()
    await first.putMany(this.blobs)
    await first.close()
    const bytes = Buffer.from(this.machine.disk.contentOf(FIRST))
    for (const at of damaged) {
      const place = SEGMENT_HEADER_LENGTH + at * 1_044 + 700
      bytes[place] = (bytes[place] ?? 0) ^ 1
    }
    this.machine.disk.setContent(FIRST, bytes)
    await this.reopen()
  }

  async reopen(): Promise<void> {
    const segments = await this.machine.open((cid) => this.store.onDamaged(cid))
    const store = new RepairingBlockstore(
      {
        store: segments,
        space: this.space,
        metrics: createStoreMetrics(new Registry()),
        logger: silentLogger,
        clock: this.clock
      },
      { waitMs: 10_000, attemptMs: 20_000, againMs: 60_000, maxRemembered: 3 }
    )
    store.connect(async (cid, { signal }) => {
      this.asked.push(cid)
      for (;;) {
        const blob = this.peers.find((candidate) => candidate.cid.key === cid.key)
        if (blob !== undefined) return blob
        await new Promise<void>((resolve, reject) => {
          const timer = this.clock.setTimer(100, resolve)
          signal.addEventListener('abort', () => {
            timer.cancel()
            reject(signal.reason as Error)
          })
        })
        signal.throwIfAborted()
      }
    })
    this.store = store
  }

  blob(at: number): Blob {
    const blob = this.blobs[at]
    if (blob === undefined) throw new RangeError(`no blob ${at}`)
    return blob
  }
}

void describe('self-repair', () => {
  void it('gives whoever asks for a damaged blob the good bytes, fetched once, and stores them', async () => {
    const world = new World()
    await world.open([1])
    world.peers = world.blobs
    const { cid, bytes } = world.blob(1)
    const got = await Promise.all([world.store.get(cid), world.store.get(cid), world.store.get(cid)])
    for (const blob of got) assert.deepEqual(blob?.bytes, bytes)
    assert.equal(world.asked.length, 1)
    assert.equal(world.store.waiting, 0)
    assert.deepEqual((await world.store.get(cid))?.bytes, bytes)
    assert.equal(world.asked.length, 1)
    assert.equal(await world.store.get(randomBlob(99, 10).cid), undefined)
    assert.equal(world.asked.length, 1, 'what was never here is nobody to repair')
    await world.store.stop()
  })

  void it('does not let anybody wait for ever, and repairs in the background what peers have later', async () => {
    const world = new World()
    await world.open([1, 2])
    await world.store.start()
    const get = world.store.get(world.blob(1).cid)
    await world.clock.run(10_500)
    assert.equal(await get, undefined)
    void world.store.get(world.blob(2).cid)
    await world.clock.run(30_000)
    assert.equal(world.store.waiting, 2)
    world.peers = world.blobs
    await world.clock.run(300_000)
    assert.equal(world.store.waiting, 0)
    for (const at of [1, 2]) assert.deepEqual((await world.store.get(world.blob(at).cid))?.bytes, world.blob(at).bytes)
    await world.store.stop()
  })

  void it('remembers over a restart what is damaged, no more than it may, and forgets what was deleted or put', async () => {
    const world = new World()
    await world.open([0, 1, 2, 3])
    for (const at of [0, 1, 2, 3]) void world.store.get(world.blob(at).cid)
    await world.clock.run(100)
    assert.equal(world.store.waiting, 3)
    await world.store.deleteMany([world.blob(0).cid])
    await world.store.put(world.blob(1))
    assert.equal(world.store.waiting, 1)
    await world.store.stop()
    world.machine.killProcess()
    await world.reopen()
    world.peers = world.blobs
    world.asked.length = 0
    await world.store.start()
    await world.clock.run(1_000)
    assert.deepEqual(world.asked.map(String), [String(world.blob(2).cid)])
    assert.deepEqual((await world.store.get(world.blob(2).cid))?.bytes, world.blob(2).bytes)
    assert.equal(world.space.size, 0)
    await world.store.stop()
  })

  void it('fetches what a missing segment file held', async () => {
    const world = new World()
    await world.open([])
    world.machine.killProcess()
    world.machine.disk.removeFile(FIRST)
    const lost: BlobCid[] = []
    await world.machine.open((cid) => lost.push(cid))
    assert.deepEqual(lost.map(String).sort(), world.blobs.map(({ cid }) => String(cid)).sort())
  })
})
