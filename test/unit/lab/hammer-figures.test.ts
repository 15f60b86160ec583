import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Attempt, bisect } from '#src/lab/hammer/bisect.ts'
import { carBlobs, Catalogue, RecentBlobs } from '#src/lab/hammer/blobs.ts'
import { LatencyHistogram } from '#src/lab/hammer/latency.ts'
import { Paging, walkFrom } from '#src/lab/hammer/load.ts'
import { slopeOf } from '#src/lab/hammer/slopes.ts'
import { nameOf, Tally } from '#src/lab/hammer/tally.ts'
import { syntheticSource } from '#src/lab/localnet/synthetic-source.ts'
import { blobOf } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'

describe('latencies', () => {
  it('have percentiles within 2.2 % and an exact maximum', () => {
    const histogram = new LatencyHistogram()
    for (let ms = 1; ms <= 1_000; ms += 1) histogram.add(ms)
    const [p50, p99] = [histogram.quantile(0.5) ?? 0, histogram.quantile(0.99) ?? 0]
    assert.ok(p50 >= 500 && p50 <= 511, `${p50}`)
    assert.ok(p99 >= 990 && p99 <= 1_000, `${p99}`)
    assert.equal(histogram.max, 1_000)
  })

  it('are null when there was nothing, and hold what is off the scale', () => {
    const histogram = new LatencyHistogram()
    assert.equal(histogram.quantile(0.5), null)
    assert.equal(histogram.max, null)
    histogram.add(1e9)
    histogram.add(0)
    assert.equal(histogram.max, 1e9)
    assert.equal(histogram.quantile(0), 0.001)
  })
})

describe('a tally', () => {
  it('tells served, refused and failed apart; only what was served has bytes and a latency', () => {
    const tally = new Tally()
    tally.add({ kind: 'ok', bytes: 10 }, 5)
    tally.add({ kind: 'rejected', by: 'too-many-streams' }, 500)
    tally.add({ kind: 'rejected', by: 'too-many-streams' }, 500)
    tally.add({ kind: 'failed', by: 'ECONNRESET' }, 500)
    const report = tally.report('read', 2)
    assert.deepEqual(report.requests, { ok: 1, rejected: 2, failed: 1 })
    assert.deepEqual(report.rejectedBy, { 'too-many-streams': 2 })
    assert.deepEqual(report.failedBy, { ECONNRESET: 1 })
    assert.equal(report.bytes, 10)
    assert.equal(report.latencyMs.max, 5)
  })

  it('keeps no more than 64 reasons by name', () => {
    const tally = new Tally()
    for (let at = 0; at < 1_000; at += 1) tally.add({ kind: 'rejected', by: `reason-${at}` }, 0)
    const { rejectedBy } = tally.report('x', 1)
    assert.equal(Object.keys(rejectedBy).length, 65)
    assert.equal(rejectedBy['other'], 936)
  })

  it('names an error by its code, else by its kind', () => {
    assert.equal(nameOf(Object.assign(new Error('x'), { code: 'EPIPE' })), 'EPIPE')
    assert.equal(nameOf(new TypeError('x')), 'TypeError')
    assert.equal(nameOf(undefined), 'error')
  })
})

describe('bisection', () => {
  const upTo =
    (limit: number, refused: Attempt = { kind: 'rejected', by: 'no' }) =>
    async (value: number): Promise<Attempt> =>
      value <= limit ? { kind: 'ok' } : refused

  it('finds every limit between the ends', async () => {
    for (let limit = 1; limit < 100; limit += 1) {
      assert.deepEqual(
        await bisect({ low: 1, high: 100 }, upTo(limit)),
        { largestServed: limit, smallestRefused: limit + 1, refusedBy: 'no', clean: true },
        `limit ${limit}`
      )
    }
  })

  it('says when there is none, when even the least is refused, and when it is no clean refusal', async () => {
    assert.equal((await bisect({ low: 1, high: 100 }, upTo(100))).smallestRefused, null)
    assert.equal((await bisect({ low: 1, high: 100 }, upTo(0))).largestServed, null)
    assert.equal((await bisect({ low: 1, high: 100 }, upTo(9, { kind: 'failed', by: 'gone' }))).clean, false)
  })
})

describe('slopes', () => {
  const points = (valueAt: (hour: number) => number) =>
    Array.from({ length: 600 }, (_, at) => ({ atMs: at * 6_000, value: valueAt(at / 600) }))
  const what = { name: 'rss', unit: 'bytes' }

  it('are exact for a line', () => {
    const slope = slopeOf(
      points((hour) => 100 + 50 * hour),
      what
    )
    assert.ok(slope !== undefined)
    assert.ok(Math.abs(slope.perHour - 50) < 1e-6, `${slope.perHour}`)
    assert.ok(slope.ci95[0] <= slope.perHour && slope.perHour <= slope.ci95[1])
  })

  it('of noise alone hold 0 within their interval in nearly every run', () => {
    const runs = Array.from({ length: 40 }, (_, seed) => {
      const rng = seededRng(seed)
      const slope = slopeOf(
        points(() => rng.next()),
        what
      )
      return slope !== undefined && slope.ci95[0] <= 0 && slope.ci95[1] >= 0
    })
    assert.ok(runs.filter(Boolean).length >= 34, `${runs.filter(Boolean).length} of 40`)
  })

  it('are none for fewer than three points in time', () => {
    assert.equal(slopeOf([], what), undefined)
    assert.equal(slopeOf([{ atMs: 0, value: 1 }], what), undefined)
    assert.equal(
      slopeOf(
        [
          { atMs: 5, value: 1 },
          { atMs: 5, value: 2 },
          { atMs: 5, value: 3 }
        ],
        what
      ),
      undefined
    )
  })
})

describe('the order in which a peer reads', () => {
  it('comes to none again soon, and to most in one round', () => {
    const walk = walkFrom(0.3)
    const seen = Array.from({ length: 300 }, () => Math.floor(walk() * 300))
    assert.ok(new Set(seen).size >= 180, `${new Set(seen).size}`)
    for (const [at, blob] of seen.entries()) assert.ok(!seen.slice(at + 1, at + 80).includes(blob), `${blob}`)
  })
})

describe('the way of a peer through the store', () => {
  it('comes back to a blob after a minute, and meanwhile has nothing to ask for where all has been read', () => {
    const catalogue = new Catalogue()
    const blobs = Array.from({ length: 8 }, (_, at) => ({ cid: blobOf(new Uint8Array(10).fill(at)).cid, size: 10 }))
    catalogue.add(1, blobs)
    const paging = new Paging(walkFrom(0.1))
    const first = Array.from({ length: 8 }, () => paging.next(catalogue, 0)?.cid.key)
    assert.equal(new Set(first).size, 8)
    assert.equal(paging.next(catalogue, 60_000), undefined)
    assert.equal(Array.from({ length: 8 }, () => paging.next(catalogue, 70_000)?.cid.key).includes(undefined), false)
  })
})

describe('what load peers hold', () => {
  it('is the newest blobs, up to so many bytes', async () => {
    const recent = new RecentBlobs(100)
    const blobs = [1, 2, 3].map((byte) => blobOf(new Uint8Array(40).fill(byte)))
    for (const blob of blobs) recent.put(blob)
    const held = await Promise.all(blobs.map(({ cid }) => recent.has(cid)))
    assert.deepEqual(held, [false, true, true])
  })

  it('comes out of the CAR of a block: every blob hashes to its CID, the root first', async () => {
    for await (const block of syntheticSource({ seed: 1, chunkBytes: [3_000, 4_000], atOnce: true }, 5).blocks()) {
      const blobs = carBlobs(block.car)
      assert.equal(blobs.length, 3)
      assert.equal(blobs[0]?.cid.toExecutionDataId(), block.executionDataId)
      for (const { cid, bytes } of blobs) assert.equal(blobOf(bytes).cid.key, cid.key)
      assert.throws(() => carBlobs(block.car.subarray(0, -1)), { code: 'bad-source' })
      break
    }
  })

  it('is picked from evenly', () => {
    const catalogue = new Catalogue()
    assert.equal(catalogue.blobAt(0.5), undefined)
    const [a, b] = [blobOf(new Uint8Array(1)), blobOf(new Uint8Array(2))]
    catalogue.add(
      7,
      [a, b].map(({ cid, bytes }) => ({ cid, size: bytes.length }))
    )
    assert.equal(catalogue.blobAt(0)?.size, 1)
    assert.equal(catalogue.blobAt(0.999)?.size, 2)
    assert.equal(catalogue.heightAt(0.999), 7)
    assert.equal(catalogue.bytes, 3)
  })
})
