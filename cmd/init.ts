import type { Command } from 'commander'
import { initNode } from '#src/node/index.ts'
import { NODE_ROLES, type NodeRole } from '#src/model/index.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { dataDirOf } from './node-options.ts'

interface InitFlags {
  readonly dataDir?: string
  readonly role: string
  readonly address: string
  readonly networkKeyFile?: string
  readonly nodeId?: string
  readonly publicAddress?: string
  readonly json?: boolean
}

/** `init`: makes a data directory with a network key and prints the identity-table entry. */
export function addInitCommand(program: Command, context: CommandContext): void {
  program
    .command('init')
    .description('make a data directory and a network key; print the entry for the identity table')
    .option('--data-dir <dir>', 'where the node will keep everything it has (environment SEALSYNC_DATA_DIR)')
    .requiredOption('--role <role>', `one of ${NODE_ROLES.join(', ')}`)
    .requiredOption('--address <host:port>', 'where peers will reach this node')
    .option(
      '--network-key-file <file>',
      'take this private key (32 bytes in hex; P-256, an observer: secp256k1) instead of making one'
    )
    .option('--node-id <hex>', 'the node id (default: the sha-256 of the public key)')
    .option('--public-address <host:port>', 'where an access node will serve observers')
    .option('--json', 'one JSON object')
    .action(async (flags: InitFlags) => {
      if (!(NODE_ROLES as readonly string[]).includes(flags.role))
        throw new UsageError(`--role '${flags.role}' must be one of ${NODE_ROLES.join(', ')}`)
      const dataDir = dataDirOf({ ...flags }, context)
      const result = await initNode({
        dataDir,
        role: flags.role as NodeRole,
        address: flags.address,
        ...(flags.networkKeyFile === undefined ? {} : { networkKeyFile: flags.networkKeyFile }),
        ...(flags.publicAddress === undefined ? {} : { publicAddress: flags.publicAddress }),
        ...(flags.nodeId === undefined ? {} : { nodeId: flags.nodeId })
      })
      if (flags.json === true) {
        writeJson(context, result.entry)
        return
      }
      context.stdout.write(`${JSON.stringify(result.entry, null, 2)}\n`)
      const next =
        flags.role === 'observer'
          ? 'next: take the identity table of the staked nodes (access nodes that serve observers have a PublicAddress there), then'
          : 'next: put the entry above into the identity table (a JSON array) of every node, then'
      context.stderr.write(
        `made ${dataDir} for peer ${result.peerId}\n${next}\n` +
          `  sealsync run --data-dir ${dataDir} --role ${flags.role} --identities FILE${flags.role === 'execution' ? ' --feed file:BLOCKS.jsonl --follow' : ''}\n`
      )
    })
}
