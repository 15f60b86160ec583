import type { Command } from 'commander'
import { readIdentity } from '#src/node/index.ts'
import { type CommandContext, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'

/** `identity`: who this node is. */
export function addIdentityCommand(program: Command, context: CommandContext): void {
  program
    .command('identity')
    .description('who this node is: peer id, public key, node id')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { json?: boolean }) => {
      const identity = await readIdentity(dataDirOf(flags, context))
      if (flags.json === true) writeJson(context, identity)
      else
        context.stdout.write(
          `peer id         ${identity.peerId}\nnetwork pubkey  ${identity.networkPubKey}\nnode id         ${identity.nodeId}\n`
        )
    })
}
