import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ALERTS } from '../../build/dashboards/alerts.ts'
import { FLOW_PANELS } from '../../build/dashboards/flow-panels.ts'
import { DASHBOARDS } from '../../build/dashboards/outputs.ts'
import type { DashboardSpec } from '../../build/dashboards/dashboard.ts'
import { hasProgram, testAlerts } from '#test/support/dashboards/promtool.ts'
import { checkFlowPanels, checkPanels } from './live.ts'
import { Networks } from './networks.ts'
import { Prometheus } from './prometheus.ts'

/** Long enough for every histogram to have moved and every rate to have its samples. */
const LOAD_SECONDS = 45

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** Gives the exit code. */
export async function main(): Promise<number> {
  if (!(await hasProgram('prometheus')) || !(await hasProgram('promtool'))) {
    say(
      'left out: prometheus and promtool are not installed (Debian: apt-get install --no-install-recommends prometheus)'
    )
    say('left out with them: the queries on live data, and whether each alert fires on its cause')
    return 0
  }
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-dashboards-'))
  const networks = new Networks(folder)
  const prometheus = new Prometheus(folder)
  try {
    const problems = [...alertProblems(await testAlerts())]
    say(`${ALERTS.length} alerts: each fires on its cause and is silent without it${problems.length > 0 ? ': NO' : ''}`)
    problems.push(...(await plantedAlertProblems()))
    say('starting a network of each arm')
    const targets = await networks.start()
    await prometheus.start(targets)
    say(`${targets.length} nodes are scraped; load for ${LOAD_SECONDS} s`)
    const load = networks.load()
    await pause(LOAD_SECONDS * 1000)
    problems.push(...(await liveProblems(prometheus)))
    await networks.stop()
    await load
    for (const problem of problems) say(`FAIL ${problem}`)
    return problems.length === 0 ? 0 : 1
  } finally {
    await networks.stop()
    await prometheus.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function alertProblems(said: string | undefined): string[] {
  return said === undefined ? [] : [`alerts: ${said}`]
}

/** Alerts of which one never fires: what does not find it finds nothing. */
async function plantedAlertProblems(): Promise<string[]> {
  const silent = ALERTS.map((alert) =>
    alert.alert === 'SealsyncStalled' ? { ...alert, expr: 'sealsync_requester_stalled == 2' } : alert
  )
  return (await testAlerts(silent)) === undefined ? ['the planted silent alert was not found'] : []
}

async function liveProblems(prometheus: Prometheus): Promise<string[]> {
  const query = (expr: string) => prometheus.range(expr, LOAD_SECONDS - 15)
  const own = await checkPanels(DASHBOARDS, query)
  const shown = own.expressions - own.excused - own.problems.length
  say(
    `${DASHBOARDS.length} dashboards: ${own.panels} panels, ${own.expressions} expressions: ${shown} with data, ${own.excused} empty for the reason they give`
  )
  const flow = await checkFlowPanels(FLOW_PANELS, query)
  say(`Flow's own: ${flow.panels} panels, ${flow.expressions} expressions, as docs/flow-dashboards.md says`)
  const planted = await checkPanels([PLANTED], query)
  const missed = planted.problems.length === 2 ? [] : ['the planted wrong name and wrong unit were not found']
  return [...own.problems, ...flow.problems, ...missed]
}

/** A dashboard with a wrong name and a wrong unit: what does not find these finds nothing. */
const PLANTED: DashboardSpec = {
  name: 'planted',
  title: 'planted',
  about: '',
  rows: [
    {
      title: 'planted',
      panels: [
        { title: 'wrong name', unit: 'bytes', good: '', targets: [{ expr: 'sealsync_store_cashe_bytes' }] },
        { title: 'wrong unit', unit: 's', good: '', targets: [{ expr: 'process_resident_memory_bytes' }] }
      ]
    }
  ]
}
