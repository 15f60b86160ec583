import { formatDuration, formatSize } from '../../util/index.ts'
import type { LocalnetReport, NodeReport } from './report.ts'

const size = (bytes: number | null): string => (bytes === null || bytes === 0 ? '-' : formatSize(bytes))
const percent = (ratio: number): string => `${(ratio * 100).toFixed(3)}%`
const ms = (value: number | null): string => (value === null ? '-' : formatDuration(value))

function nodeLine(node: NodeReport): string {
  const what = node.fault === 'none' ? '' : `  (${node.fault === 'kill' ? 'killed and started again' : 'silent'})`
  return [
    `  ${node.name.padEnd(13)}`,
    `height ${node.heights.consecutive ?? '-'}`,
    `useful ${formatSize(node.payloadBytes.useful)}`,
    `dup ${percent(node.duplicateRatio)}`,
    `peers ${node.connections}`,
    `rss idle ${size(node.rssBytes.idle)} peak ${size(node.rssBytes.peak)}`,
    `cpu ${node.cpuSeconds.toFixed(1)}s${what}`
  ].join('  ')
}

/** The report as a person reads it. */
export function renderSummary(report: LocalnetReport): string {
  const { workload, totals } = report
  const latency = report.latencyMs.announceToStored
  const steady = totals.streamsOpenedPerSecondPerNode
  const lines = [
    `${report.ok ? 'ok' : 'FAILED'}: ${workload.blocks} blocks (${workload.blobs} blobs, ${formatSize(workload.bytes)}) of ${workload.source} in ${formatDuration(report.wallSeconds * 1000)}`,
    ...report.reasons.map((reason) => `  - ${reason}`),
    ...report.nodes.map(nodeLine),
    `  duplicate ratio ${percent(totals.duplicateRatio)}, producers uploaded ${percent(totals.producerUploadShare)}, streams opened a second and node ${steady === null ? 'not measured in so short a run' : steady.toFixed(3)}`,
    `  announce to stored: p50 ${ms(latency.p50)}  p95 ${ms(latency.p95)}  p99 ${ms(latency.p99)}  max ${ms(latency.max)}  (${latency.count} observations)`
  ]
  return `${lines.join('\n')}\n`
}
