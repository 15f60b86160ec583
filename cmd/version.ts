import type { Command } from 'commander'
import { revision, version } from '#src/node/index.ts'
import { type CommandContext, writeJson } from './context.ts'

/** `version`, also as `--version` */
export function addVersionCommand(program: Command, context: CommandContext): void {
  program.version(version(), '-V, --version')
  program
    .command('version')
    .description('what this is')
    .option('--json', 'one JSON object')
    .action((flags: { json?: boolean }) => {
      const all = {
        version: version(),
        revision: revision(),
        node: process.version,
        platform: `${process.platform}-${process.arch}`
      }
      if (flags.json === true) writeJson(context, all)
      else context.stdout.write(`sealsync ${all.version} (${all.revision}), Node ${all.node}, ${all.platform}\n`)
    })
}
