import { runCommandLine } from '#cmd/main.ts'
import type { Finished } from './cli.ts'

/** Runs a command to its end in this process: for what needs no process of its own. */
export async function command(args: readonly string[]): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  const writer = (keep: (text: string) => void) => ({
    write(text: string | Uint8Array): boolean {
      keep(String(text))
      return true
    }
  })
  const code = await runCommandLine(args, {
    stdout: writer((text) => (stdout += text)),
    stderr: writer((text) => (stderr += text)),
    env: {},
    signal: new AbortController().signal
  })
  return { code, stdout, stderr }
}
