import { Registry } from 'prom-client'
import {
  createExecutionDataMetrics,
  defaultExecutionDataOptions,
  ExecutionDataStore
} from '#src/execution-data/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
import { chainBlocks } from './chain-source.ts'
import type { Figures } from './report.ts'

/** Blocks before the clock starts, for the compiler. */
const WARM_UP = 72

/** Only the check of the content, of blocks in memory: what it is of a sync's work. */
export async function decodeBlocks(count: number): Promise<Figures> {
  let ms = 0
  let bytes = 0
  let decoded = 0
  let at = 0
  for await (const { block } of chainBlocks(WARM_UP + count)) {
    const blockstore = new MemoryBlockstore()
    for (const blob of block.blobs) await blockstore.put(blob)
    const metrics = createExecutionDataMetrics(new Registry())
    const store = new ExecutionDataStore({ blockstore, metrics }, defaultExecutionDataOptions)
    const startedAt = monotonicMs()
    const check = await store.checkContent(block.manifest)
    if (at++ < WARM_UP) continue
    ms += monotonicMs() - startedAt
    bytes += block.manifest.bytes
    decoded += check.decodedBytes
  }
  return {
    blocksPerSecond: (1000 * count) / ms,
    mbPerSecond: bytes / ms / 1000,
    decodedMbPerSecond: decoded / ms / 1000
  }
}
