import type { Command } from 'commander'
import { AdminClient } from '#src/api/index.ts'
import { systemClock } from '#src/util/index.ts'
import { type CommandContext, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'

interface PeerRow {
  readonly peerId: string
  readonly role: string
  readonly connected: boolean
  readonly rttMs: number | null
}

/** `peers`: the staked peers of a running node. */
export function addPeersCommand(program: Command, context: CommandContext): void {
  program
    .command('peers')
    .description('the staked peers of a running node: role, connection, round trip')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { json?: boolean }) => {
      const client = await AdminClient.connect(dataDirOf(flags, context), { clock: systemClock })
      const answer = (await client.getJson('/peers')) as { readonly peers: readonly PeerRow[] }
      if (flags.json === true) return writeJson(context, answer)
      for (const peer of answer.peers) {
        const state = peer.connected ? 'connected' : 'not connected'
        const rtt = peer.rttMs === null ? '' : `${peer.rttMs.toFixed(1)} ms`
        context.stdout.write(`${peer.peerId}  ${peer.role.padEnd(10)} ${state.padEnd(14)} ${rtt}\n`)
      }
    })
}
