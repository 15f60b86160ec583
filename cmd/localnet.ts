import type { Command } from 'commander'
import {
  defaultLocalnetOptions,
  LabError,
  type LocalnetOptions,
  type LocalnetReport,
  renderSummary,
  runLocalnet,
  validateLocalnetOptions
} from '#src/lab/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { addLocalnetOptions, type Flags, readLocalnetOptions } from './localnet-options.ts'

/** The options of `localnet` from its flags. Throws UsageError that names the flag, for a value that is none and for options at odds. */
export function localnetOptions(flags: Flags): LocalnetOptions {
  const options = readLocalnetOptions(flags, defaultLocalnetOptions)
  const faults = validateLocalnetOptions(options)
  if (faults.length > 0) throw new UsageError(faults.join('; '))
  return options
}

async function run(options: LocalnetOptions, context: CommandContext): Promise<LocalnetReport> {
  const colour = context.stderr.isTTY === true && (context.env['NO_COLOR'] ?? '') === ''
  try {
    return await runLocalnet(options, { stream: context.stderr, colour, signal: context.signal })
  } catch (error) {
    if (error instanceof LabError && (error.code === 'bad-option' || error.code === 'bad-source')) {
      throw new UsageError(error.message)
    }
    throw error
  }
}

/** `localnet`: a staked network of real processes on this machine; exit code 1 when a node does not hold every block. */
export function addLocalnetCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const command = program
    .command('localnet')
    .description('run a staked network of real processes on loopback and check what it syncs')
  addLocalnetOptions(command, { defaults: defaultLocalnetOptions })
    .option('--json', 'the report as one JSON object')
    .action(async (flags: Flags) => {
      const report = await run(localnetOptions(flags), context)
      if (flags['json'] === true) writeJson(context, report)
      else context.stdout.write(renderSummary(report))
      done(report.ok ? EXIT.ok : EXIT.failed)
    })
}
