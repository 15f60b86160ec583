import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importCars, initNode } from '../../node/index.ts'
import { LabError } from '../errors.ts'
import { SYNTHETIC_FIRST_HEIGHT, type SyntheticShape, syntheticSource } from '../localnet/synthetic-source.ts'
import { takeBlocks } from '../localnet/source.ts'

/** Old blobs are many and small: what is provided again is their number. */
const HISTORY_BLOB_BYTES = 1_024
/** CAR files written before they are taken in. */
const BATCH = 2_000

/** A data directory with so many blocks, to be copied for every node. */
export interface History {
  readonly dataDir: string
  remove(): Promise<void>
}

/**
 * Makes the data directory of a node that has `blocks` old blocks, of one chunk and a root each, below the heights of a run. Throws
 * LabError `bad-source` when one cannot be taken in, the signal's reason, or what the store throws.
 */
export async function makeHistory(
  options: {
    readonly blocks: number
    readonly seed: number
    /** What the n-th block looks like; default: one small blob and a root. */
    readonly shapeOf?: (at: number) => Omit<SyntheticShape, 'seed'>
  },
  context: {
    readonly signal: AbortSignal
    readonly onProgress: (blocks: number) => void
    /** Gets each block's line of the block list. */
    readonly onLine?: (line: string) => void
  }
): Promise<History> {
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-history-'))
  const history = { dataDir: join(folder, 'node'), remove: () => rm(folder, { recursive: true, force: true }) }
  try {
    await mkdir(history.dataDir)
    await initNode({ dataDir: history.dataDir, role: 'access', address: '127.0.0.1:1' })
    const first = SYNTHETIC_FIRST_HEIGHT - options.blocks
    const shapeOf = options.shapeOf ?? (() => ({ blobSize: HISTORY_BLOB_BYTES, blobsPerBlock: 1 }))
    const source = takeBlocks(syntheticSource({ seed: options.seed + 1, shapeOf }, first), options.blocks)
    const batch = new Batch({ folder, dataDir: history.dataDir, signal: context.signal })
    let done = 0
    for await (const block of source.blocks()) {
      context.signal.throwIfAborted()
      const line = await batch.add(block)
      context.onLine?.(line)
      done += 1
      if (done % BATCH === 0) await batch.flush()
      if (done % BATCH === 0) context.onProgress(done)
    }
    await batch.flush()
    return history
  } catch (error) {
    await history.remove()
    throw error
  }
}

interface BatchBlock {
  readonly height: number
  readonly blockId: string
  readonly executionDataId: string
  readonly car: Uint8Array
}

class Batch {
  readonly #place: { readonly folder: string; readonly dataDir: string; readonly signal: AbortSignal }
  readonly #cars: string
  #lines: string[] = []

  constructor(place: { readonly folder: string; readonly dataDir: string; readonly signal: AbortSignal }) {
    this.#place = place
    this.#cars = join(place.folder, 'cars')
  }

  async add({ height, blockId, executionDataId, car }: BatchBlock): Promise<string> {
    if (this.#lines.length === 0) await mkdir(this.#cars)
    await writeFile(join(this.#cars, `${height}.car`), car)
    const line = JSON.stringify({ height, blockId, executionDataId })
    this.#lines.push(line)
    return line
  }

  async flush(): Promise<void> {
    if (this.#lines.length === 0) return
    const { folder, dataDir, signal } = this.#place
    const blockList = join(folder, 'blocks.jsonl')
    await writeFile(blockList, `${this.#lines.join('\n')}\n`)
    const { reasons } = await importCars({ dataDir, paths: [this.#cars], blockList }, { signal })
    if (reasons.length > 0) throw new LabError('bad-source', `old blobs could not be taken in: ${reasons[0]}`)
    await rm(this.#cars, { recursive: true })
    this.#lines = []
  }
}
