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
import { BlobCid, type ExecutionDataId } from '../model/index.ts'
import type { Blockstore, Warehouse } from '../store/index.ts'

/** A blob in the description of a tree: its CID, key and size. */
const DESCRIBED_BLOB_BYTES = 256

/** Execution data in the store, and the three ways the API reads it. */
export interface ExecutionDataReading {
  readonly store: ExecutionDataStore
  readonly metrics: ExecutionDataMetrics
  readonly ports: Pick<ExecutionDataReaderComponents, 'readTree' | 'describeTree' | 'encodeCar'>
}

export interface ReadingComponents {
  readonly blockstore: Blockstore
  /** Keeps what was made of a tree, while there is memory for it. */
  readonly derived?: Warehouse['derived']
  readonly register: Registry
  /** Pays for decoding. */
  readonly memory?: MemoryAccount
  readonly options?: ExecutionDataOptions
}

export function createExecutionDataReading(components: ReadingComponents): ExecutionDataReading {
  const { blockstore, derived, memory } = components
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
      async describeTree(id, options) {
        if (derived === undefined) return describeTree({ store, blockstore, id }, options)
        return derived(BlobCid.fromExecutionDataId(id), async () => {
          const value = await describeTree({ store, blockstore, id }, options)
          return { value, bytes: value.blobs.length * DESCRIBED_BLOB_BYTES }
        })
      },
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
