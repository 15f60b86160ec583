import type { SimReport } from './scenario.ts'

/** The report for people: figures line by line, goals, the verdict. */
export function renderReport(report: SimReport): string {
  const lines = [`sim ${report.scenario}  seed ${report.seed}  ${report.wallSeconds} s`]
  for (const [name, value] of Object.entries(report.figures)) {
    const text =
      typeof value === 'number'
        ? String(value)
        : Object.entries(value)
            .map(([key, part]) => `${key} ${part}`)
            .join('  ')
    lines.push(`  ${name.padEnd(24)} ${text}`)
  }
  for (const { name, value, goal, ok } of report.goals) {
    lines.push(`  ${ok ? 'holds ' : 'MISSED'} ${name} ${value} (goal ${goal})`)
  }
  lines.push(report.ok ? 'ok' : `not ok: ${report.reasons.join('; ')}`, '')
  return lines.join('\n')
}
