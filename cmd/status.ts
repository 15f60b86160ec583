import type { Command } from 'commander'
import { openOfflineNode } from '#src/node/index.ts'
import { sleep, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { renderStatus } from './render-status.ts'

/** Between two looks with --watch, ms. */
const WATCH_MS = 1_000

/** `status`: of a running node through its admin socket, of a stopped one from its directory. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('heights, peers, bytes and memory of a node, running or not')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--watch', 'again every second')
    .option('--json', 'one JSON object (with --watch: one a line)')
    .action(async (flags: NodeFlags & { watch?: boolean; json?: boolean }) => {
      const dataDir = dataDirOf(flags, context)
      const show = async (): Promise<void> => {
        const status = await statusOf(dataDir)
        if (flags.json === true) writeJson(context, status)
        else context.stdout.write(renderStatus(status))
      }
      await show()
      if (flags.watch !== true) return
      if ((await runningNode(dataDir)) === undefined) throw new UsageError('--watch needs a running node')
      while (!context.signal.aborted) {
        await sleep(systemClock, WATCH_MS, context.signal).catch(() => {})
        if (!context.signal.aborted) await show()
      }
    })
}

async function statusOf(dataDir: string): Promise<Readonly<Record<string, unknown>>> {
  const client = await runningNode(dataDir)
  if (client !== undefined) return (await client.getJson('/status')) as Record<string, unknown>
  const node = await openOfflineNode(dataDir)
  try {
    return { ...(await node.status()) }
  } finally {
    await node.close()
  }
}
