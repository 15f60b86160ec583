import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

/** What a check found. `problems` is empty exactly when it passed; each is one finding, with its file where it has one. */
export interface CheckResult {
  /** How much was looked at, so that a check which read nothing shows. */
  readonly summary: string
  readonly problems: readonly string[]
}

/** Looks at the tree below `root`, with the configuration files that lie there. */
export type Check = (root: string) => Promise<CheckResult>

export interface ToolRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one of the tools in node_modules, by its script, under the Node that runs this. */
export function runTool(root: string, script: string, args: readonly string[]): Promise<ToolRun> {
  const bin = join(root, 'node_modules', '.bin')
  return run(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NO_COLOR: '1' }
  })
}

/** Runs a program to its end and gives what it wrote. Rejects only when it cannot be started. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv }
): Promise<ToolRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }))
  })
}

/** Lines that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
}

/** What to report of a tool that failed without naming a finding. */
export function failureOf(tool: string, result: ToolRun): string[] {
  return [`${tool} ended with exit code ${result.code}`, ...linesOf(result.stdout), ...linesOf(result.stderr)]
}
