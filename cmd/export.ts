import { mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { AdminClient, ExportPage } from '#src/api/index.ts'
import { type Height, parseHeight } from '#src/model/index.ts'
import { openOfflineNode } from '#src/node/index.ts'
import { formatSize } from '#src/util/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError, writeJson } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { createProgress } from './progress.ts'

/** Where blocks come from: a running node or a directory. */
interface ExportSource {
  heights(from: Height, to: Height): AsyncIterable<Height>
  car(height: Height): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** `export`: one CAR per block. */
export function addExportCommand(program: Command, context: CommandContext): void {
  program
    .command('export')
    .description('write one CAR file per block, from a running node or from its directory')
    .option('--data-dir <dir>', "the node's data directory")
    .option('--height <height>', 'one block')
    .option('--from <height>', 'the first of several')
    .option('--to <height>', 'the last of several')
    .requiredOption('--out <dir>', 'where the files go, as HEIGHT.car')
    .option('--json', 'one JSON object')
    .action(async (flags: NodeFlags & { out: string; height?: string; from?: string; to?: string; json?: boolean }) => {
      const range = rangeOf(flags)
      const dataDir = dataDirOf(flags, context)
      const client = await runningNode(dataDir)
      const source = client === undefined ? await offlineSource(dataDir) : liveSource(client)
      try {
        const result = await exportBlocks(source, { ...range, out: flags.out, context })
        if (flags.json === true) writeJson(context, { out: flags.out, ...result })
        else context.stdout.write(`${result.blocks} blocks, ${formatSize(result.bytes)}, in ${flags.out}\n`)
      } finally {
        await source.close()
      }
    })
}

function rangeOf(flags: { readonly height?: string; readonly from?: string; readonly to?: string }): {
  from: Height
  to: Height
} {
  const from = parseHeight(flags.height ?? flags.from)
  const to = parseHeight(flags.height ?? flags.to)
  if (from === undefined || to === undefined)
    throw new UsageError('either --height H, or --from H and --to H (whole numbers)')
  if (from > to) throw new UsageError(`--from ${from} is above --to ${to}`)
  return { from, to }
}

interface ExportRun {
  readonly from: Height
  readonly to: Height
  readonly out: string
  readonly context: CommandContext
}

async function exportBlocks(source: ExportSource, run: ExportRun): Promise<{ blocks: number; bytes: number }> {
  await mkdir(run.out, { recursive: true })
  const progress = createProgress(run.context, 'export')
  let blocks = 0
  let bytes = 0
  for await (const height of source.heights(run.from, run.to)) {
    run.context.signal.throwIfAborted()
    bytes += await writeWhole(join(run.out, `${height}.car`), source.car(height))
    blocks += 1
    progress.update(`${blocks} blocks, ${formatSize(bytes)}, at height ${height}`)
  }
  progress.end()
  if (blocks === 0)
    throw new UsageError(`no block from ${run.from} to ${run.to} is held here: see 'status' for the heights that are`)
  return { blocks, bytes }
}

/** Under a temporary name first, so that a file with the right name is always whole. */
async function writeWhole(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number> {
  const temporary = `${path}.part`
  const file = await open(temporary, 'w')
  let bytes = 0
  try {
    for await (const piece of pieces) {
      await file.write(piece)
      bytes += piece.length
    }
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  return bytes
}

function liveSource(client: AdminClient): ExportSource {
  return {
    async *heights(from, to) {
      for (let next: Height | null = from; next !== null; ) {
        const page = (await client.getJson('/export', { query: { from: next, to } })) as ExportPage
        for (const block of page.blocks) yield block.height
        next = page.next
      }
    },
    car: (height) => client.stream('/export', { query: { height } }),
    close: () => Promise.resolve()
  }
}

async function offlineSource(dataDir: string): Promise<ExportSource> {
  const node = await openOfflineNode(dataDir)
  return { heights: (from, to) => node.heights(from, to), car: (height) => node.car(height), close: () => node.close() }
}
