import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ExchangeTotals } from '#src/exchange/metrics.ts'
import { LIMIT_SECTIONS } from '../../build/docs/limit-rows.ts'
import { boundingOptions, limitValue, shownLimit } from '../../build/docs/limit-sources.ts'
import { limitFaults } from '../../build/docs/limits.ts'
import { allMetrics } from '../../build/docs/metrics.ts'
import { root, sourceFiles } from '../../build/docs/source-facts.ts'

const ROWS = LIMIT_SECTIONS.flatMap(({ rows }) => rows)

/** True when some source of the metric's room names the label's value. */
function isValueOf(room: string, value: string): boolean {
  const named = new RegExp(`['\`]${value}['\`]|^\\s*'?${value}'?:`, 'm')
  return sourceFiles('src')
    .filter((file) => file.startsWith(`src/${room}/`))
    .some((file) => named.test(readFileSync(join(root, file), 'utf8')))
}

describe('limits', () => {
  it('of the page all exist, as options, settings or constants', () => {
    for (const { limits } of ROWS) for (const name of limits) assert.ok(Number.isFinite(limitValue(name)), name)
    assert.ok(ROWS.length > 40, `only ${ROWS.length} rows`)
  })

  it('of the options are all on the page, or excused', () => {
    assert.ok(boundingOptions().length > 50, 'too few options were found')
    assert.deepEqual(limitFaults(), [])
  })

  it('name metrics that exist, with labels and values that they have', async () => {
    const metrics = await allMetrics()
    for (const counter of ROWS.flatMap(({ counters = [] }) => counters)) {
      const [, name, label, value] = /^([a-z0-9_]+)(?:\{(\w+)="([^"]+)"\})?$/.exec(counter) ?? []
      const metric = metrics.find((found) => found.name === name)
      assert.ok(metric, `there is no metric ${counter}`)
      if (label === undefined || value === undefined) continue
      assert.ok(metric.labels.includes(label), `${name} has no label ${label}`)
      assert.ok(isValueOf(metric.room, value), `nothing in src/${metric.room} says '${value}' (${counter})`)
    }
  })

  it('of the exchange stand there for every reason of a refusal that is a limit', () => {
    const page = readFileSync(join(root, 'docs/limits.md'), 'utf8')
    // Not limits: who may ask, bytes that are no message, bytes that are another block.
    const others = ['filter', 'malformed', 'wrong']
    const missing = Object.keys(new ExchangeTotals().refusals).filter(
      (reason) => !others.includes(reason) && !page.includes(`reason="${reason}"`)
    )
    assert.deepEqual(missing, [])
  })

  it('are shown with their unit', () => {
    assert.equal(shownLimit('exchange.maxMessageBytes'), '4 MiB')
    assert.equal(shownLimit('exchange.server.repeatBytesPerSecond'), '1 MiB/s')
    assert.equal(shownLimit('p2p.keepAliveTimeoutMs'), '25s')
    assert.equal(shownLimit('api.reader.maxStreams'), '12')
  })

  it('that are none are refused', () => {
    assert.throws(() => limitValue('exchange.maxNothing'), /no numeric option exchange\.maxNothing/)
    assert.throws(() => limitValue('setting:node.role'), /no numeric setting/)
    assert.throws(() => limitValue('src/p2p/connection-gater.ts#NOTHING'), /has no numeric constant NOTHING/)
  })
})
