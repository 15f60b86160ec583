/** What a live Prometheus says about the panels: every query answers, with data, of a sane size, in few series. */
import type { DashboardSpec } from '../../build/dashboards/dashboard.ts'
import type { FlowPanel } from '../../build/dashboards/flow-panels.ts'
import type { PanelSpec } from '../../build/dashboards/panel.ts'
import { substitute } from '#test/support/dashboards/promql.ts'
import type { Series } from './prometheus.ts'

export interface LiveResult {
  readonly panels: number
  readonly expressions: number
  /** Expressions that showed nothing and said why that is so. */
  readonly excused: number
  readonly problems: readonly string[]
}

export type Query = (expr: string) => Promise<readonly Series[]>

/** A panel with more lines than that can be read by nobody. */
const MAX_SERIES = 200

const VALUES = { job: '.*', instance: '.*', variant: '.*', profile: '.*', a: 'no-dht', b: 'dht' }

/** Runs every query of the dashboards. */
export async function checkPanels(boards: readonly DashboardSpec[], query: Query): Promise<LiveResult> {
  const problems: string[] = []
  let panels = 0
  let expressions = 0
  let excused = 0
  for (const board of boards) {
    for (const panel of board.rows.flatMap((row) => row.panels)) {
      panels += 1
      for (const { expr } of panel.targets) {
        expressions += 1
        const problem = await panelProblem(panel, () => query(substitute(expr, VALUES)))
        if (problem === undefined) continue
        if (problem === EMPTY && panel.expectEmpty !== undefined) excused += 1
        else problems.push(`${board.title}: ${panel.title}: ${problem}: ${expr}`)
      }
    }
  }
  return { panels, expressions, excused, problems }
}

const EMPTY = 'no data'

async function panelProblem(panel: PanelSpec, run: () => Promise<readonly Series[]>): Promise<string | undefined> {
  try {
    const series = await run()
    const numbers = series.flatMap(({ values }) => values.map(([, value]) => Number(value))).filter(Number.isFinite)
    if (numbers.length === 0) return EMPTY
    if (series.length > MAX_SERIES) return `${series.length} series`
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
    const [low, high] = boundsOf(panel)
    return least < low || most > high ? `from ${least} to ${most} is not sane for ${panel.unit}` : undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const DAY = 86_400
/** What a value on one small machine can be, by the panel's unit. */
const BOUNDS: Readonly<Record<PanelSpec['unit'], readonly [number, number]>> = {
  short: [0, 1e9],
  none: [0, 1e4],
  // One process on two cores; a ratio of duplicates says by itself that it may exceed 1.
  percentunit: [0, 4],
  bytes: [0, 1e15],
  Bps: [0, 1e10],
  ops: [0, 1e5],
  s: [0, 1e5 * DAY],
  ms: [0, 1e6]
}

function boundsOf({ unit, title }: PanelSpec): readonly [number, number] {
  if (unit === 'percentunit' && /hit ratio|share of requests/i.test(title)) return [0, 1]
  // Nothing here takes an hour but what is extrapolated from hardly any growth.
  if (unit === 's' && !/left|catch up/i.test(title)) return [0, 3_600]
  return BOUNDS[unit]
}

/** Runs Flow's own queries: those that are said to return data must, the others must not. */
export async function checkFlowPanels(flow: readonly FlowPanel[], query: Query): Promise<LiveResult> {
  const problems: string[] = []
  let expressions = 0
  for (const { title, exprs, absent } of flow) {
    for (const expr of exprs) {
      expressions += 1
      const series = await query(substitute(expr.replace(/\{N/g, '{network="localnet"'), VALUES))
      if (series.length > 0 && absent !== undefined) problems.push(`Flow: ${title}: returns data: ${expr}`)
      if (series.length === 0 && absent === undefined) problems.push(`Flow: ${title}: ${EMPTY}: ${expr}`)
    }
  }
  return { panels: flow.length, expressions, excused: 0, problems }
}
