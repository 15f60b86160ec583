import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import {
  type BlockId,
  type ExecutionDataId,
  type Height,
  parseBlockId,
  parseExecutionDataId,
  parseHeight
} from '../../model/index.ts'
import { messageOf } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import { carFigures } from './car-figures.ts'

/** A block as it is given to the execution nodes. */
export interface SourceBlock {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  /** Different blobs, and their bytes. */
  readonly blobs: number
  readonly bytes: number
  /** Of the CAR, hex: what each access node must be able to give back. */
  readonly carSha256: string
  readonly car: Uint8Array
}

/** Blocks in ascending order of height. */
export interface BlockSource {
  readonly name: string
  readonly firstHeight: Height
  /** How many it has; `undefined` when it has no end. */
  readonly total: number | undefined
  /** Throws LabError `bad-source`. */
  blocks(): AsyncIterable<SourceBlock>
}

/** A million lines are some 200 MB of entries; a longer list is not what a localnet is for. */
const MAX_LINES = 1_000_000

interface ListEntry {
  readonly height: Height
  readonly blockId: BlockId
  readonly executionDataId: ExecutionDataId
  readonly file: string
  /** What the list says the CAR's digest is; `undefined` when it does not say. */
  readonly carSha256: string | undefined
}

function entryOf(line: string, where: string): ListEntry {
  let value: Record<string, unknown>
  try {
    value = JSON.parse(line) as Record<string, unknown>
  } catch (cause) {
    throw new LabError('bad-source', `${where} is not JSON: ${messageOf(cause)}`, { cause })
  }
  const height = parseHeight(value['height'])
  const blockId = parseBlockId(value['blockId'])
  const executionDataId = parseExecutionDataId(value['executionDataId'])
  if (height === undefined || blockId === undefined || executionDataId === undefined) {
    throw new LabError('bad-source', `${where} needs height, blockId and executionDataId (64 hex digits each)`)
  }
  const { file, carSha256 } = value
  return {
    height,
    blockId,
    executionDataId,
    file: typeof file === 'string' ? basename(file) : `${height}.car`,
    carSha256: typeof carSha256 === 'string' ? carSha256 : undefined
  }
}

async function readList(path: string): Promise<ListEntry[]> {
  const entries: ListEntry[] = []
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })
  let number = 0
  for await (const line of lines) {
    number += 1
    if (line.trim() === '') continue
    const where = `${path} line ${number}`
    if (number > MAX_LINES) throw new LabError('bad-source', `${path} has more than ${MAX_LINES} lines`)
    const entry = entryOf(line, where)
    const before = entries.at(-1)
    if (before !== undefined && entry.height <= before.height)
      throw new LabError('bad-source', `${where}: heights must ascend`)
    entries.push(entry)
  }
  if (entries.length === 0) throw new LabError('bad-source', `${path} lists no block`)
  return entries
}

async function readBlock(dir: string, entry: ListEntry): Promise<SourceBlock> {
  const path = join(dir, entry.file)
  const car = await readFile(path).catch((cause: unknown) => {
    throw new LabError('bad-source', `${path} cannot be read: ${messageOf(cause)}`, { cause })
  })
  const carSha256 = createHash('sha256').update(car).digest('hex')
  if (entry.carSha256 !== undefined && entry.carSha256 !== carSha256) {
    throw new LabError('bad-source', `${path} is not the file that blocks.jsonl describes: its sha-256 is ${carSha256}`)
  }
  const { height, blockId, executionDataId } = entry
  return { height, blockId, executionDataId, ...carFigures(car, path), carSha256, car }
}

/** A folder with `blocks.jsonl` (a block list) and a CAR for each block, `HEIGHT.car` unless the line's `file` says otherwise. */
export async function folderSource(
  dir: string,
  name: string = dir
): Promise<BlockSource & { readonly lastHeight: Height }> {
  const entries = await readList(join(dir, 'blocks.jsonl')).catch((cause: unknown) => {
    if (cause instanceof LabError) throw cause
    throw new LabError('bad-source', `--source ${name}: ${messageOf(cause)}`, { cause })
  })
  return {
    name,
    firstHeight: entries[0]?.height ?? 0,
    lastHeight: entries.at(-1)?.height ?? 0,
    total: entries.length,
    async *blocks() {
      for (const entry of entries) yield await readBlock(dir, entry)
    }
  }
}

/** The blocks of `first`, then those that `then` makes from the next height on. */
export function chainSources(first: BlockSource, then: BlockSource): BlockSource {
  return {
    name: `${first.name}+${then.name}`,
    firstHeight: first.firstHeight,
    total: first.total === undefined || then.total === undefined ? undefined : first.total + then.total,
    async *blocks() {
      yield* first.blocks()
      yield* then.blocks()
    }
  }
}

/** At most `count` blocks of a source. */
export function takeBlocks(source: BlockSource, count: number): BlockSource {
  return {
    name: source.name,
    firstHeight: source.firstHeight,
    total: source.total === undefined ? count : Math.min(count, source.total),
    async *blocks() {
      let left = count
      for await (const block of source.blocks()) {
        yield block
        left -= 1
        if (left === 0) return
      }
    }
  }
}

/** The same blocks, each once `ready` lets it go. */
export function gateBlocks(source: BlockSource, ready: () => Promise<void>): BlockSource {
  return {
    ...source,
    async *blocks() {
      for await (const block of source.blocks()) {
        await ready()
        yield block
      }
    }
  }
}
