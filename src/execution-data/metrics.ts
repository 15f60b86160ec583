import { Counter, Histogram, type Registry } from 'prom-client'
import { MALFORMED_CODES } from './errors.ts'

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

const PREFIX = 'sealsync_execution_data'

export function createExecutionDataMetrics(register: Registry): ExecutionDataMetrics {
  const registers = [register]
  const counter = (name: string, help: string): Counter => new Counter({ name: `${PREFIX}_${name}`, help, registers })
  const labelled = <L extends string>(name: string, help: string, label: L): Counter<L> =>
    new Counter({ name: `${PREFIX}_${name}`, help, labelNames: [label], registers })
  const metrics: ExecutionDataMetrics = {
    downloads: labelled('downloads_total', 'Downloads of a block that ended, by outcome', 'outcome'),
    downloadSeconds: new Histogram({
      name: `${PREFIX}_download_duration_seconds`,
      help: 'Time from the request of a block to its last blob being durable',
      // a local block takes milliseconds, one over a slow link seconds, a stalled one minutes
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120],
      registers
    }),
    blobs: labelled('blobs_total', 'Blobs that downloads took, by source', 'source'),
    blobBytes: labelled('blob_bytes_total', 'Bytes of the blobs that downloads took, by source', 'source'),
    refetchedBlobs: counter('refetched_blobs_total', 'Blobs fetched from the network though the store had them'),
    extraHintBlobs: labelled('extra_hint_blobs_total', 'Blobs a hint named that the tree does not have', 'arrived'),
    extraHintBytes: counter('extra_hint_bytes_total', 'Bytes of blobs that arrived by a hint and were dropped'),
    hintsGivenUp: counter(
      'hints_given_up_total',
      'Hints given up because the tree confirmed too few of their bytes, or passed over because it had been so before'
    ),
    malformed: labelled('malformed_total', 'Execution data that no retry can mend, by error code', 'code'),
    decodedBytes: counter('decoded_bytes_total', 'Decompressed bytes of decoded chunks'),
    memoryRefused: counter('memory_refused_total', 'Decodings put off because the memory account had no room')
  }
  for (const outcome of ['ok', 'malformed', 'aborted', 'failed']) metrics.downloads.inc({ outcome }, 0)
  for (const source of ['network', 'store']) {
    metrics.blobs.inc({ source }, 0)
    metrics.blobBytes.inc({ source }, 0)
  }
  for (const arrived of ['yes', 'no']) metrics.extraHintBlobs.inc({ arrived }, 0)
  for (const code of MALFORMED_CODES) metrics.malformed.inc({ code }, 0)
  return metrics
}
