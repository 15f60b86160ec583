import { formatDuration, formatSize } from '../../util/index.ts'
import type { Effect } from './effects.ts'
import type { PrometheusReport } from './prometheus-compare.ts'
import type { CompareReport } from './report.ts'

/** A value as a person reads it. */
export function shownValue(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '-'
  if (unit === 'bytes') return formatSize(value)
  if (unit === 'bytes/s') return `${formatSize(value)}/s`
  if (value === 0) return '0'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4
  return `${value.toFixed(digits)}${unit === '1' ? '' : ` ${unit}`}`
}

const ratioText = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

function cellsOf(effect: Effect, names: { readonly a: string; readonly b: string }): string[] {
  const { unit, a, b, ratio, ci95, better } = effect
  return [
    effect.metric,
    `${shownValue(a.median, unit)} ±${shownValue(a.spread / 2, unit)}`,
    `${shownValue(b.median, unit)} ±${shownValue(b.spread / 2, unit)}`,
    ratio === null ? '-' : `${ratioText(ratio)}x`,
    ci95 === null ? '-' : `${ratioText(ci95[0])} to ${ratioText(ci95[1])}`,
    better === 'none' ? 'none' : `${names[better]} better`
  ]
}

/** One line for each measure, below their head. */
function effectLines(effects: readonly Effect[], names: { readonly a: string; readonly b: string }): string[] {
  const head = ['measure', names.a, names.b, 'ratio', '95 % interval', 'effect']
  const rows = [head, ...effects.map((effect) => cellsOf(effect, names))]
  const widths = head.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  ')
  return rows.map(line)
}

/** The report as a person reads it. */
export function renderComparison(report: CompareReport): string {
  const names = { a: report.arms.a.options.name, b: report.arms.b.options.name }
  const { workload } = report
  const size = workload.blobSize === null ? 'mixed' : formatSize(workload.blobSize)
  const note = workload.reprovide
  return `${[
    `${report.ok ? 'ok' : 'FAILED'}: ${names.a} against ${names.b}, ${report.effects[0]?.rounds ?? 0} of ${report.rounds} rounds in ${formatDuration(report.wallSeconds * 1000)}`,
    `  ${workload.execution} + ${workload.access} nodes${workload.mixed ? ' in one mesh' : ''}, ${workload.rate} blocks/s of ${workload.source} blobs (${size}), ${workload.delayMs} ms one way, ${workload.history} blocks before`,
    ...(note === null
      ? []
      : [
          `  DHT: everything again each ${formatDuration(note.intervalMs)} (time compressed ${ratioText(note.compression)} times), threshold ${formatDuration(note.thresholdMs)}, queue ${note.queue}, ${note.concurrency} at a time; ${roundText(note.roundEnded)}`
        ]),
    ...report.reasons.map((reason) => `  - ${reason}`),
    ...report.shortfalls.map((shortfall) => `  - not kept up with: ${shortfall}`),
    ...effectLines(report.effects, names),
    ...profileLines(report),
    report.verdict
  ].join('\n')}\n`
}

/** The report of a Prometheus as a person reads it. */
export function renderPrometheus(report: PrometheusReport): string {
  const names = { a: report.arms.a.options.name, b: report.arms.b.options.name }
  const { url, from, to, sliceSeconds } = report.workload
  const nodes = (arm: 'a' | 'b'): number => Math.max(0, ...report.arms[arm].runs.map((run) => run.nodes))
  return `${[
    `${report.ok ? 'ok' : 'FAILED'}: ${names.a} (${nodes('a')} nodes) against ${names.b} (${nodes('b')} nodes)`,
    `  ${url}, ${from} to ${to}, ${report.rounds} slices of ${formatDuration(sliceSeconds * 1000)}`,
    ...report.reasons.map((reason) => `  - ${reason}`),
    ...effectLines(report.effects, names),
    report.verdict
  ].join('\n')}\n`
}

/** The five largest of each arm. */
function profileLines({ profiles, arms }: CompareReport): string[] {
  if (profiles === null) return []
  return (['cpu', 'heap'] as const).flatMap((kind) =>
    (['a', 'b'] as const).map((arm) => {
      const top = profiles[arm][kind].slice(0, 5).map(({ room, share }) => `${room} ${(share * 100).toFixed(0)} %`)
      return `${kind === 'cpu' ? 'CPU' : 'heap'} of ${arms[arm].options.name}: ${top.join(', ')}`
    })
  )
}

function roundText(ended: boolean | null): string {
  if (ended === null) return 'no round began'
  return ended ? 'a round ended' : 'no round ended in the window'
}
