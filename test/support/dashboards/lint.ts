/**
 * The rules that every dashboard keeps: those of grafana/dashboard-linter (templated data source, job and instance; both matched by every
 * target; `$__rate_interval`; valid PromQL; a title, a description and a unit for each panel) and the house's own (UTC, shared crosshair,
 * refresh, link by tag, rows open, no `increase` or `delta`, no thresholds, ids and places unique, names that exist, units that fit).
 */
import { wholeMetric } from '../../../build/dashboards/names.ts'
import { unitFault } from './dimensions.ts'
import { parseExpression, type Selector } from './promql.ts'

export interface PanelJson {
  readonly id: number
  readonly type: string
  readonly title?: string
  readonly description?: string
  readonly collapsed?: boolean
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid?: string }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string; readonly refId: string }[]
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly thresholds?: object } }
}

export interface DashboardJson {
  readonly id: null
  readonly uid: string
  readonly title: string
  readonly timezone: string
  readonly refresh: string
  readonly graphTooltip: number
  readonly tags: readonly string[]
  readonly links: readonly { readonly type: string; readonly tags: readonly string[]; readonly asDropdown: boolean }[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query?: unknown }[]
  }
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr?: string }[] }
  readonly panels: readonly PanelJson[]
}

/** The names that expressions may use. */
export interface KnownNames {
  /** Metrics of the nodes, by their whole names. */
  readonly metrics: ReadonlySet<string>
  readonly recorded: ReadonlySet<string>
}

/** Of Prometheus itself. */
const OF_PROMETHEUS = new Set(['up', 'ALERTS', 'scrape_samples_scraped'])

/** What is wrong with a dashboard, one sentence a fault. */
export function lintDashboard(board: DashboardJson, known: KnownNames): string[] {
  const faults = [...frameFaults(board), ...variableFaults(board), ...placeFaults(board)]
  for (const panel of board.panels) faults.push(...panelFaults(panel, known).map((fault) => `${panel.title}: ${fault}`))
  for (const { name, expr } of board.annotations.list) {
    faults.push(...expressionFaults(expr ?? '', known).map((fault) => `annotation ${name}: ${fault}`))
  }
  return faults.map((fault) => `${board.uid}: ${fault}`)
}

function frameFaults(board: DashboardJson): string[] {
  const link = board.links[0]
  const checks: readonly (readonly [boolean, string])[] = [
    [board.id === null, 'id is not null: it belongs to one Grafana'],
    [board.timezone === 'utc', 'times are not UTC'],
    [board.refresh === '10s', 'refresh is not 10s'],
    [board.graphTooltip === 1, 'the crosshair is not shared'],
    [board.tags.includes('sealsync'), 'the tag sealsync is missing'],
    [link?.type === 'dashboards' && link.asDropdown && link.tags.includes('sealsync'), 'no drop-down links the others'],
    [board.panels.every(({ collapsed }) => collapsed !== true), 'a row is closed']
  ]
  return checks.filter(([holds]) => !holds).map(([, fault]) => fault)
}

function variableFaults(board: DashboardJson): string[] {
  const defined = board.templating.list.map(({ name }) => name)
  const text = JSON.stringify([board.panels, board.annotations, board.templating.list.map(({ query }) => query)])
  const used = new Set([...text.matchAll(/\$\{?([a-z]+)\b/g)].map(([, name = '']) => name))
  used.delete('__rate')
  const missing = ['datasource', 'job', 'instance', 'variant', 'profile'].filter((name) => !defined.includes(name))
  return [
    ...missing.map((name) => `the variable ${name} is missing`),
    ...[...used].filter((name) => !defined.includes(name)).map((name) => `$${name} is not defined`),
    ...defined.filter((name) => !used.has(name)).map((name) => `the variable ${name} is not used`)
  ]
}

function placeFaults({ panels }: DashboardJson): string[] {
  const ids = panels.map(({ id }) => id)
  const faults = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `two panels have the id ${id}`)
  for (const [at, a] of panels.entries()) {
    const { x, w } = a.gridPos
    if (x < 0 || x + w > 24) faults.push(`${a.title} stands outside of the grid`)
    for (const b of panels.slice(at + 1))
      if (overlap(a.gridPos, b.gridPos)) faults.push(`${a.title} lies on ${b.title}`)
  }
  return faults
}

function overlap(a: PanelJson['gridPos'], b: PanelJson['gridPos']): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}

function panelFaults(panel: PanelJson, known: KnownNames): string[] {
  if (panel.type === 'row') return panel.title === undefined ? ['a row has no title'] : []
  const { unit, thresholds } = panel.fieldConfig?.defaults ?? {}
  const targets = panel.targets ?? []
  const checks: readonly (readonly [boolean, string])[] = [
    [(panel.title ?? '').length > 1, 'no title'],
    [(panel.description ?? '').includes('Good: '), 'the description does not say what good looks like'],
    [(panel.description ?? '').replace(/Good: .*/, '').length > 8, 'the description does not say what it shows'],
    [panel.datasource?.uid === '${datasource}', 'the data source is not the variable'],
    [thresholds === undefined, 'it has thresholds: alerts are what judges'],
    [targets.length > 0, 'no query'],
    [new Set(targets.map(({ refId }) => refId)).size === targets.length, 'two queries have one refId']
  ]
  const faults = checks.filter(([holds]) => !holds).map(([, fault]) => fault)
  for (const { expr, legendFormat } of targets) {
    faults.push(...expressionFaults(expr, known))
    const wrong = unitFault(parseExpression(expr), unit ?? 'undefined')
    // A heat map's unit is that of its buckets' bounds.
    if (panel.type !== 'heatmap' && wrong !== undefined) faults.push(wrong)
    faults.push(...legendFaults(expr, legendFormat ?? ''))
  }
  return faults
}

/** A label of the legend has to be one that the expression leaves. */
function legendFaults(expr: string, legend: string): string[] {
  const kept = new Set(
    [...expr.matchAll(/(?:by|group_left) \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
  )
  if (kept.size === 0) return []
  const asked = [...legend.matchAll(/\{\{([a-z]+)\}\}/g)].map(([, label = '']) => label)
  return asked.filter((label) => !kept.has(label)).map((label) => `the legend has {{${label}}}, which no series has`)
}

function expressionFaults(text: string, known: KnownNames): string[] {
  const expression = parseExpression(text)
  if (!expression.valid) return [`no PromQL: ${text}`]
  const faults = expression.selectors.flatMap((selector) => selectorFaults(selector, known))
  for (const name of ['increase', 'delta', 'idelta', 'irate']) {
    if (expression.functions.includes(name)) faults.push(`${name}() depends on the range that is shown: use rate()`)
  }
  const fixed = expression.ranges.filter((range) => range !== '$__rate_interval')
  return [...faults, ...fixed.map((range) => `the range ${range} is fixed: use $__rate_interval`)]
}

function selectorFaults({ name, labels }: Selector, { metrics, recorded }: KnownNames): string[] {
  const faults: string[] = []
  const exists = metrics.has(wholeMetric(name, metrics)) || recorded.has(name) || OF_PROMETHEUS.has(name)
  if (!exists) faults.push(`no metric ${name}`)
  if (!labels.includes('job')) faults.push(`${name} is not matched by job`)
  if (!recorded.has(name) && !labels.includes('instance')) faults.push(`${name} is not matched by instance`)
  return faults
}
