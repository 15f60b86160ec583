import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { prometheusOptions } from '#cmd/compare-prometheus.ts'
import type { Points, Slices } from '#src/lab/compare/prometheus.ts'
import { type AskPoints, comparePrometheus } from '#src/lab/compare/prometheus-compare.ts'
import { PROMETHEUS_MEASURES } from '#src/lab/compare/prometheus-measures.ts'
import { renderPrometheus } from '#src/lab/compare/table.ts'

const NOW = 1_800_000_000
const URL = 'http://127.0.0.1:9090'
const options = prometheusOptions({ url: URL, slices: '4' }, NOW)
const { signal } = new AbortController()

/** Answers by what an expression asks of an arm; what is not named is 8 for the first arm and 8 for the second. */
const answering =
  (values: (expr: string, arm: 'a' | 'b', at: number) => number | null): AskPoints =>
  async (expr, { count }: Slices): Promise<Points> =>
    Array.from({ length: count }, (_, at) => values(expr, expr.includes('variant="dht"') ? 'b' : 'a', at))

const effect = (report: Awaited<ReturnType<typeof comparePrometheus>>, metric: string) =>
  report.effects.find((one) => one.metric === metric)

describe('compare prometheus', () => {
  it('takes each slice of the time for a round', async () => {
    const asked: Slices[] = []
    const ask = answering((expr, arm, at) => (expr.includes('max_over_time') && arm === 'b' ? 16 + at : 8))
    const report = await comparePrometheus(
      (expr, slices, context) => {
        asked.push(slices)
        return ask(expr, slices, context)
      },
      options,
      { signal }
    )
    assert.deepEqual([report.ok, report.reasons, report.rounds], [true, [], 4])
    assert.deepEqual(asked[0], { seconds: 900, count: 4, firstEnd: NOW - 2_700 })
    assert.deepEqual(report.workload, {
      source: 'prometheus',
      url: URL,
      from: '2027-01-15T07:00:00.000Z',
      to: '2027-01-15T08:00:00.000Z',
      sliceSeconds: 900
    })
    const memory = effect(report, 'rssBytes.peak')
    assert.deepEqual([memory?.a.median, memory?.b.median, memory?.better], [8, 17.5, 'a'])
    assert.equal(memory?.ratio, 17.5 / 8)
    assert.equal(effect(report, 'rssBytes.mean')?.better, 'none')
    assert.equal(report.arms.b.runs[3]?.figures['rssBytes.peak'], 19)
    assert.equal(report.arms.b.runs[0]?.from, '2027-01-15T07:00:00.000Z')
    const text = renderPrometheus(report)
    assert.match(text, /^ok: variant="no-dht" \(8 nodes\) against variant="dht" \(8 nodes\)/)
    assert.match(text, /rssBytes\.peak .*variant="no-dht" better/)
  })

  it('lets no duplicates count as one blob, and no streams as one', async () => {
    const values = answering((expr, arm) => {
      if (expr.includes('streams_opened') || expr.includes('dup_data')) return arm === 'a' ? 0 : 1
      return expr.startsWith('count') ? 2 : 100
    })
    const report = await comparePrometheus(values, options, { signal })
    assert.equal(effect(report, 'duplicateRatio')?.a.median, 0)
    // A hundred bytes in a hundred blobs: one of them is a hundredth.
    assert.equal(effect(report, 'duplicateRatio')?.ratio, 100)
    assert.equal(effect(report, 'streamsOpenedPerSecond')?.ratio, 1_800)
  })

  it('leaves out slices that one of them was not there in', async () => {
    const report = await comparePrometheus(
      answering((_, arm, at) => (arm === 'b' && at === 0 ? null : 8)),
      options,
      { signal }
    )
    assert.deepEqual([report.ok, report.arms.a.runs.length, report.arms.b.runs.length], [true, 4, 3])
    assert.equal(effect(report, 'rssBytes.mean')?.rounds, 3)
  })

  const rows: readonly (readonly [what: string, ask: AskPoints, reason: RegExp])[] = [
    ['neither arm', answering(() => null), /no node of --a 'variant="no-dht"'.*\n.*no node of --b/],
    ['only the first arm', answering((_, arm) => (arm === 'a' ? 8 : null)), /^no node of --b 'variant="dht"'/],
    [
      'both, never at the same time',
      answering((_, arm, at) => ((arm === 'a') === at < 2 ? 8 : null)),
      /never there at the same time/
    ],
    [
      'nodes that receive nothing',
      answering((expr, arm) => (arm === 'b' && expr.includes('useful_bytes') ? 0 : 8)),
      /^the nodes of --b 'variant="dht"' received nothing/
    ]
  ]
  for (const [what, ask, reason] of rows) {
    it(`says so when there is ${what}`, async () => {
      const report = await comparePrometheus(ask, options, { signal })
      assert.equal(report.ok, false)
      assert.match(report.reasons.join('\n'), reason)
    })
  }

  it('asks of every measure by its name once', () => {
    const names = PROMETHEUS_MEASURES.map(({ metric }) => metric)
    assert.equal(new Set(names).size, names.length)
  })
})

describe('the flags of compare prometheus', () => {
  it('have times in four forms', () => {
    const times = (flags: Record<string, string>) => {
      const { from, to } = prometheusOptions({ url: URL, ...flags }, NOW)
      return [from, to]
    }
    assert.deepEqual(times({}), [NOW - 3_600, NOW])
    assert.deepEqual(times({ from: '-90m' }), [NOW - 5_400, NOW])
    assert.deepEqual(times({ from: '-1h', to: '-30m' }), [NOW - 5_400, NOW - 1_800])
    assert.deepEqual(times({ from: '2027-01-15T07:00:00Z', to: 'now' }), [NOW - 3_600, NOW])
    assert.deepEqual(times({ from: '1700000000', to: '1700003600.5' }), [1_700_000_000, 1_700_003_600.5])
  })

  const rows: readonly (readonly [flags: Record<string, string>, fault: RegExp])[] = [
    [{ url: 'prometheus:9090' }, /--url 'prometheus:9090' is no http/],
    [{ url: '' }, /--url '' is no http/],
    [{ a: 'no-dht' }, /--a 'no-dht' must be label matchers like variant="no-dht"/],
    [{ b: 'variant="dht"} or up{' }, /--b .* must be label matchers/],
    [{ b: 'variant="dht\\' }, /--b .* must be label matchers/],
    [{ a: `variant="${'x'.repeat(600)}"` }, /--a .* must be label matchers/],
    [{ slices: '1' }, /--slices must lie between 2 and 1000/],
    [{ slices: 'all' }, /--slices 'all' must be a whole number/],
    [{ from: '-30s', slices: '12' }, /each of 12 slices must last 5 s or longer/],
    [{ from: '2027-01-15T09:00:00Z' }, /--from must lie before --to/],
    [{ from: 'yesterday' }, /--from 'yesterday' must be a date/],
    [{ timeout: 'soon' }, /--timeout 'soon' must be a duration/]
  ]
  for (const [flags, fault] of rows) {
    it(`are refused when they are ${JSON.stringify(flags).slice(0, 60)}`, () => {
      assert.throws(() => prometheusOptions({ url: URL, ...flags }, NOW), { code: 'usage', message: fault })
    })
  }
})
