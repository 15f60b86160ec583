import type { Row, SimReport } from './scenario.ts'

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
  lines.push(...table(report.rows ?? []))
  for (const { name, value, goal, ok } of report.goals) {
    lines.push(`  ${ok ? 'holds ' : 'MISSED'} ${name} ${value} (goal ${goal})`)
  }
  lines.push(report.ok ? 'ok' : `not ok: ${report.reasons.join('\n        ')}`, '')
  return lines.join('\n')
}

function table(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {})
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))]
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)))
  return cells.map((line) => {
    const padded = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
    return `  ${padded.join('  ')}`.trimEnd()
  })
}
