import { type CheckResult, failureOf, linesOf, runTool } from './tool.ts'

interface LintReport {
  readonly number_of_files: number
  readonly number_of_rules: number
  readonly diagnostics: readonly {
    readonly message: string
    readonly code?: string
    readonly filename?: string
    readonly labels?: readonly { readonly span?: { readonly line?: number } }[]
  }[]
}

/** oxlint with type information, over product code, tests and scripts; also the bounds on sizes. */
export async function checkLint(root: string): Promise<CheckResult> {
  const result = await runTool(root, 'oxlint/bin/oxlint', [
    '--type-aware',
    '--deny-warnings',
    '--disable-nested-config',
    '--report-unused-disable-directives',
    '--format=json',
    '.'
  ])
  let report: LintReport
  try {
    report = JSON.parse(result.stdout) as LintReport
  } catch {
    return { summary: 'no report', problems: failureOf('oxlint', result) }
  }
  const problems = report.diagnostics.map(({ message, code, filename, labels }) => {
    const line = labels?.[0]?.span?.line
    return `${filename ?? ''}${line === undefined ? '' : `:${line}`}: ${linesOf(message).join(' ')} (${code ?? 'oxlint'})`
  })
  if (result.code !== 0 && problems.length === 0) problems.push(...failureOf('oxlint', result))
  if (report.number_of_files === 0) problems.push('the linter read no file')
  return { summary: `${report.number_of_files} files, ${report.number_of_rules} rules`, problems: problems.sort() }
}
