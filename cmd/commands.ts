import type { Command } from 'commander'
import type { CommandContext } from './context.ts'

type AddCommand = (program: Command, context: CommandContext, done: (code: number) => void) => void

/**
 * Every command, in the order the help shows them. Each is loaded when it is called: a node is made of some hundred modules that
 * `version` has no use for.
 */
const COMMANDS: readonly (readonly [names: readonly string[], load: () => Promise<AddCommand>])[] = [
  [['init'], async () => (await import('./init.ts')).addInitCommand],
  [['run', 'start'], async () => (await import('./run.ts')).addRunCommand],
  [['stop'], async () => (await import('./stop.ts')).addStopCommand],
  [['status'], async () => (await import('./status.ts')).addStatusCommand],
  [['peers'], async () => (await import('./peers.ts')).addPeersCommand],
  [['identity'], async () => (await import('./identity.ts')).addIdentityCommand],
  [['localnet'], async () => (await import('./localnet.ts')).addLocalnetCommand],
  [['compare'], async () => (await import('./compare.ts')).addCompareCommand],
  [['hammer'], async () => (await import('./hammer.ts')).addHammerCommand],
  [['import'], async () => (await import('./import.ts')).addImportCommand],
  [['export'], async () => (await import('./export.ts')).addExportCommand],
  [['prune'], async () => (await import('./prune.ts')).addPruneCommand],
  [['wind-down'], async () => (await import('./wind-down.ts')).addWindDownCommand],
  [['db'], async () => (await import('./db.ts')).addDbCommand],
  [['diag'], async () => (await import('./diag.ts')).addDiagCommand],
  [['inspect'], async () => (await import('./inspect.ts')).addInspectCommand],
  [['codec'], async () => (await import('./codec.ts')).addCodecCommand],
  [['config'], async () => (await import('./config.ts')).addConfigCommand],
  [['log-level'], async () => (await import('./log-level.ts')).addLogLevelCommand],
  [['version'], async () => (await import('./version.ts')).addVersionCommand]
]

/** Adds the command that is called, or all of them when it is none that is known (for the help, and for suggestions). */
export async function addCommands(
  program: Command,
  context: CommandContext,
  call: { readonly name: string | undefined; readonly done: (code: number) => void }
): Promise<void> {
  const named = COMMANDS.filter(([names]) => call.name !== undefined && names.includes(call.name))
  for (const [, load] of named.length > 0 ? named : COMMANDS) (await load())(program, context, call.done)
}
