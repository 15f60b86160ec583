import { type CheckResult, failureOf, runTool } from './tool.ts'

interface KnipIssue {
  readonly name: string
  readonly line?: number
}

type KnipRow = { readonly file: string } & Readonly<
  Record<string, readonly (KnipIssue | readonly KnipIssue[])[] | string>
>

/** What each kind of finding means to whoever has to mend it. */
const MEANING: Readonly<Record<string, string>> = {
  files: 'nothing imports this file',
  exports: 'is exported and nobody imports it',
  types: 'is exported as a type and nobody imports it',
  duplicates: 'is exported under two names',
  dependencies: 'stands in dependencies and is not used',
  devDependencies: 'stands in devDependencies and is not used',
  unlisted: 'is imported and does not stand in package.json',
  unresolved: 'does not resolve',
  binaries: 'is a program that no dependency brings'
}

/**
 * knip over the whole tree: unused files, exports and dependencies. A second pass sees product code alone: a file or dependency
 * that only tests reach belongs to the tests.
 *
 * What `knip.json` leaves out, and why: a type that its own file uses in another export, and a type at a room's door, are there for
 * whoever has to name what a function takes or gives, so nobody may need them yet; oxlint and its type-aware half are run by path.
 */
export async function checkDeadCode(root: string): Promise<CheckResult> {
  const [whole, product] = await Promise.all([
    knip(root, [], MEANING),
    knip(root, ['--production', '--include', 'files,dependencies'], {
      files: 'no product code imports this file',
      dependencies: 'is used by tests alone and belongs to devDependencies'
    })
  ])
  const known = new Set(whole.map(({ at }) => at))
  const problems = [...whole, ...product.filter(({ at }) => !known.has(at))].map(({ at, text }) => `${at}: ${text}`)
  return { summary: 'whole tree, and product code alone', problems: problems.sort() }
}

interface Finding {
  readonly at: string
  readonly text: string
}

async function knip(
  root: string,
  args: readonly string[],
  meaning: Readonly<Record<string, string>>
): Promise<readonly Finding[]> {
  const result = await runTool(root, 'knip/bin/knip.js', [
    '--no-progress',
    '--no-config-hints',
    '--reporter',
    'json',
    ...args
  ])
  let rows: readonly KnipRow[]
  try {
    rows = (JSON.parse(result.stdout) as { issues: readonly KnipRow[] }).issues
  } catch {
    return failureOf('knip', result).map((text) => ({ at: 'knip.json', text }))
  }
  const findings = rows.flatMap((row) => findingsOf(row, meaning))
  return result.code !== 0 && findings.length === 0
    ? failureOf('knip', result).map((text) => ({ at: 'knip.json', text }))
    : findings
}

function findingsOf(row: KnipRow, meaning: Readonly<Record<string, string>>): Finding[] {
  return Object.entries(row).flatMap(([kind, list]) => {
    if (typeof list === 'string') return []
    return list.flat().map((issue) => ({
      at: kind === 'files' ? row.file : `${row.file}${issue.line === undefined ? '' : `:${issue.line}`} ${issue.name}`,
      text: meaning[kind] ?? kind
    }))
  })
}
