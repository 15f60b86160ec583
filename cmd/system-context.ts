import type { CommandContext } from './context.ts'
import { EXIT } from './exit-codes.ts'

/** How many interrupts force the end: the first asks for an orderly stop, the second does not wait for it. */
const FORCE_AFTER = 2

/** The exit code of a process that SIGINT ended, as shells have it. */
const INTERRUPTED = 130

/** A terminal that is closed (SIGHUP) asks for the same. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The real process as a context: signals become one AbortSignal, the second one ends the process at once. */
export function systemContext(): { readonly context: CommandContext; release(): void } {
  const controller = new AbortController()
  let signals = 0
  const onSignal = (name: NodeJS.Signals): void => {
    signals += 1
    if (signals >= FORCE_AFTER) process.exit(INTERRUPTED)
    controller.abort(new Error(`stopped by ${name}`))
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  // whoever read the output has seen enough, as `head` has
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(EXIT.ok)
  })
  return {
    context: {
      stdout: process.stdout,
      stderr: process.stderr,
      // Made when it is first asked for.
      get stdin() {
        return process.stdin
      },
      env: process.env,
      signal: controller.signal
    },
    release() {
      for (const name of SIGNALS) process.off(name, onSignal)
    }
  }
}
