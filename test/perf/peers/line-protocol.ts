import { createInterface } from 'node:readline'

/** One command of a peer: takes what stood under `in`, gives what is answered under `out`. `id` is the request's. */
export type Command = (input: never, id: number) => Promise<object> | object

interface Request {
  readonly id: number
  readonly op: string
  readonly in?: unknown
}

/**
 * Answers JSON lines on standard input, `{"id", "op", "in"}`, with one line each on standard output, `{"id", "out"}` or
 * `{"id", "error"}`, in the order in which the commands end. Ends with standard input; `close` is called then.
 */
export async function serveLines(
  commands: Readonly<Record<string, Command>>,
  close: () => Promise<void>
): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request
    void answer(commands, request).then((text) => process.stdout.write(`${text}\n`))
  }
  await close()
}

async function answer(commands: Readonly<Record<string, Command>>, { id, op, in: input }: Request): Promise<string> {
  try {
    const command = commands[op]
    if (command === undefined) throw new Error(`no command '${op}'`)
    return JSON.stringify({ id, out: await command((input ?? {}) as never, id) })
  } catch (error) {
    return JSON.stringify({ id, error: error instanceof Error ? error.message : String(error) })
  }
}

/** Milliseconds of CLOCK_MONOTONIC: the same clock in every process of the machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6
