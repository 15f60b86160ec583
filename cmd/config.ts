import type { Command } from 'commander'
import { CONFIG_KEYS, loadConfig, renderConfig, renderEffective, toNodeConfig } from '#src/node/index.ts'
import type { CommandContext } from './context.ts'
import { writeJson } from './context.ts'
import { addNodeOptions, configSources, type NodeFlags } from './node-options.ts'

/** `config default | show | validate` */
export function addConfigCommand(program: Command, context: CommandContext): void {
  const config = program.command('config').description('settings: their defaults, what is in force, whether they fit')
  config
    .command('default')
    .description('print the commented configuration file with every setting and its default')
    .action(() => {
      context.stdout.write(renderConfig())
    })
  addNodeOptions(config.command('show').description('print the settings in force'))
    .option('--origin', 'say where each value came from')
    .option('--json', 'one JSON object')
    .action((flags: NodeFlags & { origin?: boolean; json?: boolean }) => {
      const loaded = loadConfig(configSources(flags, context))
      if (flags.json === true) writeJson(context, Object.fromEntries(loaded))
      else context.stdout.write(renderEffective(loaded, flags.origin === true))
    })
  addNodeOptions(config.command('validate').description('check the settings a node would run with')).action(
    (flags: NodeFlags) => {
      const sources = configSources(flags, context)
      toNodeConfig(loadConfig(sources), flags.dataDir ?? '')
      context.stdout.write(`ok: ${CONFIG_KEYS.length} settings\n`)
    }
  )
}
