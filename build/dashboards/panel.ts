import * as common from '@grafana/grafana-foundation-sdk/common'
import { type Dashboard, type Panel, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { PanelBuilder as HeatmapPanel } from '@grafana/grafana-foundation-sdk/heatmap'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TimeseriesPanel } from '@grafana/grafana-foundation-sdk/timeseries'
import { wholeMetric } from './names.ts'

/** The units that panels have; Grafana's names. */
export type Unit = 'short' | 'none' | 'bytes' | 'Bps' | 's' | 'ms' | 'percentunit' | 'ops'

export interface Target {
  readonly expr: string
  /** What tells its series apart besides variant and instance. */
  readonly legend?: string
}

export interface PanelSpec {
  readonly title: string
  readonly unit: Unit
  /** What good looks like. */
  readonly good: string
  /** What it shows, where the help of its metrics does not say it. */
  readonly about?: string
  readonly targets: readonly Target[]
  readonly kind?: 'timeseries' | 'stat' | 'heatmap' | 'table'
  readonly stacked?: boolean
  /** Columns of 24. */
  readonly width?: number
  /** Why it shows nothing on a healthy network; without it, it has to show something. */
  readonly expectEmpty?: string
  /** Variants, not nodes, are what its series stand for. */
  readonly byVariant?: boolean
}

export interface RowSpec {
  readonly title: string
  readonly panels: readonly PanelSpec[]
}

export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }
const HEIGHT = 8
const COLUMNS = 24

/** The same colour for a variant in every panel. */
const COLOURS: readonly (readonly [pattern: string, colour: string])[] = [
  ['/^no-dht/', 'green'],
  ['/^dht/', 'orange'],
  ['/^classic/', 'blue']
]

/** The panels of a dashboard in a grid of 24 columns; a row's title takes a line of its own. */
export function layOut(rows: readonly RowSpec[], help: ReadonlyMap<string, string>): Dashboard['panels'] {
  const panels: NonNullable<Dashboard['panels']> = []
  let y = 0
  let id = 1
  for (const row of rows) {
    panels.push(new RowBuilder(row.title).id(id++).gridPos({ h: 1, w: COLUMNS, x: 0, y: y++ }).build())
    let x = 0
    for (const spec of row.panels) {
      const w = spec.width ?? (spec.kind === 'stat' ? 6 : 12)
      if (x + w > COLUMNS) {
        x = 0
        y += HEIGHT
      }
      panels.push(panelOf(spec, { id: id++, grid: { h: HEIGHT, w, x, y }, help }))
      x += w
    }
    y += HEIGHT
  }
  return panels
}

interface Place {
  readonly id: number
  readonly grid: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly help: ReadonlyMap<string, string>
}

function panelOf(spec: PanelSpec, { id, grid, help }: Place): Panel {
  const builder = builderOf(spec)
    .id(id)
    .title(spec.title)
    .description(descriptionOf(spec, help))
    .datasource(DATASOURCE)
    .gridPos(grid)
    .unit(spec.unit)
  spec.targets.forEach((target, at) => builder.withTarget(queryOf(spec, target, String.fromCharCode(65 + at))))
  for (const [pattern, fixedColor] of COLOURS) {
    builder.overrideByRegexp(pattern, [{ id: 'color', value: { mode: 'fixed', fixedColor } }])
  }
  return builder.build()
}

function builderOf(spec: PanelSpec): TimeseriesPanel | StatPanel | HeatmapPanel | TablePanel {
  switch (spec.kind ?? 'timeseries') {
    case 'stat':
      return new StatPanel().graphMode(common.BigValueGraphMode.Area).textMode(common.BigValueTextMode.ValueAndName)
    case 'heatmap':
      return new HeatmapPanel().calculate(false)
    case 'table':
      return new TablePanel()
    default: {
      const panel = new TimeseriesPanel().min(0).lineWidth(1).showPoints(common.VisibilityMode.Never)
      return spec.stacked === true
        ? panel.fillOpacity(30).stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))
        : panel
    }
  }
}

function queryOf(spec: PanelSpec, target: Target, refId: string): DataqueryBuilder {
  const query = new DataqueryBuilder().expr(target.expr).refId(refId).datasource(DATASOURCE)
  if (spec.kind === 'table') return query.instant().format(PromQueryFormat.Table)
  if (spec.kind === 'heatmap') return query.range().format(PromQueryFormat.Heatmap).legendFormat('{{le}}')
  const who = spec.byVariant === true ? '{{variant}}' : '{{variant}} {{instance}}'
  return query.range().legendFormat([who, target.legend].filter((part) => part !== undefined).join(' '))
}

/** What its metrics mean, by their own help, and what good looks like. */
function descriptionOf(spec: PanelSpec, help: ReadonlyMap<string, string>): string {
  const text = spec.targets.map(({ expr }) => expr).join(' ')
  const names = [...new Set([...text.matchAll(/[a-z_:][a-z0-9_:]*(?=\{)/g)].map(([name]) => wholeMetric(name, help)))]
  const told = names
    .filter((name) => name !== 'sealsync_build_info')
    .map((name) => help.get(name))
    .filter((line) => line !== undefined)
  const lines = [...(spec.about === undefined ? [] : [spec.about]), ...told].map(asSentence)
  const empty = spec.expectEmpty === undefined ? [] : [asSentence(`Empty where ${spec.expectEmpty}`)]
  return [...new Set(lines), ...empty, asSentence(`Good: ${spec.good}`)].join(' ')
}

function asSentence(text: string): string {
  const line = text.trim().replace(/\.$/, '')
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}.`
}
