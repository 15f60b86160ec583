import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { BlobCid } from '#src/model/index.ts'
import {
  assertInitialised,
  blobOfStopped,
  type BlobReport,
  loadConfig,
  openOfflineNode,
  revision,
  statsOfStopped,
  version
} from '#src/node/index.ts'
import { formatSize, messageOf, systemClock } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { configSources, dataDirOf, type NodeFlags } from './node-options.ts'

/** A listener that does not answer costs its part of the bundle and no more, ms. */
const LISTENER_MS = 10_000
/** A node has 2,000 series at most, some 120 KB. */
const MAX_METRICS_BYTES = 8 * 1024 ** 2
const LEFT_OUT = ['the network key', 'logs: the node writes them to standard output and keeps none', 'blobs']

/** `diag bundle` and `diag blob`: what to send along with a question about a node. */
export function addDiagCommand(program: Command, context: CommandContext, done: (code: number) => void): void {
  const diag = program.command('diag').description('gather what a question about a node needs; look at one blob')
  diag
    .command('bundle')
    .description(
      'write version, settings, status, peers, store and metrics of a node, running or not, into one JSON file'
    )
    .option('--data-dir <dir>', "the node's data directory")
    .option('--out <file>', 'the file, which must not be there yet (default: sealsync-diag-TIME.json here)')
    .option('--json', 'one JSON object: the file and what it has')
    .action(async (flags: NodeFlags & { out?: string; json?: boolean }) => {
      const dataDir = dataDirOf(flags, context)
      await assertInitialised(dataDir)
      const bundle = await gather(dataDir, () => Object.fromEntries(loadConfig(configSources(flags, context))))
      const out = flags.out ?? `sealsync-diag-${bundle.madeAt.replace(/[-:]|\.\d+/g, '')}.json`
      await write(out, `${JSON.stringify(bundle, undefined, 1)}\n`)
      const parts = Object.keys(bundle.parts)
      if (flags.json === true) writeJson(context, { schema: bundle.schema, out, parts, missing: bundle.missing })
      else context.stdout.write(`${out}: ${parts.join(', ')}; left out: ${LEFT_OUT.join('; ')}\n`)
      for (const { part, reason } of bundle.missing) context.stderr.write(`sealsync: no ${part}: ${reason}\n`)
    })
  diag
    .command('blob')
    .description('whether a blob is held, is what its CID says, and which height keeps it')
    .argument('<cid>', 'a CIDv0 (Qm…)')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--json', 'one JSON object')
    .action(async (text: string, flags: NodeFlags & { json?: boolean }) => {
      const cid = BlobCid.parse(text)
      if (cid === undefined) throw new UsageError(`'${text}' is no CIDv0 (Qm…)`)
      const dataDir = dataDirOf(flags, context)
      const client = await runningNode(dataDir)
      const report =
        client === undefined
          ? await blobOfStopped(dataDir, cid)
          : ((await client.getJson('/db/blob', { query: { cid: text } })) as BlobReport)
      if (flags.json === true) writeJson(context, report)
      else context.stdout.write(`${line(report)}\n`)
      done(report.intact === true ? EXIT.ok : EXIT.failed)
    })
}

interface Bundle {
  readonly schema: 'sealsync.diag/1'
  readonly madeAt: string
  readonly leftOut: readonly string[]
  readonly parts: Readonly<Record<string, unknown>>
  /** Parts that could not be had. */
  readonly missing: readonly { readonly part: string; readonly reason: string }[]
}

/** Each part by itself: a node that is in trouble may not be able to tell everything. */
async function gather(dataDir: string, config: () => object): Promise<Bundle> {
  const client = await runningNode(dataDir)
  const sources: Readonly<Record<string, () => unknown>> = {
    version: () => ({ version: version(), revision: revision(), node: process.version, running: client !== undefined }),
    machine: () => ({
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      load: loadavg(),
      platform: process.platform
    }),
    config,
    ...(client === undefined
      ? { status: () => statusOfStopped(dataDir), store: () => statsOfStopped(dataDir) }
      : {
          status: () => client.getJson('/status'),
          peers: () => client.getJson('/peers'),
          store: () => client.getJson('/db/stats'),
          ready: async () => JSON.parse(await metricsListener(dataDir, '/readyz')) as unknown,
          metrics: async () => (await metricsListener(dataDir, '/metrics')).split('\n')
        })
  }
  const parts: Record<string, unknown> = {}
  const missing: { part: string; reason: string }[] = []
  for (const [part, take] of Object.entries(sources)) {
    try {
      parts[part] = await take()
    } catch (error) {
      missing.push({ part, reason: messageOf(error) })
    }
  }
  const madeAt = new Date(systemClock.wallNow()).toISOString()
  return { schema: 'sealsync.diag/1', madeAt, leftOut: LEFT_OUT, parts, missing }
}

async function statusOfStopped(dataDir: string): Promise<object> {
  const node = await openOfflineNode(dataDir)
  try {
    return await node.status()
  } finally {
    await node.close()
  }
}

async function metricsListener(dataDir: string, path: string): Promise<string> {
  const { metrics } = JSON.parse(await readFile(join(dataDir, 'addresses.json'), 'utf8')) as { metrics: string | null }
  if (metrics === null) throw new Error('the node has no metrics listener')
  const answer = await fetch(`http://${metrics}${path}`, { signal: AbortSignal.timeout(LISTENER_MS) })
  const text = await answer.text()
  if (text.length > MAX_METRICS_BYTES) throw new Error(`${path} is longer than ${formatSize(MAX_METRICS_BYTES)}`)
  return text
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw new UsageError(`cannot write ${path} (${messageOf(error)}): choose another file with --out`)
  }
}

function line({ cid, held, bytes, intact, latestHeight }: BlobReport): string {
  const kept =
    latestHeight === null ? 'no height refers to it' : `height ${latestHeight} is the newest that refers to it`
  if (!held || bytes === null) return `${cid} is not held; ${kept}`
  const state = intact === true ? 'intact' : 'damaged: dropped, to be fetched anew by the running node'
  return `${cid}, ${formatSize(bytes)}, is ${state}; ${kept}`
}
