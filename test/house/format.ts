import { type CheckResult, failureOf, linesOf, runTool } from './tool.ts'

interface FormatReport {
  readonly summary: { readonly changed: number; readonly unchanged: number }
  readonly diagnostics: readonly {
    readonly message: string
    readonly category: string
    readonly location?: { readonly path?: string; readonly start?: { readonly line: number } }
  }[]
}

/** Every file stands as Biome's formatter would write it. `npm run format` mends it. */
export async function checkFormat(root: string): Promise<CheckResult> {
  const result = await runTool(root, '@biomejs/biome/bin/biome', [
    'format',
    '--colors=off',
    '--reporter=json',
    '--max-diagnostics=none',
    '.'
  ])
  let report: FormatReport
  try {
    report = JSON.parse(result.stdout) as FormatReport
  } catch {
    return { summary: 'no report', problems: failureOf('biome', result) }
  }
  const problems = report.diagnostics.map(({ message, category, location }) =>
    category === 'format'
      ? `${location?.path ?? ''}: not formatted, run \`npm run format\``
      : `${location?.path ?? ''}:${location?.start?.line ?? 0}: ${linesOf(message).join(' ')} (${category})`
  )
  if (result.code !== 0 && problems.length === 0) problems.push(...failureOf('biome', result))
  const files = report.summary.unchanged + report.summary.changed
  if (files === 0) problems.push('the formatter read no file')
  return { summary: `${files} files`, problems: problems.sort() }
}
