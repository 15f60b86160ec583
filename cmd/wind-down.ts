import type { Command } from 'commander'
import { AdminClient } from '#src/api/index.ts'
import { parseHeight } from '#src/model/index.ts'
import { readWindDown } from '#src/node/index.ts'
import { formatDuration, formatSize, parseDuration, parseSize, sleep, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { createProgress } from './progress.ts'

interface WindDownFlags extends NodeFlags {
  readonly keepServingUntil?: string
  readonly rate?: string
  readonly below?: string
  readonly json?: boolean
}

type Json = Readonly<Record<string, unknown>>

/** Between two looks at the node, ms. */
const POLL_MS = 500

/** `wind-down`: a running node serves what it has, sheds it and ends; or sheds what lies below a height and stays. */
export function addWindDownCommand(program: Command, context: CommandContext): void {
  program
    .command('wind-down')
    .description(
      'retire a running node: it fetches nothing more, sheds what it holds and ends; its directory, key included, is emptied'
    )
    .option('--data-dir <dir>', "the node's data directory")
    .option('--keep-serving-until <time>', 'shed nothing before this time (2026-12-01T00:00Z) or for so long (12h)')
    .option('--rate <size>', 'most bytes shed in a second (default: the setting pruner.rate)')
    .option('--below <height>', 'retire only what lies below this height; the node stays')
    .option('--json', 'one JSON object')
    .action(async (flags: WindDownFlags) => {
      const order = orderOf(flags)
      const dataDir = dataDirOf(flags, context)
      const client = await AdminClient.connect(dataDir, { clock: systemClock })
      await client.postJson('/wind-down', order, { signal: context.signal })
      const result = await follow(client, dataDir, context)
      if (flags.json === true) writeJson(context, result)
      else context.stdout.write(`${line(result)}\n`)
    })
}

function orderOf(flags: WindDownFlags): Record<string, number> {
  const order: Record<string, number> = {}
  if (flags.below !== undefined) {
    const below = parseHeight(flags.below)
    if (below === undefined) throw new UsageError(`--below '${flags.below}' must be a height`)
    order['below'] = below
  }
  if (flags.rate !== undefined) {
    const rate = parseSize(flags.rate)
    if (rate === undefined) throw new UsageError(`--rate '${flags.rate}' must be a size a second such as 10MiB`)
    order['bytesPerSecond'] = rate
  }
  const until = flags.keepServingUntil
  if (until !== undefined) {
    const ms = parseDuration(until)
    const at = ms === undefined ? Date.parse(until) : systemClock.wallNow() + ms
    if (!(at >= 0)) throw new UsageError(`--keep-serving-until '${until}' must be a time, or a duration such as 12h`)
    order['keepServingUntilMs'] = Math.floor(at)
  }
  return order
}

/** Shows how far it is until it is done. Interrupting this leaves the node at it. */
async function follow(client: AdminClient, dataDir: string, context: CommandContext): Promise<Json> {
  const progress = createProgress(context, 'wind-down')
  const { signal } = context
  try {
    for (;;) {
      const status = await windDownOf(client, signal)
      if (status === undefined) {
        if ((await runningNode(dataDir)) === undefined) return { ...(await readWindDown(dataDir)) }
      } else {
        progress.update(line(status))
        if (status['state'] === 'done') return status
      }
      await sleep(systemClock, POLL_MS, signal)
    }
  } finally {
    progress.end()
  }
}

async function windDownOf(client: AdminClient, signal: AbortSignal): Promise<Json | undefined> {
  try {
    return ((await client.getJson('/status', { signal })) as { readonly windDown?: Json }).windDown
  } catch {
    signal.throwIfAborted()
    // It is on its way out.
    return undefined
  }
}

function line(status: Json): string {
  const shed = (status['shed'] ?? {}) as Json
  const left = (status['left'] ?? {}) as Json
  const leftMs = status['leftMs']
  const what = `${Number(shed['blobs'] ?? 0)} blobs (${formatSize(Number(shed['bytes'] ?? 0))}) shed`
  const rest = left['bytes'] === undefined ? '' : `, ${formatSize(Number(left['bytes']))} left`
  const time = typeof leftMs === 'number' ? `, ${formatDuration(leftMs)} to go` : ''
  return `${typeof status['state'] === 'string' ? status['state'] : '–'}: ${what}${rest}${time}`
}
