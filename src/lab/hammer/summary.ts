import { formatDuration, formatSize } from '../../util/index.ts'
import type { HammerReport, PhaseReport } from './report.ts'

const size = (bytes: number | null): string => (bytes === null ? '-' : formatSize(bytes))
const ms = (value: number | null): string => (value === null ? '-' : formatDuration(value))
const counts = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

function phaseLines(phase: PhaseReport): string[] {
  const { requests, latencyMs, rejectedBy, failedBy = {}, figures = {} } = phase
  const lines = [
    `  ${phase.name.padEnd(14)} ${formatDuration(phase.seconds * 1000)}  ok ${requests.ok}  rejected ${requests.rejected}  failed ${requests.failed}  ${formatSize(phase.bytes)}  p50 ${ms(latencyMs.p50)}  p99 ${ms(latencyMs.p99)}  max ${ms(latencyMs.max)}`
  ]
  if (requests.rejected > 0) lines.push(`    rejected by ${counts(rejectedBy)}`)
  if (requests.failed > 0) lines.push(`    failed by ${counts(failedBy)}`)
  const named = Object.entries(figures).map(([name, value]) => `${name} ${value ?? '-'}`)
  if (named.length > 0) lines.push(`    ${named.join('  ')}`)
  return lines
}

/** The report as a person reads it. */
export function renderHammer(report: HammerReport): string {
  const { target, recovery, limits } = report
  const limit = limits.memoryBytes === null ? 'no limit' : `${formatSize(limits.memoryBytes)} (cgroup ${limits.cgroup})`
  const back =
    recovery === null
      ? 'not looked at'
      : recovery.seconds === null
        ? `not yet: ${size(recovery.rssBytes)}`
        : `after ${recovery.seconds.toFixed(1)} s`
  const lines = [
    `${report.ok ? 'ok' : 'FAILED'}: ${report.mode} ${report.level}, ${limit}, in ${formatDuration(report.wallSeconds * 1000)}`,
    ...report.reasons.map((reason) => `  - ${reason}`),
    `  target ${target.profile}: rss idle ${size(target.rssBytes.idle)} peak ${size(target.rssBytes.peak)}, anonymous idle ${size(target.anonBytes.idle)} peak ${size(target.anonBytes.peak)}, cpu ${target.cpuSeconds === null ? '-' : `${target.cpuSeconds.toFixed(1)}s`}`,
    `  restarts ${target.restarts}, killed by the kernel ${target.oomKills ?? '-'}, sync lag at most ${target.syncLagMax ?? '-'} blocks, longest pause of syncing ${ms(target.syncPauseMsMax)}, memory back ${back}`,
    ...report.phases.flatMap((phase) => phaseLines(phase)),
    ...(report.slopes ?? []).map(
      ({ name, unit, perHour, ci95: [low, high] }) =>
        `  ${name}: ${perHour.toPrecision(3)} ${unit} an hour (95 %: ${low.toPrecision(3)} to ${high.toPrecision(3)})`
    )
  ]
  return `${lines.join('\n')}\n`
}
