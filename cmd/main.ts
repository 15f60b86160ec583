import { Command, CommanderError } from 'commander'
import { systemContext } from './system-context.ts'
import type { CommandContext } from './context.ts'
import { EXIT, errorLine, exitCodeOf } from './exit-codes.ts'
import { addCommands } from './commands.ts'

/**
 * The command line: flags → options → node or lab → exit code. The only place, with the launcher, that ends the process.
 */
export async function main(args: readonly string[]): Promise<void> {
  const system = systemContext()
  const code = await runCommandLine(args, system.context)
  system.release()
  process.exitCode = code
}

/** Runs one command and resolves with its exit code; never throws. */
export async function runCommandLine(args: readonly string[], context: CommandContext): Promise<number> {
  let code: number = EXIT.ok
  const program = new Command('sealsync')
    .description('an access node that keeps and serves the execution data of a staked network, with no DHT')
    .exitOverride()
    // An option after a command's name is that command's, though its parent has one of the same name.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) =>
        context.stderr.write(
          `${text
            .trimEnd()
            .replace(/^error: /, 'sealsync: ')
            .replace(/\s*\n\s*/g, ' ')}\n`
        )
    })
  try {
    const name = args.find((arg) => !arg.startsWith('-'))
    await addCommands(program, context, {
      name,
      done: (result) => {
        code = result
      }
    })
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    context.stderr.write(`${errorLine(error)}\n`)
    return exitCodeOf(error)
  }
}
