import type { Command } from 'commander'
import { AdminClient } from '#src/api/index.ts'
import { NodeError } from '#src/node/index.ts'
import { formatDuration, parseDuration, sleep, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'

/** How often it is looked whether the node is gone, ms. */
const POLL_MS = 100

/** `stop`: ends a running node in order and waits until it is gone. */
export function addStopCommand(program: Command, context: CommandContext): void {
  program
    .command('stop')
    .description('stop the running node in order, and wait until it is gone')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--timeout <duration>', 'how long to wait', '30s')
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { timeout: string; json?: boolean }) => {
      const timeoutMs = parseDuration(flags.timeout)
      if (timeoutMs === undefined) throw new UsageError(`--timeout '${flags.timeout}' must be a duration such as 30s`)
      const dataDir = dataDirOf(flags, context)
      const client = await AdminClient.connect(dataDir, { clock: systemClock })
      const began = systemClock.now()
      await client.postJson('/stop', {})
      await waitUntilGone(dataDir, { timeoutMs, signal: context.signal })
      const ms = Math.round(systemClock.now() - began)
      if (flags.json === true) writeJson(context, { stopped: true, ms })
      else context.stdout.write(`stopped in ${formatDuration(ms)}\n`)
    })
}

async function waitUntilGone(
  dataDir: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal }
): Promise<void> {
  const deadline = systemClock.now() + options.timeoutMs
  while ((await runningNode(dataDir)) !== undefined) {
    if (systemClock.now() > deadline) {
      throw new NodeError(
        'stop-timeout',
        `the node still runs after ${formatDuration(options.timeoutMs)}: see its log, or give --timeout`
      )
    }
    await sleep(systemClock, POLL_MS, options.signal)
  }
}
