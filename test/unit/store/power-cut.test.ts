import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Blob } from '#src/model/index.ts'
import type { SegmentBlockstore } from '#src/store/index.ts'
import { type Rng, seededRng } from '#src/util/index.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { Machine } from '#test/support/store/machine.ts'
import { pick } from '#test/support/store/power.ts'

const BLOBS = Array.from({ length: 48 }, (_, at) => randomBlob(at, [8, 30, 600, 1_500, 4_000][at % 5] ?? 0))

/** What the outside was told. A blob that is being put or deleted when the end comes may be there or not. */
class Promises {
  readonly acknowledged = new Set<Blob>()

  async put(store: SegmentBlockstore, blobs: readonly Blob[]): Promise<void> {
    await store.putMany(blobs)
    for (const blob of blobs) this.acknowledged.add(blob)
  }

  async delete(store: SegmentBlockstore, blobs: readonly Blob[]): Promise<void> {
    for (const blob of blobs) this.acknowledged.delete(blob)
    await store.deleteMany(blobs.map((blob) => blob.cid))
  }
}

/** Puts, deletes and reads until the end comes, several at a time. */
async function work(store: SegmentBlockstore, promises: Promises, rng: Rng): Promise<void> {
  // Each worker has blobs of its own, so that what was acknowledged last is known.
  const worker = async (own: readonly Blob[]): Promise<void> => {
    for (let step = 0; step < 30; step += 1) {
      const some = own.filter(() => rng.next() < 0.4)
      if (rng.next() < 0.75) await promises.put(store, some)
      else await promises.delete(store, some)
      const read = own[pick(rng, own.length)]
      if (read !== undefined) await store.get(read.cid)
    }
  }
  await Promise.allSettled([0, 1, 2, 3].map((at) => worker(BLOBS.filter((_, index) => index % 4 === at))))
}

async function lostBlobs(store: SegmentBlockstore, promises: Promises): Promise<number> {
  let lost = 0
  for (const blob of promises.acknowledged) {
    const got = await store.get(blob.cid)
    if (got === undefined || Buffer.compare(got.bytes, blob.bytes) !== 0) lost += 1
  }
  return lost
}

async function assertConsistent(store: SegmentBlockstore): Promise<void> {
  let count = 0
  let bytes = 0
  for await (const cid of store.keys()) {
    const size = await store.getSize(cid)
    assert.notEqual(size, undefined)
    assert.equal((await store.get(cid))?.bytes.length, size)
    count += 1
    bytes += size ?? 0
  }
  assert.deepEqual(store.stats(), { count, bytes })
}

/** One life after another on one machine, each ended by the power or by a kill. Gives what was lost. */
async function lives(seed: number, set: (machine: Machine) => void = () => undefined): Promise<number> {
  const rng = seededRng(seed)
  const machine = new Machine(seed, {
    segmentBytes: 12_000,
    indexEveryRecords: 9,
    indexEveryBytes: 9_000,
    groupBytes: 8_000
  })
  set(machine)
  const promises = new Promises()
  let lost = 0
  for (let life = 0; life < 5; life += 1) {
    machine.cutPowerAfter(5 + pick(rng, 160))
    try {
      await work(await machine.open(), promises, rng)
    } catch {
      // The end came while it was opening.
    }
    if (rng.next() < 0.3) machine.killProcess()
    else machine.restart(rng)
    if (life % 2 === 0) continue
    const store = await machine.open()
    lost += await lostBlobs(store, promises)
    await assertConsistent(store)
    machine.killProcess()
  }
  return lost
}

void describe('store under power cuts', () => {
  void it('loses nothing acknowledged in 200 runs of five lives each', async () => {
    for (let seed = 1; seed <= 200; seed += 1) assert.equal(await lives(seed), 0, `seed ${seed}`)
  })

  void it('would be seen to lose blobs if a sync did nothing', async () => {
    let lost = 0
    for (let seed = 1; seed <= 20; seed += 1) {
      lost += await lives(seed, (machine) => {
        machine.disk.ignoresSync = true
      }).catch(() => 1)
    }
    assert.notEqual(lost, 0)
  })

  void it('loses nothing acknowledged when writes and syncs fail now and then', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const faulty = seededRng(seed + 7_000)
      const lost = await lives(seed, (machine) => {
        machine.disk.faults = (operation) =>
          operation !== 'read' && faulty.next() < 0.04 ? Object.assign(new Error('no'), { code: 'ENOSPC' }) : undefined
      }).catch((error: unknown) => {
        // An opening may meet the fault: then it says so, and the next one goes on.
        assert.equal((error as { code?: string }).code, 'disk-full')
        return 0
      })
      assert.equal(lost, 0, `seed ${seed}`)
    }
  })
})
