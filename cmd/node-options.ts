import { join } from 'node:path'
import type { Command } from 'commander'
import { CONFIG_KEYS, type ConfigKey, type ConfigSources, envName, shownValue } from '#src/node/index.ts'
import { type CommandContext, UsageError } from './context.ts'

/** Flags as commander gives them: camel case. */
export interface NodeFlags {
  readonly dataDir?: string
  readonly config?: string
  readonly [name: string]: unknown
}

/** Adds `--data-dir`, `--config` and a flag for each setting. */
export function addNodeOptions(command: Command): Command {
  command.option('--data-dir <dir>', 'where the node keeps everything it has (environment SEALSYNC_DATA_DIR)')
  command.option('--config <file>', 'configuration file (default: config.toml in the data directory)')
  for (const key of CONFIG_KEYS as readonly ConfigKey[]) {
    const choices = key.type === 'choice' ? `; one of ${key.choices.join(', ')}` : ''
    const shown = key.default === undefined ? '' : `; default ${shownValue(key, key.default)}`
    const help = `${key.help}${choices} (${envName(key.path)}${shown})`
    if (key.type === 'boolean') command.option(`--${key.flag}`, help)
    else command.option(`--${key.flag} <${key.type}>`, help)
  }
  command.option('--dht-enabled', 'the conventional build, for comparison: --routing dht --policy classic')
  return command
}

/** What `--dht-enabled` stands for. Throws UsageError when another routing is given beside it. */
function dhtBuild({ routing, policy }: Readonly<Record<string, unknown>>): { routing: string; policy: unknown } {
  if (routing !== undefined && routing !== 'dht')
    throw new UsageError(`--dht-enabled and --routing ${JSON.stringify(routing)} contradict one another: leave one out`)
  return { routing: 'dht', policy: policy ?? 'classic' }
}

export function configSources(flags: NodeFlags, context: CommandContext): ConfigSources {
  const dataDir = flags.dataDir ?? context.env['SEALSYNC_DATA_DIR']
  const path = flags.config ?? context.env['SEALSYNC_CONFIG']
  const file =
    path !== undefined
      ? { path, required: true }
      : dataDir === undefined
        ? undefined
        : { path: join(dataDir, 'config.toml'), required: false }
  const byName: Record<string, unknown> = Object.fromEntries(
    (CONFIG_KEYS as readonly ConfigKey[]).map((key) => [key.flag, flags[camel(key.flag)]])
  )
  if (flags['dhtEnabled'] === true) Object.assign(byName, dhtBuild(byName))
  return { flags: byName, env: context.env, ...(file === undefined ? {} : { file }) }
}

/** The data directory from its flag or the environment. Throws UsageError when there is none. */
export function dataDirOf(flags: NodeFlags, context: CommandContext): string {
  const dir = flags.dataDir ?? context.env['SEALSYNC_DATA_DIR']
  if (dir === undefined || dir === '')
    throw new UsageError('--data-dir DIR is needed (or environment SEALSYNC_DATA_DIR)')
  return dir
}

function camel(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
