import { Argument, type Command } from 'commander'
import { AdminClient } from '#src/api/index.ts'
import { LOG_LEVELS } from '#src/log/index.ts'
import { systemClock } from '#src/util/index.ts'
import { type CommandContext, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'

/** `log-level`: what a running node writes, for all rooms or one. */
export function addLogLevelCommand(program: Command, context: CommandContext): void {
  program
    .command('log-level')
    .description('set the log level of a running node, for one room or all')
    .addArgument(new Argument('<level>', 'how much is written').choices(LOG_LEVELS))
    .option('--room <room>', 'such as exchange; all rooms without it')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--json', 'one JSON object')
    .action(async (level: string, flags: NodeFlags & { room?: string; json?: boolean }) => {
      const client = await AdminClient.connect(dataDirOf(flags, context), { clock: systemClock })
      const answer = await client.postJson('/log-level', {
        level,
        ...(flags.room === undefined ? {} : { room: flags.room })
      })
      if (flags.json === true) writeJson(context, answer)
      else context.stdout.write(`${flags.room ?? 'all rooms'}: ${level}\n`)
    })
}
