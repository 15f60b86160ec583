import type { Command } from 'commander'
import { type AdminClient, ApiError } from '#src/api/index.ts'
import { parseHeight } from '#src/model/index.ts'
import { loadConfig, pruneStopped, prunerOptionsOf } from '#src/node/index.ts'
import { formatDuration, formatSize, sleep, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { configSources, dataDirOf, type NodeFlags } from './node-options.ts'
import { createProgress } from './progress.ts'

interface PruneFlags extends NodeFlags {
  readonly below?: string
  readonly retention?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

type Json = Readonly<Record<string, unknown>>

/** Between two looks at a running node, ms. */
const POLL_MS = 500

/** `prune`: on a running node through its admin socket, on a stopped one in its directory. */
export function addPruneCommand(program: Command, context: CommandContext): void {
  program
    .command('prune')
    .description('delete old heights: those that retention does not keep, or all below a height')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--config <file>', 'configuration file (default: config.toml in the data directory)')
    .option('--below <height>', 'delete all heights below this one')
    .option('--retention <retention>', 'of a stopped node: what to keep, as in the setting pruner.retention')
    .option('--dry-run', 'only say what would go')
    .option('--json', 'one JSON object')
    .action(async (flags: PruneFlags) => {
      const below = belowOf(flags)
      const result = await prune(flags, context, below)
      if (flags.json === true) writeJson(context, result)
      else context.stdout.write(flags.dryRun === true ? renderPlan(result) : renderStatus(result))
    })
}

function belowOf({ below }: PruneFlags): number | undefined {
  if (below === undefined) return undefined
  const height = parseHeight(below)
  if (height === undefined) throw new UsageError(`--below '${below}' must be a height`)
  return height
}

async function prune(flags: PruneFlags, context: CommandContext, below: number | undefined): Promise<Json> {
  const dataDir = dataDirOf(flags, context)
  const dryRun = flags.dryRun === true
  const progress = createProgress(context, 'prune')
  const client = await runningNode(dataDir)
  try {
    if (client !== undefined) {
      if (flags.retention !== undefined)
        throw new UsageError('--retention is for a stopped node; a running one has its own')
      return await pruneRunning(client, { below, dryRun }, { context, update: (text) => progress.update(text) })
    }
    const options = prunerOptionsOf(loadConfig(configSources(flags, context)))
    const request = { dataDir, dryRun, options, ...(below === undefined ? {} : { below }) }
    const onProgress = (status: object): void => progress.update(line(status as Json))
    return { ...(await pruneStopped(request, { signal: context.signal, onProgress })) }
  } finally {
    progress.end()
  }
}

async function pruneRunning(
  client: AdminClient,
  order: { readonly below: number | undefined; readonly dryRun: boolean },
  { context, update }: { readonly context: CommandContext; readonly update: (text: string) => void }
): Promise<Json> {
  const { signal } = context
  const answer = (await client.postJson('/prune', order, { signal })) as Json
  if (order.dryRun) return answer
  for (;;) {
    const status = ((await client.getJson('/status', { signal })) as { readonly pruner?: Json }).pruner
    if (status === undefined) throw new ApiError('bad-answer', 'the node says nothing of its pruner')
    const dirty = (status['dirty'] ?? []) as readonly string[]
    if (!dirty.includes('heights') && !dirty.includes('space')) return status
    update(line(status))
    await sleep(systemClock, POLL_MS, signal)
  }
}

function line(status: Json): string {
  const freed = (status['freed'] ?? {}) as Json
  const rate = (status['perSecond'] ?? {}) as Json
  const heights = Number(rate['heights'] ?? 0)
  const left = Number(status['backlogHeights'] ?? 0)
  const eta = heights > 0 && left > 0 ? `, ${formatDuration((left / heights) * 1000)} left` : ''
  return `pruned to ${shown(status['prunedTo'])}, ${left} heights to go, ${shown(freed['blobs'])} blobs (${formatSize(Number(freed['bytes'] ?? 0))}) deleted${eta}`
}

const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : '–')

function renderStatus(status: Json): string {
  return `${line(status)}\n`
}

function renderPlan(plan: Json): string {
  if (plan['heights'] === 0) return 'nothing would be deleted\n'
  return `heights ${shown(plan['from'])} to ${shown(plan['to'])} (${shown(plan['heights'])}) would go: ${shown(plan['blobs'])} blobs, ${formatSize(Number(plan['bytes'] ?? 0))}; ${shown(plan['shared'])} blobs stay, newer heights share them\n`
}
