import { systemClock } from '#src/util/index.ts'
import type { CommandContext } from './context.ts'

/** Between two lines where stderr is a terminal, and where it is not, ms. */
const TERMINAL_MS = 200
const PLAIN_MS = 5_000

export interface Progress {
  update(text: string): void
  end(): void
}

/** Progress of long work on stderr: one line that is rewritten on a terminal, a line every few seconds otherwise. */
export function createProgress(context: CommandContext, name: string): Progress {
  const terminal = context.stderr.isTTY === true
  let last = Number.NEGATIVE_INFINITY
  let open = false
  return {
    update(text) {
      const now = systemClock.now()
      if (now - last < (terminal ? TERMINAL_MS : PLAIN_MS)) return
      last = now
      context.stderr.write(terminal ? `\r\u001b[K${name}: ${text}` : `${name}: ${text}\n`)
      open = terminal
    },
    end() {
      if (open) context.stderr.write('\r\u001b[K')
      open = false
    }
  }
}
