import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { labelSets } from '../util/index.ts'
import type { LevelStats } from './level-stats.ts'

export type StoreOperation = 'has' | 'getSize' | 'get' | 'put' | 'putMany' | 'deleteMany' | 'keys'

export interface StoreMetrics {
  readonly operations: Counter<'operation' | 'outcome'>
  readonly operationSeconds: Histogram<'operation'>
  readonly operationBytes: Counter<'direction'>
  readonly blobs: Gauge
  readonly bytes: Gauge
  readonly pendingBytes: Gauge
  readonly cacheRequests: Counter<'result'>
  readonly cacheEvictions: Counter
  readonly cacheBytes: Gauge
  readonly cacheBlobs: Gauge
  readonly cacheHotBytes: Gauge
  readonly cachePinnedBytes: Gauge
  readonly cacheIdleDrops: Counter
  readonly pagedInBytes: Counter
  readonly preloadedBlobs: Counter
  readonly derivedRequests: Counter<'result'>
  readonly groupBlobs: Histogram
  readonly groupBytes: Histogram
  readonly fsyncSeconds: Histogram<'of'>
  readonly writeErrors: Counter<'code'>
  readonly damagedBlobs: Counter
  readonly damagedSegments: Counter
  readonly deadBytes: Gauge
  readonly segments: Gauge
  readonly recoveredBlobs: Counter
  readonly cutBytes: Counter
  readonly compactedBytes: Counter
  readonly reclaimedBytes: Counter
  readonly lostBlobs: Counter
  readonly repairs: Counter<'outcome'>
  readonly unrepairedBlobs: Gauge
  /** Says where the figures of the index are read, when the registry is. */
  index(read: () => LevelStats | undefined): void
}

/** From a memory hit to a disk that is in trouble. */
const SECONDS = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10]
/** An fdatasync: 0.1 ms on a disk with a protected cache, 10 ms on a spinning one, seconds under pressure. */
const FSYNC_SECONDS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2]

const OPERATIONS: readonly StoreOperation[] = ['has', 'getSize', 'get', 'put', 'putMany', 'deleteMany', 'keys']

export function createStoreMetrics(register: Registry): StoreMetrics {
  const metrics = {
    ...createOperationMetrics(register),
    ...createCacheMetrics(register),
    ...createWriteMetrics(register),
    ...createSegmentMetrics(register),
    ...createIndexMetrics(register)
  }
  const outcome = ['ok', 'miss', 'error']
  for (const labels of labelSets({ operation: OPERATIONS, outcome })) metrics.operations.inc(labels, 0)
  for (const operation of OPERATIONS) metrics.operationSeconds.zero({ operation })
  for (const direction of ['in', 'out']) metrics.operationBytes.inc({ direction }, 0)
  for (const result of ['hit', 'joined', 'miss']) metrics.cacheRequests.inc({ result }, 0)
  for (const result of ['hit', 'miss']) metrics.derivedRequests.inc({ result }, 0)
  for (const synced of ['segment', 'index']) metrics.fsyncSeconds.zero({ of: synced })
  for (const outcome of ['repaired', 'failed', 'forgotten']) metrics.repairs.inc({ outcome }, 0)
  for (const code of ['corrupt', 'disk-full', 'not-writable', 'io', 'overloaded', 'closed']) {
    metrics.writeErrors.inc({ code }, 0)
  }
  return metrics
}

function createOperationMetrics(register: Registry) {
  const registers = [register]
  return {
    operations: new Counter({
      name: 'sealsync_store_operations_total',
      help: 'Calls of the blob store; outcome is ok, miss (a get, has or getSize that found nothing) or error',
      labelNames: ['operation', 'outcome'] as const,
      registers
    }),
    operationSeconds: new Histogram({
      name: 'sealsync_store_operation_duration_seconds',
      help: 'Duration of calls of the blob store; a put ends when it is durable',
      labelNames: ['operation'] as const,
      buckets: SECONDS,
      registers
    }),
    operationBytes: new Counter({
      name: 'sealsync_store_operation_bytes_total',
      help: 'Bytes of blobs put (in) and got (out)',
      labelNames: ['direction'] as const,
      registers
    }),
    blobs: new Gauge({ name: 'sealsync_store_blobs', help: 'Blobs stored', registers }),
    bytes: new Gauge({ name: 'sealsync_store_blob_bytes', help: 'Bytes of the blobs stored', registers })
  }
}

function createCacheMetrics(register: Registry) {
  const registers = [register]
  return {
    cacheRequests: new Counter({
      name: 'sealsync_store_cache_requests_total',
      help: 'Gets by what answered them: hit (in memory), joined (a load under way) or miss (loaded)',
      labelNames: ['result'] as const,
      registers
    }),
    cacheEvictions: new Counter({
      name: 'sealsync_store_cache_evictions_total',
      help: 'Blobs that left the memory cache to make room',
      registers
    }),
    cacheBytes: new Gauge({ name: 'sealsync_store_cache_bytes', help: 'Bytes the memory cache holds', registers }),
    cacheBlobs: new Gauge({
      name: 'sealsync_store_cache_blobs',
      help: 'Blobs, and what was made of some, that the memory cache holds',
      registers
    }),
    cacheHotBytes: new Gauge({
      name: 'sealsync_store_cache_hot_bytes',
      help: 'Bytes of what the memory cache keeps to the last: blobs that came lately',
      registers
    }),
    cachePinnedBytes: new Gauge({
      name: 'sealsync_store_cache_pinned_bytes',
      help: 'Bytes of the memory cache that are in use just now, and cannot be evicted',
      registers
    }),
    cacheIdleDrops: new Counter({
      name: 'sealsync_store_cache_idle_drops_total',
      help: 'Blobs that left the memory cache because nobody had asked for them for long',
      registers
    }),
    pagedInBytes: new Counter({
      name: 'sealsync_store_cache_paged_in_bytes_total',
      help: 'Bytes of blobs that were loaded because somebody asked for them',
      registers
    }),
    preloadedBlobs: new Counter({
      name: 'sealsync_store_cache_preloaded_blobs_total',
      help: 'Blobs of the newest heights read into the memory cache at the start',
      registers
    }),
    derivedRequests: new Counter({
      name: 'sealsync_store_derived_requests_total',
      help: 'Requests for what is made of a tree, such as its description: hit (in memory) or miss (made)',
      labelNames: ['result'] as const,
      registers
    })
  }
}

function createWriteMetrics(register: Registry) {
  const registers = [register]
  return {
    pendingBytes: new Gauge({
      name: 'sealsync_store_pending_bytes',
      help: 'Bytes of blobs put and not yet durable',
      registers
    }),
    groupBlobs: new Histogram({
      name: 'sealsync_store_group_blobs',
      help: 'Blobs of one group commit',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 512],
      registers
    }),
    groupBytes: new Histogram({
      name: 'sealsync_store_group_bytes',
      help: 'Bytes of one group commit, records with their heads',
      buckets: [2 ** 12, 2 ** 14, 2 ** 16, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24, 2 ** 26],
      registers
    }),
    fsyncSeconds: new Histogram({
      name: 'sealsync_store_fsync_duration_seconds',
      help: 'Duration of one sync, of a segment or of an index batch',
      labelNames: ['of'] as const,
      buckets: FSYNC_SECONDS,
      registers
    }),
    writeErrors: new Counter({
      name: 'sealsync_store_write_errors_total',
      help: 'Group commits and index batches that failed, by error code',
      labelNames: ['code'] as const,
      registers
    })
  }
}

function createSegmentMetrics(register: Registry) {
  const registers = [register]
  return {
    damagedBlobs: new Counter({
      name: 'sealsync_store_damaged_blobs_total',
      help: 'Blobs whose bytes on disk were missing or did not hash to their CID; dropped from the index',
      registers
    }),
    damagedSegments: new Counter({
      name: 'sealsync_store_damaged_segments_total',
      help: 'Segment files whose head could not be read at opening',
      registers
    }),
    deadBytes: new Gauge({
      name: 'sealsync_store_dead_bytes',
      help: 'Bytes of records in segment files that no index entry points to',
      registers
    }),
    segments: new Gauge({ name: 'sealsync_store_segments', help: 'Segment files', registers }),
    recoveredBlobs: new Counter({
      name: 'sealsync_store_recovered_blobs_total',
      help: 'Blobs that an opening found behind the last index batch and indexed again',
      registers
    }),
    compactedBytes: new Counter({
      name: 'sealsync_store_compacted_bytes_total',
      help: 'Bytes of live blobs written anew so that their segment could be unlinked',
      registers
    }),
    reclaimedBytes: new Counter({
      name: 'sealsync_store_reclaimed_bytes_total',
      help: 'Bytes of segment files unlinked',
      registers
    }),
    repairs: new Counter({
      name: 'sealsync_store_repairs_total',
      help: 'Damaged blobs by what came of their repair: repaired, failed (tried again), forgotten (too many are damaged)',
      labelNames: ['outcome'] as const,
      registers
    }),
    unrepairedBlobs: new Gauge({
      name: 'sealsync_store_unrepaired_blobs',
      help: 'Damaged blobs that were dropped and wait for a good copy',
      registers
    }),
    lostBlobs: new Counter({
      name: 'sealsync_store_lost_blobs_total',
      help: 'Blobs dropped at opening because their segment file was missing, cut short or not ours',
      registers
    }),
    cutBytes: new Counter({
      name: 'sealsync_store_cut_bytes_total',
      help: 'Bytes of torn tails that an opening cut off',
      registers
    })
  }
}

/** Counted by LevelDB itself since it was opened, which is once a process. */
function createIndexMetrics(register: Registry) {
  let source: () => LevelStats | undefined = () => undefined
  const define = (
    kind: typeof Counter | typeof Gauge,
    definition: { readonly name: string; readonly help: string; readonly key: keyof LevelStats }
  ): void => {
    new kind({
      name: `sealsync_store_index_${definition.name}`,
      help: definition.help,
      registers: [register],
      collect(this: Counter | Gauge) {
        this.reset()
        this.inc(source()?.[definition.key] ?? 0)
      }
    })
  }
  define(Gauge, { name: 'files', help: 'Table files of the index database', key: 'files' })
  define(Gauge, { name: 'bytes', help: 'Bytes of the table files of the index database, in MiB steps', key: 'bytes' })
  define(Gauge, {
    name: 'memory_bytes',
    help: 'Memory of the index database: write buffers and cached blocks',
    key: 'memoryBytes'
  })
  define(Counter, {
    name: 'compaction_seconds_total',
    help: 'Time the index database spent on compaction, in whole seconds',
    key: 'compactionSeconds'
  })
  define(Counter, {
    name: 'compaction_read_bytes_total',
    help: 'Bytes that compaction of the index database read, in MiB steps',
    key: 'compactionReadBytes'
  })
  define(Counter, {
    name: 'compaction_written_bytes_total',
    help: 'Bytes that compaction of the index database wrote, in MiB steps',
    key: 'compactionWrittenBytes'
  })
  return {
    index(read: () => LevelStats | undefined): void {
      source = read
    }
  }
}
