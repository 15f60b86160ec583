/** The report as one HTML document with its plots inside: nothing is loaded from anywhere. */
import { formatDuration } from '../../util/index.ts'
import type { Effect } from './effects.ts'
import { MEASURES, type Side } from './measures.ts'
import type { CompareReport } from './report.ts'
import { shownValue } from './table.ts'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const text = (value: string): string => value.replace(/[&<>"]/g, (character) => escapes[character] ?? '')

const STYLE = `
:root{--ink:#1b1f24;--soft:#667;--line:#d5d9e0;--paper:#fff;--a:#1668b8;--b:#c2571a;--good:#2a7d46}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#3a4048;--paper:#15181c;--a:#6fb1f0;--b:#f0a06f;--good:#7fd09a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:2rem auto;max-width:100rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.soft{color:var(--soft)}.a{color:var(--a)}.b{color:var(--b)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}
.win{color:var(--good);font-weight:600}svg{display:block}svg text{fill:var(--soft);font-size:11px}
.verdict{font-size:1.1rem;border-left:4px solid var(--a);padding-left:1rem}li{color:var(--b)}`

const WIDTH = 220
const HEIGHT = 30

/** Each run as a dot on one axis from 0: first arm above, second below. */
function strip(a: readonly number[], b: readonly number[], unit: string): string {
  const most = Math.max(...a, ...b, 0)
  const x = (value: number): string => (8 + (most === 0 ? 0 : (value / most) * (WIDTH - 16))).toFixed(1)
  const dots = (values: readonly number[], arm: 'a' | 'b', y: number): string =>
    values
      .map(
        (value) =>
          `<circle cx="${x(value)}" cy="${y}" r="4" fill="var(--${arm})" fill-opacity=".75"><title>${text(shownValue(value, unit))}</title></circle>`
      )
      .join('')
  return `<svg width="${WIDTH}" height="${HEIGHT}" role="img"><line x1="8" y1="15" x2="${WIDTH - 8}" y2="15" stroke="var(--line)"/>${dots(a, 'a', 9)}${dots(b, 'b', 21)}</svg>`
}

/** The interval of the ratio on a logarithmic axis from a tenth to ten times; what lies outside stands at the edge. */
function intervalBar({ ratio, ci95 }: Effect): string {
  if (ratio === null || ci95 === null) return ''
  const x = (value: number): number => {
    const at = Math.log10(Math.min(10, Math.max(0.1, value)))
    return 8 + ((at + 1) / 2) * (WIDTH - 16)
  }
  const [low, high] = ci95
  return `<svg width="${WIDTH}" height="${HEIGHT}" role="img"><line x1="${x(1)}" y1="2" x2="${x(1)}" y2="28" stroke="var(--soft)" stroke-dasharray="3 2"/><line x1="${x(low).toFixed(1)}" y1="15" x2="${x(high).toFixed(1)}" y2="15" stroke="var(--ink)" stroke-width="3"/><circle cx="${x(ratio).toFixed(1)}" cy="15" r="4" fill="var(--ink)"><title>${ratio.toPrecision(3)} (${low.toPrecision(3)} to ${high.toPrecision(3)})</title></circle></svg>`
}

interface Samples {
  readonly a: readonly number[]
  readonly b: readonly number[]
}

function samplesOf(report: CompareReport, metric: string): Samples {
  const measure = MEASURES.find((one) => one.metric === metric)
  const of = (arm: 'a' | 'b'): number[] =>
    report.arms[arm].runs.flatMap((run) => {
      const access = run.nodes.filter(({ role }) => role === 'access')
      const side: Side = {
        report: run,
        nodes: report.workload.mixed ? access.filter((node) => node.arm === arm) : access
      }
      const value = run.measured ? measure?.of(side) : null
      return typeof value === 'number' && Number.isFinite(value) ? [value] : []
    })
  return { a: of('a'), b: of('b') }
}

function rowOf(report: CompareReport, effect: Effect): string {
  const { metric, unit, a, b, ratio, ci95, better } = effect
  const samples = samplesOf(report, metric)
  const cells = [
    text(metric),
    shownValue(a.median, unit),
    shownValue(b.median, unit),
    strip(samples.a, samples.b, unit),
    ratio === null ? '–' : `${ratio.toPrecision(3)}×`,
    ci95 === null ? '–' : `${ci95[0].toPrecision(3)} – ${ci95[1].toPrecision(3)}`,
    intervalBar(effect),
    better === 'none' ? 'none' : `<span class="win">${text(report.arms[better].options.name)}</span>`
  ]
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`
}

/** Provider records of every node over the DHT streams it opened and took: they rise together. */
function dhtPlot(report: CompareReport): string {
  const points = (['a', 'b'] as const).flatMap((arm) =>
    report.arms[arm].runs.flatMap((run) =>
      run.nodes.flatMap(({ resources }) =>
        resources?.dht === null || resources?.dht === undefined
          ? []
          : [
              {
                arm,
                x: resources.streams
                  .filter(({ protocol }) => protocol.startsWith('/sealsync/dht/'))
                  .reduce((sum, one) => sum + one.openedPerSecond, 0),
                y: resources.dht.providerRecords
              }
            ]
      )
    )
  )
  if (points.length === 0) return '<p class="soft">No arm has a DHT: no provider store, no DHT streams.</p>'
  const [mostX, mostY] = [Math.max(1, ...points.map(({ x }) => x)), Math.max(1, ...points.map(({ y }) => y))]
  const [w, h] = [560, 260]
  const dots = points.map(
    ({ arm, x, y }) =>
      `<circle cx="${(50 + (x / mostX) * (w - 70)).toFixed(1)}" cy="${(h - 30 - (y / mostY) * (h - 50)).toFixed(1)}" r="4" fill="var(--${arm})" fill-opacity=".6"><title>${x.toFixed(1)} streams/s, ${y} records</title></circle>`
  )
  return `<svg viewBox="0 0 ${w} ${h}" width="${w}" role="img"><line x1="50" y1="${h - 30}" x2="${w - 20}" y2="${h - 30}" stroke="var(--line)"/><line x1="50" y1="20" x2="50" y2="${h - 30}" stroke="var(--line)"/><text x="${w - 20}" y="${h - 12}" text-anchor="end">DHT streams a second and node, up to ${mostX.toFixed(1)}</text><text x="56" y="16">provider records of a node, up to ${mostY}</text>${dots.join('')}</svg>`
}

/** The top of both profiles by room, side by side. */
function profiles({ profiles: found, arms }: CompareReport): string {
  if (found === null) return ''
  const table = (kind: 'cpu' | 'heap'): string => {
    const rooms = [...new Set([...found.a[kind], ...found.b[kind]].map(({ room }) => room))]
    const of = (arm: 'a' | 'b', room: string): string => {
      const share = found[arm][kind].find((one) => one.room === room)
      if (share === undefined) return '–'
      const value = kind === 'cpu' ? `${(share.value / 1e6).toFixed(2)} s` : shownValue(share.value, 'bytes')
      return `${value} (${(share.share * 100).toFixed(1)} %)`
    }
    const rows = rooms.map(
      (room) => `<tr><td>${text(room)}</td><td>${of('a', room)}</td><td>${of('b', room)}</td></tr>`
    )
    const title = kind === 'cpu' ? 'CPU, self time' : 'Heap alive at the end, sampled'
    return `<h3>${title}</h3><div class="scroll"><table><thead><tr><th>room</th><th class="a">${text(arms.a.options.name)}</th><th class="b">${text(arms.b.options.name)}</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
  }
  return `<h2>Profiles of one access node</h2>${table('cpu')}${table('heap')}`
}

function facts(report: CompareReport): string {
  const { workload, machine } = report
  const { reprovide } = workload
  const lines = [
    `${workload.execution} execution and ${workload.access} access nodes${workload.mixed ? ', both builds in one mesh' : ''}; ${workload.rate} blocks a second of ${workload.source} data, ${workload.delayMs} ms one way, seed ${report.seed}`,
    `runs in the order ${report.order.map((which) => which.toUpperCase()).join(' ')}; ${formatDuration(report.wallSeconds * 1000)}; version ${report.version} (${report.revision})`,
    machine === null
      ? ''
      : `${machine.cpus} CPUs, ${shownValue(machine.memoryBytes, 'bytes')}, Node ${machine.node}, ${machine.platform}`,
    `${workload.history} blocks of old blobs in every node from the start`,
    reprovide === null
      ? ''
      : `DHT: everything again each ${formatDuration(reprovide.intervalMs)} (flow-go: 12 h; time compressed ${reprovide.compression.toFixed(0)} times), threshold ${formatDuration(reprovide.thresholdMs)}, queue ${reprovide.queue}, ${reprovide.concurrency} at a time`
  ]
  return lines
    .filter((line) => line !== '')
    .map((line) => `<p class="soft">${text(line)}</p>`)
    .join('')
}

const listOf = (sentences: readonly string[]): string =>
  sentences.length === 0 ? '' : `<ul>${sentences.map((sentence) => `<li>${text(sentence)}</li>`).join('')}</ul>`

/** A self-contained document. */
export function comparisonPage(report: CompareReport): string {
  const { a, b } = report.arms
  const title = `${a.options.name} against ${b.options.name}`
  const optionsOf = ({ options }: typeof a): string =>
    Object.entries({
      routing: options.routing,
      policy: options.policy,
      security: options.security,
      profile: options.profile,
      ...options.settings
    })
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>${text(title)}</title><style>${STYLE}</style></head><body>
<h1><span class="a">${text(a.options.name)}</span> against <span class="b">${text(b.options.name)}</span></h1>
<p class="verdict">${text(report.verdict)}</p>
${listOf(report.reasons)}${listOf(report.shortfalls.map((shortfall) => `Not kept up with: ${shortfall}`))}
<p><span class="a">●</span> ${text(optionsOf(a))}<br><span class="b">●</span> ${text(optionsOf(b))}</p>
<h2>Effects</h2><p class="soft">The ratio is how many times the second arm is of the first; its interval stands on an axis from 0.1 to 10. Where it holds 1, there is no effect to be seen.</p>
<div class="scroll"><table><thead><tr><th>measure</th><th class="a">${text(a.options.name)}</th><th class="b">${text(b.options.name)}</th><th>runs, from 0</th><th>ratio</th><th>95 %</th><th>0.1 – 1 – 10</th><th>better</th></tr></thead><tbody>
${report.effects.map((effect) => rowOf(report, effect)).join('\n')}
</tbody></table></div>
<h2>Provider store over DHT streams</h2>${dhtPlot(report)}
${profiles(report)}
<h2>How it was measured</h2>${facts(report)}
</body></html>
`
}
