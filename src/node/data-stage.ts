import type { Logger } from '../log/index.ts'
import type { MemoryAccount } from '../budget/index.ts'
import {
  type Blockstore,
  createStoreMetrics,
  DataDirectory,
  MeteredBlockstore,
  nodeDisk,
  SegmentBlockstore,
  Warehouse
} from '../store/index.ts'
import { createTrackerMetrics, LevelProgressStore, LevelTracker, type ProgressStore } from '../tracker/index.ts'
import type { Clock, Rng } from '../util/index.ts'
import { migrations } from './migrations.ts'
import type { Registry } from 'prom-client'

/** What lies on the disk, opened. */
export interface NodeData {
  readonly directory: DataDirectory
  /** Segments, metered, behind the cache. */
  readonly blockstore: Blockstore
  /** The cache itself: the same object. */
  readonly warehouse: Warehouse
  /** What gives space back. */
  readonly segments: Pick<SegmentBlockstore, 'reclaim' | 'waiting'>
  readonly tracker: LevelTracker
  readonly progress: ProgressStore
  /** Blobs that were there when it was opened. */
  readonly presentAtStart: number
  /** False from the moment it is closed. */
  readonly open: boolean
  close(): Promise<void>
}

export interface DataComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  readonly register: Registry
  /** Pays for the cache. */
  readonly account?: MemoryAccount
}

/**
 * Opens the data directory (taking its lock), repairs what a crash left, and stacks the store's decorators. Throws StoreError.
 */
export async function openData(
  components: DataComponents,
  options: { readonly dataDir: string; readonly cacheBytes: number }
): Promise<NodeData> {
  const { clock, rng, register, account } = components
  const log = components.logger.child('store')
  const directory = await DataDirectory.open(options.dataDir, { migrations: migrations(components) })
  try {
    if (directory.uncleanOwner !== undefined) {
      log.warn(
        { pid: directory.uncleanOwner.pid },
        'the last run did not end in order; what it had acknowledged is all there'
      )
    }
    const metrics = createStoreMetrics(register)
    metrics.index(() => directory.database.stats())
    const index = directory.database.space('blobs')
    const segments = await SegmentBlockstore.open(
      { disk: nodeDisk, index, clock, rng, log, metrics },
      { directory: directory.blobsPath }
    )
    const metered = new MeteredBlockstore({ store: segments, metrics, clock })
    const blockstore = new Warehouse(
      { store: metered, metrics, ...(account === undefined ? {} : { account }) },
      { cacheBytes: options.cacheBytes }
    )
    const tracker = await LevelTracker.open({
      space: directory.database.space('tracker'),
      clock,
      metrics: createTrackerMetrics(register),
      isStored: (cid) => blockstore.has(cid)
    })
    const progress = new LevelProgressStore({ space: directory.database.space('progress') })
    let open = true
    return {
      directory,
      blockstore,
      warehouse: blockstore,
      segments,
      tracker,
      progress,
      presentAtStart: blockstore.stats().count,
      get open() {
        return open
      },
      async close() {
        open = false
        await segments.close()
        await directory.close()
      }
    }
  } catch (error) {
    await directory.close()
    throw error
  }
}
