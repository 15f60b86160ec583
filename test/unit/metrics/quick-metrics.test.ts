import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { createRegistry } from '#src/metrics/index.ts'

/** Some metrics of each shape, used alike whatever the registry. */
function metricsOf(register: Registry) {
  const common = { help: 'help', registers: [register] }
  return {
    plain: new Counter({ ...common, name: 'plain_total' }),
    one: new Counter({ ...common, name: 'one_total', labelNames: ['outcome'] }),
    two: new Counter({ ...common, name: 'two_total', labelNames: ['operation', 'outcome'] }),
    three: new Counter({ ...common, name: 'three_total', labelNames: ['a', 'b', 'c'] }),
    level: new Gauge({ ...common, name: 'level' }),
    kinds: new Gauge({ ...common, name: 'kinds', labelNames: ['kind'] }),
    seconds: new Histogram({ ...common, name: 'seconds', buckets: [0.005, 0.1, 1, 2.5] }),
    sizes: new Histogram({ ...common, name: 'sizes', labelNames: ['of'], buckets: [1, 1e21] })
  }
}

type Metrics = ReturnType<typeof metricsOf>

/** The same calls on a plain registry and on a node's print the same. */
async function bothPrint(use: (metrics: Metrics) => void): Promise<string> {
  const plain = new Registry()
  const quick = createRegistry()
  use(metricsOf(plain))
  use(metricsOf(quick))
  const printed = await quick.metrics()
  assert.equal(printed, await plain.metrics())
  return printed
}

test('counters print what the library counts, with and without labels, again and again', async () => {
  const printed = await bothPrint(({ plain, one, two, three }) => {
    for (let round = 0; round < 3; round += 1) {
      plain.inc()
      plain.inc(2.5)
      one.inc({ outcome: 'ok' })
      one.inc({ outcome: 'miss' }, 0)
      one.labels('bound').inc(4)
      two.inc({ operation: 'get', outcome: 'ok' }, 7)
      two.inc({ outcome: 'miss', operation: 'get' })
      two.inc({ operation: 'ok', outcome: 'get' })
      three.inc({ a: 'x', b: 'y', c: 'z' })
    }
  })
  assert.match(printed, /plain_total 10\.5/)
  assert.match(printed, /two_total\{operation="get",outcome="ok"\} 21/)
})

test('gauges print their last value', async () => {
  const printed = await bothPrint(({ level, kinds }) => {
    for (const value of [3, -1, Number.POSITIVE_INFINITY, 0.25]) {
      level.set(value)
      kinds.set({ kind: 'anon' }, value)
      kinds.inc({ kind: 'file' }, 2)
      kinds.dec({ kind: 'anon' })
      level.inc()
    }
  })
  assert.match(printed, /level 1\.25/)
})

test('histograms put values at, between and above their bounds where the library does', async () => {
  const printed = await bothPrint(({ seconds, sizes }) => {
    for (const value of [0, 0.005, 0.0051, 1, 2.5, 2.6, -1, 1e22]) {
      seconds.observe(value)
      sizes.observe({ of: 'blob' }, value)
      sizes.observe({ of: 'block' }, value * 2)
    }
  })
  assert.match(printed, /seconds_count 8/)
})

test('what is reset or removed begins anew', async () => {
  await bothPrint(({ plain, one, kinds, seconds }) => {
    const move = (): void => {
      plain.inc(2)
      one.inc({ outcome: 'ok' }, 3)
      kinds.set({ kind: 'anon' }, 4)
      seconds.observe(1)
    }
    move()
    for (const metric of [plain, one, kinds, seconds]) metric.reset()
    move()
    one.remove('ok')
    kinds.remove({ kind: 'anon' })
    move()
  })
})

test('what the library refuses is refused', () => {
  const { plain, one, level, seconds } = metricsOf(createRegistry())
  plain.inc()
  one.inc({ outcome: 'ok' })
  const refused: [string, () => void][] = [
    ['a counter cannot fall', () => plain.inc(-1)],
    ['nor without bound', () => one.inc({ outcome: 'ok' }, Number.POSITIVE_INFINITY)],
    ['a label that was not declared', () => one.inc({ other: 'ok' } as never)],
    ['a gauge takes numbers', () => level.set('3' as never)],
    ['a histogram takes finite ones', () => seconds.observe(Number.NaN)]
  ]
  for (const [what, call] of refused) assert.throws(call, Error, what)
})
