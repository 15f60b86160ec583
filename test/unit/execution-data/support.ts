import { Registry } from 'prom-client'
import {
  createExecutionDataMetrics,
  defaultExecutionDataOptions,
  Downloader,
  type DownloaderComponents,
  type DownloadSession,
  type ExecutionDataMetrics,
  type ExecutionDataOptions,
  ExecutionDataStore,
  readCar
} from '#src/execution-data/index.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { Blob, BlobCid, BlockId, ExecutionDataId, SealedBlock } from '#src/model/index.ts'
import { MemoryBlockstore } from '#src/store/index.ts'
import type { Clock } from '#src/util/index.ts'
import { readBytes } from './fixtures.ts'

/** Blobs of a CAR fixture, of whatever size. */
export async function carBlobs(path: string): Promise<Blob[]> {
  const car = await readCar([readBytes(path)], { maxBlobBytes: 4 << 20 })
  return Array.fromAsync(car.blobs)
}

export async function storeOf(blobs: readonly Blob[]): Promise<MemoryBlockstore> {
  const store = new MemoryBlockstore()
  await store.putMany(blobs)
  return store
}

const stillClock: Clock = { now: () => 0, wallNow: () => 0, setTimer: () => ({ cancel() {} }) }

export interface Fetched {
  readonly cid: BlobCid
  readonly signal: AbortSignal
}

export interface Bench {
  readonly downloader: Downloader
  readonly blockstore: MemoryBlockstore
  readonly metrics: ExecutionDataMetrics
  readonly fetched: Fetched[]
  readonly stored: BlobCid[]
  readonly download: (block: SealedBlock, signal?: AbortSignal) => ReturnType<Downloader['download']>
  /** A sample by its name behind the prefix, and its labels as they are written. */
  readonly value: (name: string, labels?: string) => Promise<number>
}

export type FetchBlob = (cid: BlobCid, options: { readonly signal: AbortSignal }) => Promise<Blob>

/** A session whose blobs come from `fetch`. */
export const sessionOf = (fetch: FetchBlob): DownloadSession => ({
  fetchInto: async (cid, { signal, take }) => take(await fetch(cid, { signal }))
})

/** A downloader over an empty memory store, whose session gives the blobs of `peer` and never answers for others. */
export function bench(
  peer: readonly Blob[],
  options: Partial<ExecutionDataOptions> = {},
  components: Partial<DownloaderComponents> = {}
): Bench {
  const register = new Registry()
  const metrics = createExecutionDataMetrics(register)
  const blockstore = new MemoryBlockstore()
  const held = new Map(peer.map((blob) => [blob.cid.key, blob]))
  const fetched: Fetched[] = []
  const stored: BlobCid[] = []
  const fetch: FetchBlob = (cid, { signal }) => {
    fetched.push({ cid, signal })
    const blob = held.get(cid.key)
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      if (blob !== undefined) return setImmediate(resolve, blob)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
  const downloader = new Downloader(
    {
      openSession: () => sessionOf(fetch),
      blockstore,
      onStored: (cid) => stored.push(cid),
      logger: silentLogger,
      metrics,
      clock: stillClock,
      ...components
    },
    { ...defaultExecutionDataOptions, ...options }
  )
  return {
    downloader,
    blockstore,
    metrics,
    fetched,
    stored,
    download: (block, signal = new AbortController().signal) => downloader.download(block, { signal }),
    value: async (name, labels) => {
      const text = await register.getSingleMetricAsString(`sealsync_execution_data_${name.replace(/_count$/, '')}`)
      const line = `sealsync_execution_data_${name}${labels === undefined ? '' : `{${labels}}`} `
      return Number(
        text
          .split('\n')
          .find((candidate) => candidate.startsWith(line))
          ?.slice(line.length)
      )
    }
  }
}

export function executionDataStore(
  blockstore: MemoryBlockstore,
  options: Partial<ExecutionDataOptions> = {}
): ExecutionDataStore {
  const metrics = createExecutionDataMetrics(new Registry())
  return new ExecutionDataStore({ blockstore, metrics }, { ...defaultExecutionDataOptions, ...options })
}

export function sealed(executionDataId: string, blockId: string, hint?: readonly BlobCid[]): SealedBlock {
  return {
    height: 7,
    blockId: blockId as BlockId,
    executionDataId: executionDataId as ExecutionDataId,
    ...(hint === undefined ? {} : { hint })
  }
}
