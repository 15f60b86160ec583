import type { Registry } from 'prom-client'
import type { ExecutionDataReaderComponents, TreeDescription } from '../api/index.ts'
import type { MemoryAccount } from '../budget/index.ts'
import {
  createExecutionDataMetrics,
  defaultExecutionDataOptions,
  ExecutionDataError,
  type ExecutionDataMetrics,
  type ExecutionDataOptions,
  ExecutionDataStore,
  writeCar
} from '../execution-data/index.ts'
import type { ExecutionDataId } from '../model/index.ts'
import type { Blockstore } from '../store/index.ts'

/** Execution data in the store, and the three ways the API reads it. */
export interface ExecutionDataReading {
  readonly store: ExecutionDataStore
  readonly metrics: ExecutionDataMetrics
  readonly ports: Pick<ExecutionDataReaderComponents, 'readTree' | 'describeTree' | 'encodeCar'>
}

export interface ReadingComponents {
  readonly blockstore: Blockstore
  readonly register: Registry
  /** Pays for decoding. */
  readonly memory?: MemoryAccount
  readonly options?: ExecutionDataOptions
}

export function createExecutionDataReading(components: ReadingComponents): ExecutionDataReading {
  const { blockstore, memory } = components
  const metrics = createExecutionDataMetrics(components.register)
  const store = new ExecutionDataStore(
    { blockstore, metrics, ...(memory === undefined ? {} : { memory }) },
    components.options ?? defaultExecutionDataOptions
  )
  return {
    store,
    metrics,
    ports: {
      readTree: (id, options) => store.readTree(id, options),
      describeTree: (id, options) => describeTree({ store, blockstore, id }, options),
      encodeCar: writeCar
    }
  }
}

async function describeTree(
  {
    store,
    blockstore,
    id
  }: { readonly store: ExecutionDataStore; readonly blockstore: Blockstore; readonly id: ExecutionDataId },
  options: { readonly signal: AbortSignal; readonly onBlob: () => void }
): Promise<TreeDescription> {
  const check = await store.checkTree(id, options)
  if (!check.complete) {
    throw new ExecutionDataError(
      'blob-missing',
      `${check.missing.length} blobs are missing, first ${check.missing[0]}`,
      { details: { cid: check.missing[0] } }
    )
  }
  const { cids, chunks } = check.manifest
  const blobs: { cid: (typeof cids)[number]; size: number }[] = []
  for (const cid of cids) blobs.push({ cid, size: (await blockstore.getSize(cid)) ?? 0 })
  return { blobs, chunks: chunks.map(({ cid, levels }) => ({ cid, levels: levels.length })) }
}
