import assert from 'node:assert/strict'
import type { Blob } from '#src/model/index.ts'
import type { SegmentBlockstore } from '#src/store/index.ts'
import { type Rng, seededRng } from '#src/util/index.ts'
import { randomBlob } from './blockstore-suite.ts'
import { Machine } from './machine.ts'
import { pick } from './power.ts'

const BLOBS = Array.from({ length: 48 }, (_, at) => randomBlob(at, [8, 30, 600, 1_500, 4_000][at % 5] ?? 0))
const WORKERS = 4

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

/** Puts, deletes, reads and gives space back until the end comes, several at a time. */
async function work(store: SegmentBlockstore, promises: Promises, rng: Rng): Promise<void> {
  // Each worker has blobs of its own, so that what was acknowledged last is known.
  const worker = async (own: readonly Blob[]): Promise<void> => {
    for (let step = 0; step < 30; step += 1) {
      const some = own.filter(() => rng.next() < 0.4)
      if (rng.next() < 0.75) await promises.put(store, some)
      else await promises.delete(store, some)
      const read = own[pick(rng, own.length)]
      if (read === undefined) continue
      const got = await store.get(read.cid)
      if (got !== undefined) assert.equal(Buffer.compare(got.bytes, read.bytes), 0, 'wrong bytes')
    }
  }
  const pruning = async (): Promise<void> => {
    for (let step = 0; step < 60; step += 1) await store.reclaim({ maxBytes: 500 + pick(rng, 4_000) })
  }
  const workers = Array.from({ length: WORKERS }, (_, at) =>
    worker(BLOBS.filter((_blob, index) => index % WORKERS === at))
  )
  await Promise.allSettled([...workers, pruning()])
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
  const segments = [...store.segments.values()]
  assert.equal(
    segments.reduce((sum, { liveRecords }) => sum + liveRecords, 0),
    count
  )
}

export interface LivesResult {
  /** Acknowledged blobs that were gone or different. */
  readonly lost: number
  readonly cuts: number
  readonly compactedBytes: number
  readonly unlinked: number
}

/** One life after another on one machine, each ended by the power or by a kill. */
export async function lives(seed: number, set: (machine: Machine) => void = () => undefined): Promise<LivesResult> {
  const rng = seededRng(seed)
  const machine = new Machine(seed, {
    segmentBytes: 12_000,
    indexEveryRecords: 9,
    indexEveryBytes: 9_000,
    groupBytes: 8_000,
    compactDeadShare: 0.1,
    compactSlackBytes: 1_000
  })
  set(machine)
  const promises = new Promises()
  let lost = 0
  let cuts = 0
  for (let life = 0; life < 5; life += 1) {
    machine.cutPowerAfter(5 + pick(rng, 240))
    try {
      await work(await machine.open(), promises, rng)
    } catch {
      // The end came while it was opening.
    }
    if (rng.next() < 0.3) machine.killProcess()
    else {
      machine.restart(rng)
      cuts += 1
    }
    if (life % 2 === 0) continue
    const store = await machine.open()
    lost += await lostBlobs(store, promises)
    await assertConsistent(store)
    machine.killProcess()
  }
  return {
    lost,
    cuts,
    compactedBytes: await machine.metric('sealsync_store_compacted_bytes_total'),
    unlinked: machine.disk.counts.unlink
  }
}
