import type { Command } from 'commander'
import type { AdminClient } from '#src/api/index.ts'
import { statsOfStopped, verifyStopped } from '#src/node/index.ts'
import { formatDuration, formatSize, parseSize, sleep, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { createProgress } from './progress.ts'

type Json = Readonly<Record<string, unknown>>

/** Between two looks at a running node, ms. */
const POLL_MS = 500

/** `db verify` and `db stats`, of a running node and of a stopped one. */
export function addDbCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const db = program.command('db').description("look at a node's store")
  db.command('verify')
    .description('read and hash every stored blob; what is damaged is dropped and fetched anew from peers')
    .option('--data-dir <dir>', "the node's data directory")
    .option(
      '--rate <size>',
      'most bytes read in a second (default: 32MiB of a running node, no limit of a stopped one)'
    )
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { rate?: string; json?: boolean }) => {
      const rate = flags.rate === undefined ? undefined : parseSize(flags.rate)
      if (flags.rate !== undefined && rate === undefined)
        throw new UsageError(`--rate '${flags.rate}' must be a size a second such as 10MiB`)
      const state = await verify(dataDirOf(flags, context), rate, context)
      if (flags.json === true) writeJson(context, state)
      else context.stdout.write(`${line(state)}\n`)
      done(state['state'] === 'done' && state['damaged'] === 0 ? EXIT.ok : EXIT.failed)
    })
  db.command('stats')
    .description('what lies in the store and how much room it takes')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { json?: boolean }) => {
      const dataDir = dataDirOf(flags, context)
      const client = await runningNode(dataDir)
      const stats =
        client === undefined ? await statsOfStopped(dataDir) : ((await client.getJson('/db/stats')) as object)
      if (flags.json === true) writeJson(context, stats)
      else context.stdout.write(renderStats(stats as Json))
    })
}

async function verify(dataDir: string, rate: number | undefined, context: CommandContext): Promise<Json> {
  const progress = createProgress(context, 'db verify')
  const client = await runningNode(dataDir)
  try {
    if (client !== undefined)
      return await verifyRunning(client, rate, { context, update: (text) => progress.update(text) })
    const state = await verifyStopped(
      { dataDir, bytesPerSecond: rate ?? 0 },
      { signal: context.signal, onProgress: (now) => progress.update(line({ ...now })) }
    )
    return { ...state }
  } finally {
    progress.end()
  }
}

async function verifyRunning(
  client: AdminClient,
  rate: number | undefined,
  { context, update }: { readonly context: CommandContext; readonly update: (text: string) => void }
): Promise<Json> {
  const { signal } = context
  let state = (await client.postJson('/db/verify', rate === undefined ? {} : { bytesPerSecond: rate }, {
    signal
  })) as Json
  while (state['state'] === 'running') {
    update(line(state))
    await sleep(systemClock, POLL_MS, signal)
    state = ((await client.getJson('/status', { signal })) as { readonly verify: Json }).verify
  }
  return state
}

const part = (from: Json, key: string): Json => (from[key] ?? {}) as Json
const number = (from: Json, key: string): number => Number(from[key] ?? 0)

function line(state: Json): string {
  const checked = part(state, 'checked')
  const total = part(state, 'total')
  const rate = number(state, 'bytesPerSecond')
  const left = Math.max(0, number(total, 'bytes') - number(checked, 'bytes'))
  const time = state['state'] === 'running' && rate > 0 ? `, ${formatDuration((left / rate) * 1000)} left` : ''
  return `${number(checked, 'blobs')} of ${number(total, 'blobs')} blobs (${formatSize(number(checked, 'bytes'))}) read, ${number(state, 'damaged')} damaged${time}`
}

function renderStats(stats: Json): string {
  const blobs = part(stats, 'blobs')
  const heights = part(stats, 'heights')
  const segments = part(stats, 'segments')
  const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : '–')
  return [
    `blobs     ${number(blobs, 'count')}, ${formatSize(number(blobs, 'bytes'))}`,
    `heights   ${shown(heights['lowest'])} to ${shown(heights['highest'])}, pruned to ${shown(heights['prunedTo'])}`,
    `segments  ${number(segments, 'count')}, ${formatSize(number(segments, 'bytes'))}, of it ${formatSize(number(segments, 'deadBytes'))} dead`,
    `damaged   ${number(part(stats, 'damaged'), 'waitingForRepair')} blobs wait for a good copy`,
    ''
  ].join('\n')
}
