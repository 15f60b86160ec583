import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { type Alert, ALERTS } from '../../../build/dashboards/alerts.ts'
import { alertGroups } from '../../../build/dashboards/outputs.ts'
import { ALERT_CASES, type AlertCase, NODE_LABELS } from './alert-cases.ts'

const run = promisify(execFile)
const LIMIT_MS = 60_000

/** Whether Prometheus's programs are on this machine (Debian's package `prometheus` has both). */
export async function hasProgram(name: 'promtool' | 'prometheus'): Promise<boolean> {
  return run(name, ['--version'], { timeout: LIMIT_MS }).then(
    () => true,
    () => false
  )
}

/** Runs promtool; what it says when it is not content, `undefined` when it is. */
export async function promtool(args: readonly string[]): Promise<string | undefined> {
  try {
    await run('promtool', [...args], { timeout: LIMIT_MS, maxBuffer: 8 * 1024 ** 2 })
    return undefined
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return `${stdout}${stderr}`
  }
}

/** Each alert on its cause and without it, by promtool; what did not come out as it should, `undefined` when all did. */
export async function testAlerts(alerts: readonly Alert[] = ALERTS): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-alerts-'))
  try {
    await writeFile(join(folder, 'alerts.yaml'), stringify(alertGroups(alerts)))
    const tests = ALERT_CASES.flatMap((one) => [caseOf(one, 'fires'), caseOf(one, 'silent')])
    const file = join(folder, 'test.yaml')
    await writeFile(file, stringify({ rule_files: ['alerts.yaml'], evaluation_interval: '1m', tests }))
    return await promtool(['test', 'rules', file])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function caseOf(one: AlertCase, which: 'fires' | 'silent'): object {
  const matchers = Object.entries(one.labels ?? {}).map(([label, value]) => `,${label}="${value}"`)
  const firing = `ALERTS{alertname="${one.alert}",alertstate="firing",${NODE_LABELS}${matchers.join('')}}`
  return {
    name: `${one.alert} ${which}`,
    interval: '1m',
    input_series: Object.entries(one[which]).map(([series, values]) => ({
      series: series.replace(/\{N/, `{${NODE_LABELS}`),
      values
    })),
    promql_expr_test: [
      {
        // The alert itself, and none of any name where it has to be silent.
        expr: which === 'fires' ? `count(${firing})` : 'count(ALERTS{alertstate="firing"}) or vector(0)',
        eval_time: one.at,
        exp_samples: [{ labels: '{}', value: which === 'fires' ? 1 : 0 }]
      }
    ]
  }
}
