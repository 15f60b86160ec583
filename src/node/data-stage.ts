import type { Logger } from '../log/index.ts'
import type { BlobCid } from '../model/index.ts'
import type { MemoryAccount } from '../budget/index.ts'
import {
  type Blockstore,
  createStoreMetrics,
  defaultRepairOptions,
  DataDirectory,
  MeteredBlockstore,
  nodeDisk,
  RepairingBlockstore,
  SegmentBlockstore,
  type DatabaseOptions,
  type SegmentBlockstoreOptions,
  Warehouse
} from '../store/index.ts'
import { createTrackerMetrics, LevelProgressStore, LevelTracker, type ProgressStore } from '../tracker/index.ts'
import { type Clock, messageOf, type Rng } from '../util/index.ts'
import { migrations } from './migrations.ts'
import { nativeDigest } from './native-digest.ts'
import type { Registry } from 'prom-client'

/** What lies on the disk, opened. */
export interface NodeData {
  readonly directory: DataDirectory
  /** Segments, metered, behind the cache. */
  readonly blockstore: Blockstore
  /** The cache itself: the same object. */
  readonly warehouse: Warehouse
  /** What gives space back. */
  readonly segments: Pick<SegmentBlockstore, 'cidsAfter' | 'deadBytes' | 'get' | 'reclaim' | 'segments' | 'waiting'>
  /** Fetches damaged blobs anew, once it is connected and started. */
  readonly repairing: RepairingBlockstore
  /** Blobs found damaged since the start. */
  damagedSoFar(): number
  readonly tracker: LevelTracker
  readonly progress: ProgressStore
  /** Blobs that were there when it was opened. */
  readonly presentAtStart: number
  /** False from the moment it is closed. */
  readonly open: boolean
  close(): Promise<void>
}

export interface DataOptions {
  readonly dataDir: string
  readonly cacheBytes: number
  readonly cacheIdleMs?: number
  readonly store?: Partial<SegmentBlockstoreOptions>
  readonly database?: Partial<DatabaseOptions>
}

export interface DataComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly logger: Logger
  readonly register: Registry
  /** Pays for the cache. */
  readonly account?: MemoryAccount
}

/** Passes on what is found damaged; an opening may find some before there is anybody to tell. */
class DamageReports {
  count = 0
  #early: BlobCid[] = []
  #listener: ((cid: BlobCid) => void) | undefined

  readonly report = (cid: BlobCid): void => {
    this.count += 1
    if (this.#listener !== undefined) this.#listener(cid)
    else if (this.#early.length < defaultRepairOptions.maxRemembered) this.#early.push(cid)
  }

  passTo(listener: (cid: BlobCid) => void): void {
    this.#listener = listener
    for (const cid of this.#early.splice(0)) listener(cid)
  }
}

/** Segments, self-repair, figures, cache: each in front of the one before. */
async function openStores(components: DataComponents, directory: DataDirectory, options: DataOptions) {
  const { clock, rng, register, account } = components
  const log = components.logger.child('store')
  const metrics = createStoreMetrics(register)
  metrics.index(() => directory.database.stats())
  const index = directory.database.space('blobs')
  const damage = new DamageReports()
  const digest = nativeDigest((cause) => {
    log.info({ error: messageOf(cause) }, 'blobs are copied before they are hashed: no SHA256 to be called')
  })
  const segments = await SegmentBlockstore.open(
    { disk: nodeDisk, index, clock, rng, log, metrics, onDamaged: damage.report, digestApart: digest },
    { ...options.store, directory: directory.blobsPath }
  )
  const space = directory.database.space('repairs')
  const repairing = new RepairingBlockstore({ store: segments, space, metrics, logger: log, clock })
  damage.passTo(repairing.onDamaged)
  const metered = new MeteredBlockstore({ store: repairing, metrics, clock })
  const blockstore = new Warehouse(
    { store: metered, metrics, clock, ...(account === undefined ? {} : { account }) },
    {
      cacheBytes: options.cacheBytes,
      ...(options.cacheIdleMs === undefined ? {} : { idleMs: options.cacheIdleMs })
    }
  )
  return { segments, repairing, blockstore, damage }
}

/**
 * Opens the data directory (taking its lock), repairs what a crash left, and stacks the store's decorators. Throws StoreError.
 */
export async function openData(components: DataComponents, options: DataOptions): Promise<NodeData> {
  const { clock, register } = components
  const log = components.logger.child('store')
  const directory = await DataDirectory.open(options.dataDir, {
    migrations: migrations(components),
    ...(options.database === undefined ? {} : { database: options.database })
  })
  try {
    if (directory.uncleanOwner !== undefined) {
      log.warn(
        { pid: directory.uncleanOwner.pid },
        'the last run did not end in order; what it had acknowledged is all there'
      )
    }
    const { segments, repairing, blockstore, damage } = await openStores(components, directory, options)
    const tracker = await LevelTracker.open({
      space: directory.database.space('tracker'),
      clock,
      metrics: createTrackerMetrics(register),
      isStored: (cid) => blockstore.has(cid),
      unclean: directory.uncleanOwner !== undefined
    })
    const progress = new LevelProgressStore({ space: directory.database.space('progress') })
    let open = true
    return {
      directory,
      blockstore,
      warehouse: blockstore,
      segments,
      repairing,
      damagedSoFar: () => damage.count,
      tracker,
      progress,
      presentAtStart: blockstore.stats().count,
      get open() {
        return open
      },
      async close() {
        open = false
        await repairing.stop()
        await segments.close()
        await directory.close()
      }
    }
  } catch (error) {
    await directory.close()
    throw error
  }
}
