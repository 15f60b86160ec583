import { randomFillSync } from 'node:crypto'
import { Registry } from 'prom-client'
import { silentLogger } from '#src/log/index.ts'
import {
  type Blob,
  type BlockId,
  blobOf,
  type ExecutionDataId,
  type Height,
  type SealedBlock
} from '#src/model/index.ts'
import { type NodeData, openData } from '#src/node/data-stage.ts'
import { createPruning } from '#src/node/pruning-stage.ts'
import type { Pruner, PrunerOptions } from '#src/pruner/index.ts'
import { systemClock, systemRng } from '#src/util/index.ts'

/** A node's own store, tracker, pruner and cache over a data directory, and nothing else of a node. */
export interface Stack {
  readonly register: Registry
  readonly data: NodeData
  readonly pruner: Pruner
  /** The highest height that is stored and tracked, with all before it. */
  done: Height | undefined
  close(): Promise<void>
}

export interface StackOptions {
  readonly dataDir: string
  readonly cacheBytes: number
  readonly pruning?: Partial<PrunerOptions>
}

export async function openStack({ dataDir, cacheBytes, pruning = {} }: StackOptions): Promise<Stack> {
  const register = new Registry()
  const components = { clock: systemClock, rng: systemRng, logger: silentLogger, register }
  const data = await openData(components, { dataDir, cacheBytes })
  const stack: Stack = {
    register,
    data,
    done: data.tracker.highest,
    pruner: createPruning(
      {
        data,
        doneWith: () => stack.done,
        load: () => ({ queue: data.segments.waiting, diskPressure: 0 }),
        register,
        logger: silentLogger,
        clock: systemClock
      },
      pruning
    ),
    async close() {
      await stack.pruner.stop()
      await data.close()
    }
  }
  return stack
}

/** Bytes that no other blob has and that do not compress. */
export function freshBlob(bytes: number): Blob {
  return blobOf(randomFillSync(new Uint8Array(bytes)))
}

/** Block id and execution data id of a block of `fill`. */
export const heightId = (height: Height): string => height.toString(16).padStart(64, '0')

function sealedBlock(height: Height): SealedBlock {
  const id = heightId(height)
  return { height, blockId: id as BlockId, executionDataId: id as ExecutionDataId }
}

/** Stores and tracks a block of fresh blobs; gives them. */
export async function storeBlock(
  { data }: Stack,
  { height, blobs, blobBytes }: { readonly height: Height; readonly blobs: number; readonly blobBytes: number }
): Promise<Blob[]> {
  const fresh = Array.from({ length: blobs }, () => freshBlob(blobBytes))
  await data.blockstore.putMany(fresh)
  await data.tracker.track(
    sealedBlock(height),
    fresh.map(({ cid }) => cid)
  )
  return fresh
}

export interface Filling {
  readonly from: Height
  readonly to: Height
  readonly blobs: number
  readonly blobBytes: number
  /** Blocks on their way at a time. */
  readonly atOnce: number
}

/** Stores blocks one after the other, some at a time; `onBlock` is told of each in order of their storing. */
export async function fill(
  stack: Stack,
  filling: Filling,
  onBlock: (height: Height, blobs: readonly Blob[]) => void | Promise<void> = () => undefined
): Promise<void> {
  for (let next = filling.from; next <= filling.to; next += filling.atOnce) {
    const last = Math.min(filling.to, next + filling.atOnce - 1)
    const heights = Array.from({ length: last - next + 1 }, (_, at) => next + at)
    const stored = await Promise.all(heights.map((height) => storeBlock(stack, { ...filling, height })))
    stack.done = last
    for (const [at, blobs] of stored.entries()) await onBlock(next + at, blobs)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** To the reader on a terminal; the figures go to stdout. */
export const say = (text: string): void => void process.stderr.write(`       ${text}\n`)
