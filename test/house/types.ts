import { type CheckResult, failureOf, linesOf, runTool } from './tool.ts'

/** The compiler's own verdict over everything that `tsconfig.json` includes. */
export async function checkTypes(root: string): Promise<CheckResult> {
  const result = await runTool(root, 'typescript/bin/tsc', ['-p', '.', '--pretty', 'false', '--listFilesOnly', 'false'])
  const listed = await runTool(root, 'typescript/bin/tsc', ['-p', '.', '--listFilesOnly'])
  const files = linesOf(listed.stdout).filter((line) => !line.includes('/node_modules/'))
  const problems = result.code === 0 ? [] : linesOf(result.stdout)
  if (result.code !== 0 && problems.length === 0) problems.push(...failureOf('tsc', result))
  if (files.length === 0) problems.push('the compiler read no file of this project')
  return { summary: `${files.length} files`, problems }
}
