import { Counter, Gauge, Histogram, type Registry, Summary } from 'prom-client'

export interface ProviderMetrics {
  readonly computeRootIdDurationsMs: Summary
  readonly numberOfChunks: Histogram
  readonly addBlobsDurationsMs: Summary
  readonly executionDataSizesBytes: Summary
  readonly addBlobsFailed: Counter
  readonly lastExecutedHeight: Gauge
  readonly announced: Counter
  readonly waitingBlobs: Gauge
  readonly ingestedBlobs: Counter
  readonly ingestedBytes: Counter
  readonly ingestsRefused: Counter
  readonly publishFailures: Counter
  readonly logBytes: Gauge
  readonly corruptAnnouncements: Counter
}

/** flow-go's quantiles (`module/metrics/execution_data_sync.go`) over its ten minutes. */
const SUMMARY = { percentiles: [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99], maxAgeSeconds: 600, ageBuckets: 5 }

export function createProviderMetrics(register: Registry): ProviderMetrics {
  const registers = [register]
  return { ...createFlowMetrics(registers), ...createOwnMetrics(registers) }
}

function createFlowMetrics(registers: Registry[]) {
  const flow = 'execution_data_sync_provider_'
  return {
    computeRootIdDurationsMs: new Summary({
      name: `${flow}compute_root_id_durations_ms`,
      help: 'Time to walk a complete blob tree and confirm its root id',
      ...SUMMARY,
      registers
    }),
    numberOfChunks: new Histogram({
      name: `${flow}number_of_chunks`,
      help: 'Chunks of a block',
      buckets: Array.from({ length: 25 }, (_, at) => at + 1),
      registers
    }),
    addBlobsDurationsMs: new Summary({
      name: `${flow}add_blobs_durations_ms`,
      help: 'Time to make the blobs of a block durable',
      ...SUMMARY,
      registers
    }),
    executionDataSizesBytes: new Summary({
      name: `${flow}execution_data_sizes_bytes`,
      help: 'Sum of the blob lengths of a block',
      ...SUMMARY,
      registers
    }),
    addBlobsFailed: new Counter({
      name: `${flow}add_blobs_failed`,
      help: 'Blocks whose blobs could not be put',
      registers
    }),
    lastExecutedHeight: new Gauge({
      name: 'execution_runtime_last_executed_block_height',
      help: 'Highest height whose blob tree is complete and announced',
      registers
    })
  }
}

function createOwnMetrics(registers: Registry[]) {
  const counter = (name: string, help: string) => new Counter({ name: `sealsync_provider_${name}`, help, registers })
  const gauge = (name: string, help: string) => new Gauge({ name: `sealsync_provider_${name}`, help, registers })
  return {
    announced: counter('announced_total', 'Blocks announced'),
    waitingBlobs: gauge('waiting_blobs', 'Blobs known to be missing of the block that is to be announced next'),
    ingestedBlobs: counter('ingested_blobs_total', 'Blobs taken in'),
    ingestedBytes: counter('ingested_bytes_total', 'Bytes of the blobs taken in'),
    ingestsRefused: counter('ingests_refused_total', 'Ingests refused because too many ran'),
    publishFailures: counter(
      'publish_failures_total',
      'Announcements that could not be sent out; peers find them by replay'
    ),
    logBytes: gauge('log_bytes', 'Bytes of the announcements that can be replayed'),
    corruptAnnouncements: counter('corrupt_announcements_total', 'Entries of the announcement log that cannot be read')
  }
}

/** At an access node that serves observers. */
export interface RelayMetrics {
  readonly relayed: Counter<'outcome'>
}

export function createRelayMetrics(register: Registry): RelayMetrics {
  const relayed = new Counter({
    name: 'sealsync_provider_relayed_announcements_total',
    help: 'Announcements of execution nodes for observers, by outcome: kept, repeated, old, full (of their height), dropped (the disk is slow).',
    labelNames: ['outcome'] as const,
    registers: [register]
  })
  for (const outcome of ['kept', 'repeated', 'old', 'full', 'dropped']) relayed.inc({ outcome }, 0)
  return { relayed }
}
