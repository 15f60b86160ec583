import { createReadStream, existsSync } from 'node:fs'
import type { Command } from 'commander'
import { parseExecutionDataId } from '#src/model/index.ts'
import { inspectCar, type InspectedBlock, openOfflineNode } from '#src/node/index.ts'
import { runningNode } from './admin.ts'
import { type CommandContext, UsageError } from './context.ts'
import { dataDirOf, type NodeFlags } from './node-options.ts'
import { blockHeader, chunkLines } from './render-block.ts'

interface InspectFlags extends NodeFlags {
  readonly json?: boolean
  readonly strict?: boolean
  readonly all?: boolean
}

/** Elements of one list that people are shown without `--all`. */
const SHOWN = 20

/** `inspect`: what a block holds, from a CAR file or from a node's store. */
export function addInspectCommand(program: Command, context: CommandContext): void {
  program
    .command('inspect')
    .description("show a block's content, from a CAR file or from the store of a node, running or not")
    .argument('<car|execution-data-id>', 'a CAR file, or 64 hex digits')
    .option('--data-dir <dir>', "the node's data directory, for an execution data id")
    .option('--strict', 'refuse what no well-behaved producer writes, though it can be read')
    .option('--all', `every element of every list; otherwise the first ${SHOWN}`)
    .option('--json', 'one JSON object with all of the content')
    .action(async (target: string, flags: InspectFlags) => {
      await withCar({ target, flags, context }, async (car) => {
        const blocks = inspectCar(car, { strict: flags.strict === true, signal: context.signal })
        const shown = flags.all === true ? Number.POSITIVE_INFINITY : SHOWN
        for await (const block of blocks) {
          if (flags.json === true) await writeBlockJson(block, context)
          else await writeBlock(block, shown, context)
        }
      })
    })
}

async function withCar(
  request: { readonly target: string; readonly flags: InspectFlags; readonly context: CommandContext },
  use: (car: AsyncIterable<Uint8Array>) => Promise<void>
): Promise<void> {
  const { target, flags, context } = request
  const id = parseExecutionDataId(target)
  if (id === undefined) {
    if (/^(0x)?[0-9a-f]{60,70}$/i.test(target))
      throw new UsageError(`'${target}' has not the 64 hex digits of an execution data id`)
    if (!existsSync(target)) throw new UsageError(`'${target}' is neither a file nor 64 hex digits`)
    return use(createReadStream(target, { signal: context.signal }))
  }
  const dataDir = dataDirOf(flags, context)
  const client = await runningNode(dataDir)
  if (client !== undefined) return use(client.stream('/export', { query: { executionDataId: id } }))
  const node = await openOfflineNode(dataDir)
  try {
    await use(node.tree(id))
  } finally {
    await node.close()
  }
}

/**
 * One line a block. Written piece by piece, since the text of a large block would not fit into one string, and only when all of it
 * is there.
 */
async function writeBlockJson(block: InspectedBlock, context: CommandContext): Promise<void> {
  const { executionDataId, rootCid, blockId, blobs, bytes } = block
  const contents: string[] = []
  const chunks: object[] = []
  for await (const { content, cid, levels, code, decodedBytes, counts } of block.chunks) {
    contents.push(JSON.stringify(content))
    chunks.push({ cid, levels, code, decodedBytes, ...counts })
  }
  const head = JSON.stringify({ schema: 'sealsync.inspect/1', executionDataId, rootCid, blockId, blobs, bytes, chunks })
  context.stdout.write(`${head.slice(0, -1)},"block":{"BlockID":${JSON.stringify(blockId)},"ChunkExecutionDatas":[`)
  for (const [at, content] of contents.entries()) context.stdout.write(`${at === 0 ? '' : ','}${content}`)
  context.stdout.write(']}}\n')
}

async function writeBlock(block: InspectedBlock, shown: number, context: CommandContext): Promise<void> {
  context.stdout.write(blockHeader(block))
  let index = 0
  for await (const chunk of block.chunks) {
    context.stdout.write(`${chunkLines(chunk, index, shown).join('\n')}\n`)
    index += 1
  }
}
