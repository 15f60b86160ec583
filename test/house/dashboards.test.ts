import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { parse } from 'yaml'
import { ALERTS, runbookOf } from '../../build/dashboards/alerts.ts'
import { wholeMetric } from '../../build/dashboards/names.ts'
import { dashboardFiles } from '../../build/dashboards/outputs.ts'
import { RECORDING_RULES } from '../../build/dashboards/recording.ts'
import { allMetrics } from '../../build/docs/metrics.ts'
import { root } from '../../build/docs/source-facts.ts'
import { ALERT_CASES } from '#test/support/dashboards/alert-cases.ts'
import { unitFault } from '#test/support/dashboards/dimensions.ts'
import { type DashboardJson, type KnownNames, lintDashboard } from '#test/support/dashboards/lint.ts'
import { parseExpression } from '#test/support/dashboards/promql.ts'

/** Metrics that no panel and no alert shows, and why. */
const NOT_SHOWN: Readonly<Record<string, string>> = {
  nodejs_:
    'of every Node process: the heap, the garbage collection and the lag of the loop have panels, the rest is for a look by hand',
  process_: 'the same'
}

const json = (text: string): DashboardJson => JSON.parse(text) as DashboardJson

describe('dashboards', async () => {
  const files = await dashboardFiles()
  const metrics = await allMetrics()
  const known: KnownNames = {
    metrics: new Set(metrics.map(({ name }) => name)),
    recorded: new Set(RECORDING_RULES.map(({ record }) => record))
  }
  const boards = [...files].filter(([path]) => path.endsWith('.json')).map(([, text]) => json(text))

  it('are committed as their sources make them, and nothing else is', () => {
    for (const [path, text] of files) {
      assert.equal(readFileSync(join(root, path), 'utf8'), text, `${path}: run npm run dashboards`)
    }
    const there = ['dashboards', 'dashboards/rules'].flatMap((folder) =>
      readdirSync(join(root, folder), { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => `${folder}/${name}`)
    )
    assert.deepEqual(there.sort(), [...files.keys()].filter((path) => path.startsWith('dashboards/')).sort())
  })

  it('are six, and keep the rules', () => {
    assert.equal(boards.length, 6)
    assert.equal(new Set(boards.map(({ uid }) => uid)).size, 6)
    assert.deepEqual(
      boards.flatMap((board) => lintDashboard(board, known)),
      []
    )
  })

  it('show every metric, but for those that are let off', () => {
    const texts = [
      ...boards.flatMap(({ panels }) => panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))),
      ...ALERTS.map(({ expr }) => expr),
      ...RECORDING_RULES.map(({ expr }) => expr)
    ]
    const used = new Set(
      texts.flatMap((text) => parseExpression(text).selectors.map(({ name }) => wholeMetric(name, known.metrics)))
    )
    const left = metrics
      .map(({ name }) => name)
      .filter((name) => !used.has(name) && !Object.keys(NOT_SHOWN).some((prefix) => name.startsWith(prefix)))
    assert.deepEqual(left, [], 'add a panel in build/dashboards, or let it off above with the reason')
  })

  /** One dashboard with one panel changed. */
  const planted = (change: (text: string) => string): string[] => {
    const text = files.get('dashboards/storage.json') ?? ''
    const changed = change(text)
    assert.notEqual(changed, text, 'the fault was not planted')
    return lintDashboard(json(changed), known)
  }
  for (const [what, change, said] of [
    [
      'a wrong metric name',
      (text: string) => text.replace('sealsync_store_cache_bytes', 'sealsync_store_cashe_bytes'),
      /no metric/
    ],
    ['a wrong unit', (text: string) => text.replace('"unit": "bytes"', '"unit": "s"'), /unit s, but it is in bytes/],
    [
      'a rate shown as an amount',
      (text: string) => text.replace('"unit": "Bps"', '"unit": "bytes"'),
      /unit bytes, but/
    ],
    ['no PromQL', (text: string) => text.replace('"expr": "(sum by', '"expr": "((sum by'), /no PromQL/],
    ['a fixed range', (text: string) => text.replace('$__rate_interval', '5m'), /is fixed/],
    [
      'a query for every instance',
      (text: string) => text.replace(', instance=~\\"$instance\\"', ''),
      /not matched by instance/
    ],
    ['an undefined variable', (text: string) => text.replace('$variant', '$varient'), /not defined/],
    [
      'an empty description',
      (text: string) => text.replace(/"description": "[^"]*Good: [^"]*"/, '"description": ""'),
      /description/
    ],
    ['two panels in one place', (text: string) => text.replace(/"x": 12/, '"x": 0'), /lies on/]
  ] as const) {
    it(`a planted fault is found: ${what}`, () => {
      assert.match(planted(change).join('\n'), said)
    })
  }
})

describe('rules', async () => {
  const metrics = new Set((await allMetrics()).map(({ name }) => name))
  const names = (text: string): string[] =>
    parseExpression(text).selectors.map(({ name }) => wholeMetric(name, metrics))

  it('are PromQL over metrics that exist, and recorded in the unit they say', () => {
    for (const { record, expr, unit } of RECORDING_RULES) {
      assert.ok(parseExpression(expr).valid, record)
      assert.equal(unitFault(parseExpression(expr), unit), undefined, record)
      assert.deepEqual(
        names(expr).filter((name) => !metrics.has(name)),
        [],
        record
      )
    }
    for (const { alert, expr } of ALERTS) {
      assert.ok(parseExpression(expr).valid, alert)
      assert.deepEqual(
        names(expr).filter((name) => !metrics.has(name) && name !== 'up'),
        [],
        alert
      )
    }
  })

  it('have a page to act by, and no page is without its alert', () => {
    const page = readFileSync(join(root, 'docs/runbooks.md'), 'utf8')
    const sections = [...page.matchAll(/^## (Sealsync\w+)$/gm)].map(([, name = '']) => name)
    assert.deepEqual(sections.sort(), ALERTS.map(({ alert }) => alert).sort())
    for (const alert of ALERTS) assert.equal(runbookOf(alert), `docs/runbooks.md#${alert.alert.toLowerCase()}`)
    for (const section of page.split(/^## /m).slice(1)) {
      assert.match(section, /\*\*Look at\*\*/, section.slice(0, 40))
      assert.match(section, /\*\*Do\*\*/, section.slice(0, 40))
    }
  })

  it('have a case each in which they fire, and one in which they are silent', () => {
    assert.deepEqual(ALERT_CASES.map(({ alert }) => alert).sort(), ALERTS.map(({ alert }) => alert).sort())
  })

  it('are read by Prometheus as they are written here', () => {
    const { groups } = parse(readFileSync(join(root, 'dashboards/rules/alerts.yaml'), 'utf8')) as {
      groups: { rules: { alert: string; expr: string }[] }[]
    }
    assert.deepEqual(
      groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [alert, expr])),
      ALERTS.map(({ alert, expr }) => [alert, expr])
    )
  })
})
