import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { duplicateRatio, duplicateShare, median, nodeFigures, runFigures } from '#src/lab/localnet/figures.ts'
import { histogramQuantile, mergeLatency } from '#src/lab/localnet/latency.ts'
import { type LatencyFigures, parseNodeStatus } from '#src/lab/localnet/status.ts'

const bytes = (over: Partial<Record<'received' | 'useful' | 'duplicate' | 'partial' | 'sent', number>>) => ({
  received: 0,
  useful: 0,
  duplicate: 0,
  partial: 0,
  sent: 0,
  ...over
})

describe('duplicate figures', () => {
  it('counts duplicates and what was given up half way against what was useful', () => {
    assert.equal(duplicateRatio(bytes({ received: 130, useful: 100, duplicate: 20, partial: 10 })), 0.3)
    assert.equal(duplicateShare(bytes({ received: 130, useful: 100, duplicate: 26, partial: 4 })), 0.2)
  })

  it('is 0 when nothing came, and 1 when nothing that came was useful', () => {
    assert.equal(duplicateRatio(bytes({})), 0)
    assert.equal(duplicateShare(bytes({})), 0)
    assert.equal(duplicateRatio(bytes({ received: 5, duplicate: 5 })), 1)
  })
})

describe('median', () => {
  it('is the middle of an odd number, the mean of the two middle ones of an even one, nothing of none', () => {
    assert.equal(median([9, 1, 5]), 5)
    assert.equal(median([9, 1, 5, 7]), 6)
    assert.equal(median([]), undefined)
  })
})

describe('the lives of a node', () => {
  const life = (scale: number) =>
    runFigures(
      parseNodeStatus({
        payloadBytes: { received: 12 * scale, useful: 10 * scale, duplicate: scale, partial: scale, sent: 3 * scale },
        blobsExchanged: { received: 2 * scale, unique: scale },
        wants: { sent: scale, cancelled: 0, hedged: scale, timedOut: 0 },
        streams: { open: 7, opened: scale, inbound: scale, outbound: 0, openMax: scale, other: { identify: scale } },
        eventLoopLagMs: { p99: scale },
        run: { presentAtStart: scale, refetched: 0 },
        cpuSeconds: 99
      }),
      scale / 2
    )

  it('add up their counters and keep their maxima', () => {
    const all = nodeFigures([life(2), life(4)])
    assert.deepEqual(all.payloadBytes, { received: 72, useful: 60, duplicate: 6, partial: 6, sent: 18 })
    assert.equal(all.duplicateRatio, 0.2)
    assert.deepEqual(all.blobs, { received: 12, unique: 6 })
    assert.deepEqual(all.wants, { sent: 6, cancelled: 0, hedged: 6, timedOut: 0 })
    assert.deepEqual(all.streams, { opened: 6, inbound: 6, outbound: 0, openMax: 4, other: { identify: 4 } })
    assert.equal(all.eventLoopLagP99Ms, 4)
    assert.equal(all.cpuSeconds, 3, 'the kernel knows the time better than the node')
  })

  it('are none for a node that never answered', () => {
    const none = nodeFigures([])
    assert.equal(none.duplicateRatio, 0)
    assert.equal(none.streams.openMax, 0)
    assert.deepEqual(none.announceToStored, [])
  })
})

describe('a node status', () => {
  it('may lack what an older node does not know', () => {
    const status = parseNodeStatus({ version: '1', heights: { consecutive: '9007199254740993' } })
    assert.equal(status.heights.highest, undefined)
    assert.equal(status.heights.consecutive, 2 ** 53)
    assert.equal(status.announceToStored.count, 0)
    assert.equal(status.stall, undefined)
  })

  it('keeps what is known of a stall', () => {
    const { stall } = parseNodeStatus({ stall: { height: 5, cid: 'Qm', askedPeers: 3 } })
    assert.deepEqual(stall, { height: 5, cid: 'Qm', askedPeers: 3 })
  })

  for (const value of [null, 7, 'text', []]) {
    it(`is not ${JSON.stringify(value)}`, () => {
      assert.throws(() => parseNodeStatus(value), { code: 'bad-answer' })
    })
  }

  it('is read from any JSON object without a throw and without NaN', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('heights', 'payloadBytes', 'streams', 'announceToStoredMs', 'stall'),
          fc.jsonValue()
        ),
        (value) => {
          const status = parseNodeStatus(value)
          assert.ok(Object.values(status.payloadBytes).every(Number.isFinite))
          assert.ok(Object.values(status.heights).every(Number.isFinite))
        }
      )
    )
  })

  it('drops a histogram that is none', () => {
    const read = (buckets: unknown) =>
      parseNodeStatus({ announceToStoredMs: { count: 1, buckets } }).announceToStored.buckets
    assert.equal(read([['x', 1]]), undefined)
    assert.equal(read([[1, -1]]), undefined)
    assert.equal(read(Array(10_001).fill([1, 1])), undefined)
    assert.deepEqual(
      read([
        [1, 2],
        ['+Inf', 3]
      ]),
      [
        [1, 2],
        [Number.POSITIVE_INFINITY, 3]
      ]
    )
  })
})

describe('latency over nodes', () => {
  const figures = (over: Partial<LatencyFigures>): LatencyFigures => ({
    count: 1,
    p50: 1,
    p95: 2,
    p99: 3,
    p999: 4,
    max: 5,
    ...over
  })

  it('adds histograms up', () => {
    const merged = mergeLatency([
      figures({
        count: 90,
        max: 8,
        buckets: [
          [10, 90],
          [100, 0]
        ]
      }),
      figures({
        count: 10,
        max: 90,
        buckets: [
          [10, 0],
          [100, 10]
        ]
      })
    ])
    assert.equal(merged.method, 'histogram')
    assert.equal(merged.count, 100)
    assert.equal(merged.max, 90)
    assert.equal(merged.p50, 10)
    assert.equal(merged.p95, 90, 'no quantile exceeds the largest observation')
  })

  it('takes the worst node when one gives no histogram, and says so', () => {
    const merged = mergeLatency([figures({ p99: 30, max: 40, buckets: [[50, 1]] }), figures({ p50: 9 })])
    assert.deepEqual(merged, { count: 2, p50: 9, p95: 2, p99: 30, p999: 4, max: 40, method: 'worst-node' })
  })

  it('does not let a node that saw nothing count', () => {
    assert.equal(mergeLatency([figures({ count: 0, p50: 1000 })]).method, 'none')
    assert.equal(mergeLatency([figures({ count: 0, p50: 1000 }), figures({})]).p50, 1)
  })

  it('has quantiles that ascend and stay within what was seen', () => {
    const arbitrary = fc.array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 50 })), {
      minLength: 1
    })
    fc.assert(
      fc.property(arbitrary, fc.integer({ min: 1, max: 2000 }), (rows, max) => {
        const buckets = [...new Map(rows)].sort(([a], [b]) => a - b)
        fc.pre(buckets.some(([, count]) => count > 0))
        const values = [0.01, 0.5, 0.9, 0.99, 1].map((q) => histogramQuantile(buckets, q, max))
        assert.ok(
          values.every((value, at) => value >= 0 && value <= max && value >= (values[at - 1] ?? 0) - 1e-9),
          values.join(' ')
        )
      })
    )
  })
})
