import { Counter, Histogram, type Registry } from 'prom-client'

/** Counters start at 0 for every label value, so that rates are right from the first sample. */
export interface ExecutionDataMetrics {
  /** Downloads that ended, by `outcome`: ok, malformed, aborted, failed. */
  readonly downloads: Counter<'outcome'>
  /** Seconds of successful downloads, until the last blob is durable. */
  readonly downloadSeconds: Histogram
  /** Blobs a download took, by `source`: network, store. */
  readonly blobs: Counter<'source'>
  readonly blobBytes: Counter<'source'>
  /** Blobs fetched from the network though the store had them when they came. */
  readonly refetchedBlobs: Counter
  /** Blobs that a hint named and the tree does not have, by whether they had `arrived` before the fetch was aborted. */
  readonly extraHintBlobs: Counter<'arrived'>
  readonly extraHintBytes: Counter
  /** Hints given up because their unconfirmed bytes met the bound. */
  readonly hintsGivenUp: Counter
  /** Data that no retry can mend, by error `code`. */
  readonly malformed: Counter<'code'>
  /** Decompressed bytes of decoded chunks. */
  readonly decodedBytes: Counter
  /** Decodings put off because the memory account had no room. */
  readonly memoryRefused: Counter
}

export function createExecutionDataMetrics(register: Registry): ExecutionDataMetrics {
  const registers = [register]
  const prefix = 'sealsync_execution_data'
  const metrics: ExecutionDataMetrics = {
    downloads: new Counter({
      name: `${prefix}_downloads_total`,
      help: 'Downloads of a block that ended, by outcome',
      labelNames: ['outcome'],
      registers
    }),
    downloadSeconds: new Histogram({
      name: `${prefix}_download_duration_seconds`,
      help: 'Time from the request of a block to its last blob being durable',
      // a local block takes milliseconds, one over a slow link seconds, a stalled one minutes
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120],
      registers
    }),
    blobs: new Counter({
      name: `${prefix}_blobs_total`,
      help: 'Blobs that downloads took, by source',
      labelNames: ['source'],
      registers
    }),
    blobBytes: new Counter({
      name: `${prefix}_blob_bytes_total`,
      help: 'Bytes of the blobs that downloads took, by source',
      labelNames: ['source'],
      registers
    }),
    refetchedBlobs: new Counter({
      name: `${prefix}_refetched_blobs_total`,
      help: 'Blobs fetched from the network though the store had them',
      registers
    }),
    extraHintBlobs: new Counter({
      name: `${prefix}_extra_hint_blobs_total`,
      help: 'Blobs a hint named that the tree does not have, by whether they had arrived',
      labelNames: ['arrived'],
      registers
    }),
    extraHintBytes: new Counter({
      name: `${prefix}_extra_hint_bytes_total`,
      help: 'Bytes of blobs that arrived by a hint and were dropped',
      registers
    }),
    hintsGivenUp: new Counter({
      name: `${prefix}_hints_given_up_total`,
      help: 'Hints given up because too many bytes had not been confirmed by the tree',
      registers
    }),
    malformed: new Counter({
      name: `${prefix}_malformed_total`,
      help: 'Execution data that no retry can mend, by error code',
      labelNames: ['code'],
      registers
    }),
    decodedBytes: new Counter({
      name: `${prefix}_decoded_bytes_total`,
      help: 'Decompressed bytes of decoded chunks',
      registers
    }),
    memoryRefused: new Counter({
      name: `${prefix}_memory_refused_total`,
      help: 'Decodings put off because the memory account had no room',
      registers
    })
  }
  for (const outcome of ['ok', 'malformed', 'aborted', 'failed']) metrics.downloads.inc({ outcome }, 0)
  for (const source of ['network', 'store']) {
    metrics.blobs.inc({ source }, 0)
    metrics.blobBytes.inc({ source }, 0)
  }
  for (const arrived of ['yes', 'no']) metrics.extraHintBlobs.inc({ arrived }, 0)
  return metrics
}
