import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort
} from '@grafana/grafana-foundation-sdk/dashboard'
import { metric } from './expr.ts'
import { DATASOURCE, layOut, type RowSpec } from './panel.ts'

export interface DashboardSpec {
  /** Of its file, and its uid behind `sealsync-`. */
  readonly name: string
  readonly title: string
  readonly about: string
  readonly rows: readonly RowSpec[]
  /** Has the variables `a` and `b`: the two variants that are compared. */
  readonly compares?: boolean
}

const TAG = 'sealsync'

/** Query variables: name, label, and what gives its values. */
const CHOICES: readonly (readonly [name: string, label: string, query: string])[] = [
  ['job', 'job', 'label_values(sealsync_build_info, job)'],
  ['instance', 'node', 'label_values(sealsync_build_info{job=~"$job"}, instance)'],
  ['variant', 'variant', 'label_values(sealsync_build_info{job=~"$job"}, variant)'],
  ['profile', 'profile', 'label_values(sealsync_build_info{job=~"$job"}, profile)']
]

function choice(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query(query)
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
}

/** One of the two variants: the first or the last by name until somebody chooses. */
function arm(name: string, label: string, value: string): QueryVariableBuilder {
  return choice(name, label, 'label_values(sealsync_build_info{job=~"$job"}, variant)').current({
    selected: true,
    text: value,
    value
  })
}

/** The dashboard as Grafana imports it: no id, UTC, shared crosshair, all rows open. */
export function dashboardOf(spec: DashboardSpec, help: ReadonlyMap<string, string>): Dashboard {
  const builder = new DashboardBuilder(spec.title)
    .uid(`${TAG}-${spec.name}`)
    .description(spec.about)
    .tags([TAG])
    .timezone('utc')
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder(TAG)
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true)
    )
    .withVariable(new DatasourceVariableBuilder('datasource').label('data source').type('prometheus'))
  for (const [name, label, query] of CHOICES) {
    builder.withVariable(choice(name, label, query).multi(true).includeAll(true).allValue('.*'))
  }
  if (spec.compares === true) {
    builder.withVariable(arm('a', 'A', 'no-dht')).withVariable(arm('b', 'B', 'dht'))
  }
  for (const { name, colour, expr } of ANNOTATIONS) {
    builder.annotation(
      new AnnotationQueryBuilder()
        .name(name)
        .datasource(DATASOURCE)
        .enable(true)
        .iconColor(colour)
        .expr(expr)
        .step('30s')
        .titleFormat(`${name}: {{instance}}`)
    )
  }
  return { ...builder.build(), panels: layOut(spec.rows, help) ?? [] }
}

const ANNOTATIONS = [
  {
    name: 'restart',
    colour: 'purple',
    expr: `changes(${metric('process_start_time_seconds')}[$__rate_interval]) > 0`
  },
  {
    name: 'memory pressure',
    colour: 'red',
    expr: `changes(${metric('sealsync_budget_pressure_level')}[$__rate_interval]) > 0`
  }
] as const
