import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { blobFromHashed, blobOf } from '#src/model/index.ts'
import { defaultSegmentBlockstoreOptions, validateSegmentBlockstoreOptions } from '#src/store/index.ts'
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  encodeRecords,
  encodeSegmentHeader,
  RECORD_HEADER_LENGTH,
  SEGMENT_HEADER_LENGTH
} from '#src/store/segment/format.ts'
import { randomBlob } from '#test/support/store/blockstore-suite.ts'
import { DIRECTORY, Machine } from '#test/support/store/machine.ts'
import { systemError } from '#test/support/store/power.ts'

const FIRST = `${DIRECTORY}/0000000001.seg`
const SECOND = `${DIRECTORY}/0000000002.seg`
const blobs = (count: number, length = 1_000): ReturnType<typeof randomBlob>[] =>
  Array.from({ length: count }, (_, at) => randomBlob(at, length))

void describe('segment format', () => {
  void it('reads what it wrote, and nothing that differs in a bit', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(2 ** 32 - 1),
        fc.nat(RECORD_HEADER_LENGTH * 8 - 1),
        (bytes, salt, bit) => {
          const blob = blobOf(bytes)
          const record = Buffer.concat(encodeRecords([blob], salt))
          const header = decodeRecordHeader(record, 0, salt)
          assert.equal(header?.length, bytes.length)
          assert.deepEqual(Buffer.from(header?.digest ?? []), Buffer.from(blob.cid.digest))
          assert.equal(decodeRecordHeader(record, 0, (salt ^ 1) >>> 0), undefined)
          assert.equal(decodeRecordHeader(record.subarray(0, RECORD_HEADER_LENGTH - 1), 0, salt), undefined)
          record[bit >> 3] = (record[bit >> 3] ?? 0) ^ (1 << (bit & 7))
          assert.equal(decodeRecordHeader(record, 0, salt), undefined)
        }
      )
    )
    const head = Buffer.from(encodeSegmentHeader(7, 0xdeadbeef))
    assert.deepEqual(decodeSegmentHeader(head), { number: 7, salt: 0xdeadbeef })
    assert.equal(decodeSegmentHeader(head.subarray(0, SEGMENT_HEADER_LENGTH - 1)), undefined)
    for (let bit = 0; bit < SEGMENT_HEADER_LENGTH * 8; bit += 1) {
      const flipped = Buffer.from(head)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.equal(decodeSegmentHeader(flipped), undefined)
    }
  })
})

void describe('segment store', () => {
  void it('lists what is durable in pages by digest, in the index or not yet', async () => {
    const machine = new Machine(1)
    const stored = blobs(60, 100)
    const byDigest = stored.map(({ cid }) => cid).sort((a, b) => Buffer.compare(a.digest, b.digest))
    const first = await machine.open()
    await first.putMany(stored.slice(0, 30))
    // Closing writes the index; what comes after the second opening is not in it yet.
    await first.close()
    const store = await machine.open()
    await store.putMany(stored.slice(30))
    for (const limit of [1, 7, 60, 100]) {
      const listed: string[] = []
      let page = await store.cidsAfter(undefined, limit)
      while (page.length > 0) {
        assert.ok(page.length <= limit)
        listed.push(...page.map(({ key }) => key))
        page = await store.cidsAfter(page.at(-1)?.digest, limit)
      }
      assert.deepEqual(
        listed,
        byDigest.map(({ key }) => key)
      )
    }
    await store.close()
  })

  void it('commits what waits in groups of bounded size, with one sync each', async () => {
    const machine = new Machine(1, { groupBytes: 10_500 })
    const store = await machine.open()
    const syncs = machine.disk.counts.datasync
    await Promise.all(blobs(41).map((blob) => store.put(blob)))
    // The first goes alone, or with what is ready by then; the others wait and go ten at a time.
    const groups = machine.disk.counts.datasync - syncs
    assert.ok(groups >= 4 && groups <= 6, `${groups} groups`)
    assert.equal(await machine.metric('sealsync_store_pending_bytes'), 0)
    const before = machine.disk.counts.datasync
    await store.putMany(blobs(41))
    assert.equal(machine.disk.counts.datasync, before, 'known blobs are not written again')
  })

  void it('waits for the first put when a blob is put again, and fails with it', async () => {
    const machine = new Machine(1)
    const store = await machine.open()
    const blob = randomBlob(1, 100)
    machine.disk.faults = (operation) => (operation === 'datasync' ? systemError('EIO') : undefined)
    const puts = [store.put(blob), store.put(blob)]
    assert.equal(await store.has(blob.cid), true)
    for (const put of puts) await assert.rejects(put, { code: 'io' })
    assert.equal(await store.has(blob.cid), false)
    assert.deepEqual(store.stats(), { count: 0, bytes: 0 })
    machine.disk.faults = () => undefined
    await store.put(blob)
    assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
  })

  for (const [operation, code, expected] of [
    ['append', 'ENOSPC', 'disk-full'],
    ['append', 'EDQUOT', 'disk-full'],
    ['append', 'EIO', 'io'],
    ['datasync', 'EIO', 'io'],
    ['datasync', 'ENOSPC', 'disk-full'],
    ['create', 'ENOSPC', 'disk-full'],
    ['create', 'EROFS', 'not-writable']
  ] as const) {
    void it(`rejects one group at ${code} of ${operation} and loses nothing acknowledged`, async () => {
      const machine = new Machine(1, { segmentBytes: 5_000 })
      const store = await machine.open()
      const good = blobs(10)
      await store.putMany(good)
      const failing = Array.from({ length: 5 }, (_, at) => randomBlob(50 + at, 1_200))
      // Truncating fails too: what was half written stays where it is.
      machine.disk.faults = (at) => (at === operation || at === 'truncate' ? systemError(code) : undefined)
      await assert.rejects(store.putMany(failing), { code: expected })
      machine.disk.faults = () => undefined
      const after = Array.from({ length: 5 }, (_, at) => randomBlob(80 + at, 700))
      await store.putMany(after)
      machine.killProcess()
      const again = await machine.open()
      for (const blob of [...good, ...after]) assert.deepEqual((await again.get(blob.cid))?.bytes, blob.bytes)
      assert.ok((await machine.metric('sealsync_store_write_errors_total')) >= 1)
    })
  }

  void it('stays right when the index cannot be written for a while', async () => {
    const machine = new Machine(1, { indexEveryRecords: 4 })
    const store = await machine.open()
    machine.index.faults = () => systemError('ENOSPC')
    const good = blobs(16)
    for (const blob of good) await store.put(blob)
    for (const blob of good) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
    // Bounded: with four times as many places in memory the disk has to take some.
    await assert.rejects(store.put(randomBlob(99, 10)), { code: 'disk-full' })
    await assert.rejects(store.deleteMany([good[0]?.cid ?? randomBlob(0, 0).cid]), { code: 'disk-full' })
    assert.equal(store.stats().count, 16)
    machine.index.faults = () => undefined
    await store.put(randomBlob(99, 10))
    await store.close()
    assert.equal((await machine.open()).stats().count, 17)
  })

  void it('hashes what it reads, drops what is damaged and takes it again', async () => {
    const machine = new Machine(1)
    let store = await machine.open()
    const all = blobs(3)
    await store.putMany(all)
    await store.close()
    const bytes = Buffer.from(machine.disk.contentOf(FIRST))
    const at = SEGMENT_HEADER_LENGTH + RECORD_HEADER_LENGTH + 1_044 + 500
    bytes[at] = (bytes[at] ?? 0) ^ 4
    machine.disk.setContent(FIRST, bytes)
    store = await machine.open()
    const [first, second, third] = all
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    const gets = await Promise.all([store.get(second.cid), store.get(second.cid)])
    assert.deepEqual(gets, [undefined, undefined])
    assert.equal(await machine.metric('sealsync_store_damaged_blobs_total'), 1)
    assert.equal(await store.has(second.cid), false)
    assert.deepEqual(store.stats(), { count: 2, bytes: 2_000 })
    assert.equal(store.deadBytes, 1_044)
    for (const blob of [first, third]) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
    await store.put(second)
    assert.deepEqual((await store.get(second.cid))?.bytes, second.bytes)
  })

  void it('finds acknowledged blobs on both sides of a damaged stretch behind the checkpoint', async () => {
    for (const [what, damaged] of [
      ['a head', SEGMENT_HEADER_LENGTH + 1_044 + 5],
      ['a magic', SEGMENT_HEADER_LENGTH + 1_044],
      ['the bytes', SEGMENT_HEADER_LENGTH + 1_044 + 700]
    ] as const) {
      const machine = new Machine(1)
      const all = blobs(4)
      await (await machine.open()).putMany(all)
      const bytes = Buffer.from(machine.disk.contentOf(FIRST))
      bytes[damaged] = (bytes[damaged] ?? 0) ^ 128
      machine.killProcess()
      machine.disk.setContent(FIRST, bytes)
      const store = await machine.open()
      const found = await Promise.all(all.map((blob) => store.has(blob.cid)))
      assert.deepEqual(found, [true, false, true, true], what)
      assert.equal(await machine.metric('sealsync_store_recovered_blobs_total'), 3)
    }
  })

  void it('does not take a blob that looks like a record for one', async () => {
    const machine = new Machine(1)
    const inner = randomBlob(1, 50)
    // The salt is drawn by the store; the attacker tries one of the four billion.
    const outer = blobOf(Buffer.concat([...encodeRecords([inner], 1234), Buffer.alloc(100)]))
    await (await machine.open()).put(outer)
    const bytes = Buffer.from(machine.disk.contentOf(FIRST))
    bytes[SEGMENT_HEADER_LENGTH + 3] = 0
    machine.killProcess()
    machine.disk.setContent(FIRST, bytes)
    const store = await machine.open()
    assert.equal(await store.has(inner.cid), false)
    assert.equal(store.stats().count, 0)
  })

  void it('cuts a torn tail and writes on behind the last whole record', async () => {
    const whole = blobs(3)
    const length = SEGMENT_HEADER_LENGTH + 3 * 1_044
    for (const cut of [1, 43, 44, 45, 500, 1_043]) {
      const machine = new Machine(1)
      await (await machine.open()).putMany(whole)
      machine.killProcess()
      machine.disk.setContent(FIRST, machine.disk.contentOf(FIRST).subarray(0, length - cut))
      const store = await machine.open()
      assert.equal(store.stats().count, 2)
      assert.equal(await machine.metric('sealsync_store_cut_bytes_total'), 1_044 - cut)
      await store.putMany(whole)
      assert.equal(machine.disk.contentOf(FIRST).length, length)
      await store.close()
      assert.equal((await machine.open()).stats().count, 3)
    }
  })

  void it('follows no length that is too large, in a record or in the index', async () => {
    const machine = new Machine(1)
    const blob = randomBlob(1, 10)
    await (await machine.open()).put(blob)
    const salt = decodeSegmentHeader(machine.disk.contentOf(FIRST))?.salt ?? 0
    // A head that claims 4 GiB, with the right checksum.
    const huge = blobFromHashed(
      new Uint8Array(32),
      Object.defineProperty(new Uint8Array(0), 'length', { value: 2 ** 32 - 1 })
    )
    const head = encodeRecords([huge], salt)[0] ?? new Uint8Array(0)
    machine.killProcess()
    machine.disk.setContent(FIRST, Buffer.concat([machine.disk.contentOf(FIRST), head, Buffer.alloc(2_000)]))
    const store = await machine.open()
    assert.equal(store.stats().count, 1)
    await store.close()
    const entry = Buffer.alloc(12, 255)
    entry.writeUInt32BE(1, 0)
    const key = Buffer.concat([Buffer.from('d'), blob.cid.digest])
    for (const claimed of [2 ** 32 - 1, 2_097_153, 11]) {
      entry.writeUInt32BE(claimed, 8)
      await machine.index.batch([{ type: 'put', key, value: entry }], { sync: true })
      const again = await machine.open()
      assert.equal(await again.get(blob.cid), undefined)
      await again.put(blob)
      await again.close()
    }
  })

  void it('goes on beside a segment whose head is damaged, or that is missing, cut short or not its own', async () => {
    const all = blobs(12)
    for (const what of ['head', 'missing', 'short', 'foreign'] as const) {
      const machine = new Machine(1, { segmentBytes: 6_300 })
      let store = await machine.open()
      for (const blob of all) await store.put(blob)
      await store.close()
      const content = Buffer.from(machine.disk.contentOf(SECOND))
      if (what === 'missing') machine.disk.removeFile(SECOND)
      if (what === 'short') machine.disk.setContent(SECOND, content.subarray(0, 2_000))
      if (what === 'foreign') machine.disk.setContent(SECOND, Buffer.from(machine.disk.contentOf(FIRST)))
      if (what === 'head') machine.disk.setContent(SECOND, Buffer.concat([Buffer.alloc(8), content.subarray(8)]))
      store = await machine.open()
      const inFirst = all.slice(0, 6)
      for (const blob of inFirst) assert.notEqual(await store.get(blob.cid), undefined, what)
      for (const blob of all) if ((await store.get(blob.cid)) === undefined) await store.put(blob)
      for (const blob of all) assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
      assert.equal(store.stats().count, 12)
      await store.close()
    }
  })

  void it('makes the index anew from the segments', async () => {
    const machine = new Machine(1, { segmentBytes: 8_000, indexEveryRecords: 5 })
    const store = await machine.open()
    const all = blobs(40)
    for (const blob of all) await store.put(blob)
    await store.close()
    machine.index.wipe()
    const again = await machine.open()
    assert.deepEqual(again.stats(), { count: 40, bytes: 40_000 })
    for (const blob of all) assert.deepEqual((await again.get(blob.cid))?.bytes, blob.bytes)
  })

  void it('counts what is dead by segment, over a restart', async () => {
    const machine = new Machine(1, { segmentBytes: 5_300 })
    const store = await machine.open()
    const all = blobs(10)
    for (const blob of all) await store.put(blob)
    await store.deleteMany(all.slice(0, 3).map((blob) => blob.cid))
    await store.deleteMany(all.slice(7, 8).map((blob) => blob.cid))
    assert.equal(store.deadBytes, 4 * 1_044)
    const end = SEGMENT_HEADER_LENGTH + 5 * 1_044
    assert.deepEqual(store.segments.get(1), { liveBytes: 2 * 1_044, liveRecords: 2, end })
    assert.deepEqual(store.segments.get(2), { liveBytes: 4 * 1_044, liveRecords: 4, end })
    assert.equal(await machine.metric('sealsync_store_dead_bytes'), 4 * 1_044)
    machine.killProcess()
    const again = await machine.open()
    assert.equal(again.deadBytes, 4 * 1_044)
    assert.deepEqual(again.segments.get(1), { liveBytes: 2 * 1_044, liveRecords: 2, end })
  })

  void it('asks the index once for a blob on its way in or out, and anew after each change', async () => {
    const machine = new Machine(1, { indexEveryRecords: 1 })
    const store = await machine.open()
    const [blob, other] = blobs(2) as [ReturnType<typeof randomBlob>, ReturnType<typeof randomBlob>]
    const before = machine.index.reads
    assert.equal(await store.has(blob.cid), false)
    assert.equal(await store.get(blob.cid), undefined)
    await store.put(blob)
    assert.equal(machine.index.reads - before, 1)
    await store.put(other)
    // Till the index is written.
    await new Promise(setImmediate)
    assert.equal(await store.getSize(blob.cid), blob.bytes.length)
    assert.deepEqual(await store.get(blob.cid), blob)
    assert.equal(machine.index.reads - before, 3)
    assert.equal((await store.deleteMany([blob.cid])).count, 1)
    assert.equal(await store.has(blob.cid), false)
    await store.put(blob)
    assert.deepEqual(await store.get(blob.cid), blob)
  })

  void it('opens with a few reads of the index, however many blobs there are', async () => {
    const machine = new Machine(1, { segmentBytes: 100_000 })
    const store = await machine.open()
    await store.putMany(blobs(900, 40))
    await store.close()
    const reads = machine.index.reads
    const again = await machine.open()
    assert.equal(machine.index.reads - reads, 1)
    assert.deepEqual(again.stats(), { count: 900, bytes: 36_000 })
  })

  void it('keeps few files open, however many segments are read at once', async () => {
    const machine = new Machine(1, { segmentBytes: 1_100, maxOpenFiles: 3 })
    const store = await machine.open()
    const all = blobs(40)
    for (const blob of all) await store.put(blob)
    for (const blob of all) assert.notEqual(await store.get(blob.cid), undefined)
    // Three for reading and the one that is written.
    assert.ok(machine.disk.counts.openNow <= 4, `${machine.disk.counts.openNow} files`)
    const opened = machine.disk.counts.open
    for (let time = 0; time < 50; time += 1) await store.get(all[39]?.cid ?? randomBlob(0, 0).cid)
    assert.ok(machine.disk.counts.open - opened <= 1)
    await Promise.all(all.map((blob) => store.get(blob.cid)))
    assert.ok(machine.disk.counts.openNow <= 4, `${machine.disk.counts.openNow} files`)
    await store.close()
    assert.equal(machine.disk.counts.openNow, 0)
  })

  void it('tells a shortage of the system from a blob that is gone', async () => {
    const machine = new Machine(1)
    const store = await machine.open()
    const blob = randomBlob(1, 100)
    await store.put(blob)
    machine.disk.faults = (operation) => (operation === 'read' ? systemError('EMFILE') : undefined)
    await assert.rejects(store.get(blob.cid), { code: 'io' })
    machine.disk.faults = () => undefined
    assert.deepEqual((await store.get(blob.cid))?.bytes, blob.bytes)
    machine.disk.faults = (operation) => (operation === 'read' ? systemError('EIO') : undefined)
    assert.equal(await store.get(blob.cid), undefined)
    assert.equal(await store.has(blob.cid), false)
  })

  void it('refuses what is too large, too much or too late', async () => {
    const machine = new Machine(1, { maxPendingBytes: 3_000_000 })
    const store = await machine.open()
    await assert.rejects(store.put(randomBlob(1, 2_097_153)), { code: 'too-large' })
    const some = [randomBlob(2, 2_000_000), randomBlob(3, 2_000_000)] as const
    const first = store.put(some[0])
    await assert.rejects(store.put(some[1]), { code: 'overloaded' })
    await first
    await store.put(some[1])
    const last = store.put(randomBlob(4, 10))
    const closing = store.close()
    await assert.rejects(store.put(randomBlob(5, 10)), { code: 'closed' })
    await Promise.all([last, closing])
    await assert.rejects(store.get(some[0].cid), { code: 'closed' })
    await assert.rejects(store.deleteMany([]), { code: 'closed' })
    assert.equal((await machine.open()).stats().count, 3)
  })

  void it('knows which options cannot work', () => {
    const fine = { ...defaultSegmentBlockstoreOptions, directory: DIRECTORY }
    assert.deepEqual(validateSegmentBlockstoreOptions(fine), [])
    const wrong = { ...fine, directory: '', segmentBytes: 2 ** 33, maxPendingBytes: 1_000, maxOpenFiles: 0 }
    assert.equal(validateSegmentBlockstoreOptions(wrong).length, 4)
  })
})
