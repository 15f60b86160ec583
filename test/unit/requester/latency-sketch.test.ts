import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LatencySketch } from '#src/requester/latency-sketch.ts'

const duration = fc.double({ min: 0.2, max: 3_600_000, noNaN: true })

function exact(sorted: readonly number[], q: number): number {
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? Number.NaN
}

describe('latency sketch', () => {
  test('quantiles lie within 2 % of the true ones, the maximum is exact', () => {
    fc.assert(
      fc.property(fc.array(duration, { minLength: 1, maxLength: 300 }), (values) => {
        const sketch = new LatencySketch()
        for (const value of values) sketch.add(value)
        const sorted = values.toSorted((a, b) => a - b)
        for (const q of [0.5, 0.95, 0.99, 0.999]) {
          const truth = exact(sorted, q)
          assert.ok(Math.abs((sketch.quantile(q) ?? Number.NaN) - truth) <= 0.02 * truth, `${q} of ${values.length}`)
        }
        assert.equal(sketch.quantile(1), sketch.quantile(0.9999999))
        assert.equal(sketch.summary().max, Math.round(Math.max(...values) * 100) / 100)
      })
    )
  })

  test('the buckets of several nodes add up to those of all, and each holds its values from below', () => {
    fc.assert(
      fc.property(fc.array(duration, { maxLength: 100 }), fc.array(duration, { maxLength: 100 }), (a, b) => {
        const [one, other, all] = [new LatencySketch(), new LatencySketch(), new LatencySketch()]
        for (const value of a) one.add(value)
        for (const value of b) other.add(value)
        for (const value of [...a, ...b]) all.add(value)
        const sum = new Map<number, number>()
        for (const [upper, count] of [...one.summary().buckets, ...other.summary().buckets]) {
          sum.set(upper, (sum.get(upper) ?? 0) + count)
        }
        const merged = [...sum].toSorted(([x], [y]) => x - y)
        assert.deepEqual(merged, all.summary().buckets)
        const sorted = [...a, ...b].toSorted((x, y) => x - y)
        let at = 0
        for (const [upper, count] of merged) {
          at += count
          const truth = sorted[at - 1] ?? Number.NaN
          assert.ok(truth <= upper + 0.001 && truth >= upper * 0.98 - 0.001, `${truth} in the bucket up to ${upper}`)
        }
      })
    )
  })

  test('an empty one has no quantiles', () => {
    const none = { count: 0, p50: null, p95: null, p99: null, p999: null, max: null, buckets: [] }
    assert.deepEqual(new LatencySketch().summary(), none)
  })

  test('clocks that differ, hours, and what is no number', () => {
    const sketch = new LatencySketch()
    for (const value of [-50, Number.NaN, 1e12, Number.POSITIVE_INFINITY]) sketch.add(value)
    assert.equal(sketch.count, 3)
    assert.equal(sketch.quantile(0), 0.1)
  })
})
