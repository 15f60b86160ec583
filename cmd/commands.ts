import type { Command } from 'commander'
import { addConfigCommand } from './config.ts'
import type { CommandContext } from './context.ts'
import { addExportCommand } from './export.ts'
import { addIdentityCommand } from './identity.ts'
import { addImportCommand } from './import.ts'
import { addInitCommand } from './init.ts'
import { addLocalnetCommand } from './localnet.ts'
import { addPeersCommand } from './peers.ts'
import { addRunCommand } from './run.ts'
import { addStatusCommand } from './status.ts'
import { addStopCommand } from './stop.ts'
import { addVersionCommand } from './version.ts'

/** Every command, in the order the help shows them. `done` takes the exit code of a command that has one to give. */
export function addCommands(program: Command, context: CommandContext, done: (code: number) => void): void {
  addInitCommand(program, context)
  addRunCommand(program, context, done)
  addStopCommand(program, context)
  addStatusCommand(program, context)
  addPeersCommand(program, context)
  addIdentityCommand(program, context)
  addLocalnetCommand(program, context, done)
  addImportCommand(program, context, done)
  addExportCommand(program, context)
  addConfigCommand(program, context)
  addVersionCommand(program, context)
}
