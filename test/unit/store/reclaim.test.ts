import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Blob } from '#src/model/index.ts'
import type { SegmentBlockstore } from '#src/store/index.ts'
import { RECORD_HEADER_LENGTH, SEGMENT_HEADER_LENGTH } from '#src/store/segment/format.ts'
import { seededRng } from '#src/util/index.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { DIRECTORY, Machine } from '#test/support/store/machine.ts'
import { systemError } from '#test/support/store/power.ts'

const RECORD = 1_000 + RECORD_HEADER_LENGTH
/** Ten records a segment. */
const LIMITS = {
  segmentBytes: SEGMENT_HEADER_LENGTH + 10 * RECORD,
  compactDeadShare: 0.1,
  compactSlackBytes: 0,
  indexEveryRecords: 7
}
const file = (number: number): string => `${DIRECTORY}/${String(number).padStart(10, '0')}.seg`
const made = (count: number): Blob[] => Array.from({ length: count }, (_, at) => randomBlob(at, 1_000))
const cidsOf = (blobs: readonly Blob[]) => blobs.map((blob) => blob.cid)
const isKept = (_blob: unknown, at: number): boolean => at % 3 === 0

async function filled(machine: Machine, blobs: readonly Blob[]): Promise<SegmentBlockstore> {
  const store = await machine.open()
  for (const blob of blobs) await store.put(blob)
  return store
}

async function reclaimAll(store: SegmentBlockstore, maxBytes = 1_000_000): Promise<{ steps: number; copied: number }> {
  let copied = 0
  for (let steps = 1; steps < 1_000; steps += 1) {
    const step = await store.reclaim({ maxBytes })
    copied += step.copiedBytes
    if (!step.more) return { steps, copied }
  }
  throw new Error('reclaiming does not end')
}

async function assertHolds(store: SegmentBlockstore, blobs: readonly Blob[]): Promise<void> {
  for (const blob of blobs) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
}

const diskBytes = (machine: Machine): number =>
  machine.disk.paths().reduce((sum, path) => sum + machine.disk.contentOf(path).length, 0)

void describe('giving space back', () => {
  void it('unlinks dead segments whole, and copies nothing for it', async () => {
    const machine = new Machine(1, LIMITS)
    const blobs = made(45)
    const store = await filled(machine, blobs)
    assert.equal(machine.disk.paths().length, 5)
    await store.deleteMany(cidsOf(blobs.slice(0, 20)))
    assert.equal((await reclaimAll(store)).copied, 0)
    assert.deepEqual(machine.disk.paths(), [3, 4, 5].map(file))
    assert.equal(store.deadBytes, 0)
    assert.equal(await machine.metric('sealsync_store_segments'), 3)
    await assertHolds(store, blobs.slice(20))
  })

  void it('rewrites what is partly dead, in steps of bounded size, and survives a kill after every step', async () => {
    const blobs = made(95)
    const kept = blobs.filter(isKept)
    for (let stop = 1; ; stop += 1) {
      const machine = new Machine(1, LIMITS)
      const store = await filled(machine, blobs)
      await store.deleteMany(cidsOf(blobs.filter((blob, at) => !isKept(blob, at))))
      let more = true
      for (let step = 0; step < stop && more; step += 1) ({ more } = await store.reclaim({ maxBytes: 3_000 }))
      machine.killProcess()
      const again = await machine.open()
      assert.deepEqual(again.stats(), { count: kept.length, bytes: kept.length * 1_000 })
      await assertHolds(again, kept)
      await reclaimAll(again)
      await assertHolds(again, kept)
      const live = kept.length * RECORD
      assert.ok(diskBytes(machine) <= 1.1 * live + machine.disk.paths().length * SEGMENT_HEADER_LENGTH)
      if (!more) break
    }
  })

  void it('reads and puts go on while segments are rewritten under them', async () => {
    const machine = new Machine(1, { ...LIMITS, maxOpenFiles: 2 })
    const blobs = made(80)
    const kept = blobs.filter(isKept)
    const store = await filled(machine, blobs)
    await store.deleteMany(cidsOf(blobs.filter((blob, at) => !isKept(blob, at))))
    const rng = seededRng(3)
    let running = true
    const reading = async (): Promise<void> => {
      while (running) {
        const blob = kept[Math.floor(rng.next() * kept.length)]
        if (blob !== undefined) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
      }
    }
    const readers = [reading(), reading(), reading()]
    const putting = (async () => {
      for (let at = 0; at < 30; at += 1) await store.put(randomBlob(500 + at, 1_000))
    })()
    await reclaimAll(store, 2_500)
    await putting
    running = false
    await Promise.all(readers)
    await store.close()
    assert.equal(machine.disk.counts.openNow, 0)
  })

  void it('does not take back what is deleted while it is copied', async () => {
    const machine = new Machine(1, LIMITS)
    const blobs = made(30)
    const kept = blobs.filter(isKept)
    const store = await filled(machine, blobs)
    await store.deleteMany(cidsOf(blobs.filter((blob, at) => !isKept(blob, at))))
    await Promise.all([reclaimAll(store, 1_500), store.deleteMany(cidsOf(kept.slice(0, 6)))])
    assert.equal(store.stats().count, kept.length - 6)
    machine.killProcess()
    const again = await machine.open()
    for (const blob of kept.slice(0, 6)) assert.equal(await again.has(blob.cid), false)
    await assertHolds(again, kept.slice(6))
  })

  void it('brings the good records of a segment with damaged heads and bytes to safety, and drops the rest', async () => {
    const machine = new Machine(1, LIMITS)
    const blobs = made(12)
    await (await filled(machine, blobs)).close()
    const bytes = Buffer.from(machine.disk.contentOf(file(1)))
    const flip = (at: number): void => {
      bytes[at] = (bytes[at] ?? 0) ^ 16
    }
    // The head of the file, a magic, a length that then leads into the next record, and bytes.
    for (const at of [0, SEGMENT_HEADER_LENGTH + RECORD, SEGMENT_HEADER_LENGTH + 3 * RECORD + 6]) flip(at)
    flip(SEGMENT_HEADER_LENGTH + 6 * RECORD + 500)
    machine.disk.setContent(file(1), bytes)
    const store = await machine.open()
    await store.deleteMany(cidsOf(blobs.slice(8, 10)))
    await reclaimAll(store)
    assert.equal(machine.disk.paths().includes(file(1)), false)
    await assertHolds(store, [...blobs.slice(0, 6), ...blobs.slice(7, 8), ...blobs.slice(10)])
    assert.equal(await store.has(blobs[6]?.cid ?? randomBlob(0, 0).cid), false)
    assert.equal(await machine.metric('sealsync_store_damaged_blobs_total'), 1)
  })

  void it('goes on after an error of the disk, and loses nothing', async () => {
    for (const operation of ['append', 'datasync', 'create'] as const) {
      const machine = new Machine(1, LIMITS)
      const blobs = made(40)
      const kept = blobs.filter(isKept)
      const store = await filled(machine, blobs)
      await store.deleteMany(cidsOf(blobs.filter((blob, at) => !isKept(blob, at))))
      machine.disk.faults = (at) => (at === operation ? systemError('ENOSPC') : undefined)
      await assert.rejects(reclaimAll(store), { code: 'disk-full' })
      machine.disk.faults = () => undefined
      await reclaimAll(store)
      await assertHolds(store, kept)
    }
  })

  void it('ends the newest segment when that is where the dead bytes are', async () => {
    const machine = new Machine(1, LIMITS)
    const blobs = made(9)
    const store = await filled(machine, blobs)
    await store.deleteMany(cidsOf(blobs.slice(1)))
    await reclaimAll(store)
    assert.deepEqual(machine.disk.paths(), [file(2)])
    await assertHolds(store, blobs.slice(0, 1))
    await store.put(randomBlob(77, 1_000))
    assert.deepEqual(machine.disk.paths(), [file(2)])
  })

  void it('begins new segments early while little is stored, and later as it grows', async () => {
    const machine = new Machine(1, { segmentBytes: 40_000, minSegmentBytes: 4_000 })
    const store = await filled(machine, made(300))
    const ends = [...store.segments.values()].map(({ end }) => end)
    assert.ok((ends[0] ?? 0) <= 4_000)
    assert.ok((ends.at(-2) ?? 0) > 10_000)
    await store.close()
  })
})

void describe('segment files that are not what they were', () => {
  const cases: readonly {
    readonly what: string
    readonly harm: (machine: Machine) => void
    readonly held: (at: number) => boolean
    readonly aside?: string
  }[] = [
    {
      what: 'an old one is missing',
      harm: (machine) => machine.disk.removeFile(file(2)),
      held: (at) => at < 10 || at >= 20
    },
    {
      what: 'the newest is missing',
      harm: (machine) => machine.disk.removeFile(file(4)),
      held: (at) => at < 30
    },
    {
      what: 'an old one is cut short',
      harm: (machine) =>
        machine.disk.setContent(
          file(2),
          machine.disk.contentOf(file(2)).subarray(0, SEGMENT_HEADER_LENGTH + 4 * RECORD + 7)
        ),
      held: (at) => at < 14 || at >= 20
    },
    {
      what: 'one is there twice',
      harm: (machine) => machine.disk.setContent(file(9), machine.disk.contentOf(file(2))),
      held: () => true,
      aside: `${file(9)}.aside`
    },
    {
      what: 'one of an old number is nobody knows whose',
      harm: (machine) => {
        machine.disk.setContent(file(0), machine.disk.contentOf(file(3)))
      },
      held: () => true,
      aside: `${file(0)}.aside`
    },
    {
      what: 'the newest was replaced by another',
      harm: (machine) => machine.disk.setContent(file(4), machine.disk.contentOf(file(1))),
      held: (at) => at < 30,
      aside: `${file(4)}.aside`
    }
  ]
  for (const { what, harm, held, aside } of cases) {
    void it(`${what}: says at once what it has not, and takes it again`, async () => {
      const machine = new Machine(1, LIMITS)
      const blobs = made(35)
      await (await filled(machine, blobs)).close()
      harm(machine)
      let store = await machine.open()
      const has = await Promise.all(blobs.map((blob) => store.has(blob.cid)))
      assert.deepEqual(
        has,
        blobs.map((_, at) => held(at))
      )
      assert.equal(store.stats().count, has.filter(Boolean).length)
      if (aside !== undefined) assert.ok(machine.disk.paths().includes(aside))
      assert.ok((await machine.metric('sealsync_store_damaged_segments_total')) >= 1)
      await store.putMany(blobs)
      await assertHolds(store, blobs)
      machine.killProcess()
      store = await machine.open()
      await assertHolds(store, blobs)
      await store.deleteMany(cidsOf(blobs.slice(0, 20)))
      await reclaimAll(store)
      await assertHolds(store, blobs.slice(20))
    })
  }
})
