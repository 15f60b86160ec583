import { AppError } from '#src/util/index.ts'

/** What a command gets of the process: so that it can be run in a test without being one. */
export interface CommandContext {
  readonly stdout: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean }
  readonly stderr: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Standard input, where a command reads it. */
  readonly stdin?: NodeJS.ReadableStream & { unref?(): void }
  /** Aborts on the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal
}

/** A command was called in a way it cannot be. */
export class UsageError extends AppError<'usage'> {
  constructor(message: string) {
    super('usage', message)
  }
}

/** The one JSON object that `--json` promises as the last line of stdout. */
export function writeJson(context: CommandContext, value: unknown): void {
  context.stdout.write(`${JSON.stringify(value)}\n`)
}
