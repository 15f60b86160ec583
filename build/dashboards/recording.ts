import type { Unit } from './panel.ts'

export interface RecordingRule {
  readonly record: string
  readonly expr: string
  readonly unit: Unit
  /** What it means; panels say so. */
  readonly help: string
}

/** Only access nodes are compared: execution nodes fetch nothing. */
const ACCESS = '* on (job, instance) group_left (variant) sealsync_build_info{role="access"}'
/** Eight scrapes at the usual 15 s. */
const RANGE = '[2m]'
const GIB = 1_073_741_824

const mean = (perInstance: string): string => `avg by (job, variant) ((${perInstance}) ${ACCESS})`
const total = (perInstance: string): string => `sum by (job, variant) ((${perInstance}) ${ACCESS})`
const node = (inner: string): string => `sum by (job, instance) (${inner})`
const perSecond = (name: string): string => node(`rate(${name}${RANGE})`)

const useful = perSecond('sealsync_exchange_useful_bytes_total')
const wasted = `${perSecond('network_bitswap_dup_data_received')} + ${perSecond('sealsync_exchange_partial_bytes_total')}`
const cpu = perSecond('process_cpu_seconds_total')

const quantile = (share: number, name: string): string => {
  const buckets = `rate(${name}_bucket${RANGE}) * on (job, instance) group_left (variant) sealsync_build_info{role="access"}`
  return `histogram_quantile(${share}, sum by (job, variant, le) (${buckets}))`
}

const latency = (share: number): RecordingRule => ({
  record: `variant:sealsync_announce_to_stored_seconds:p${share * 100}`,
  expr: quantile(share, 'sealsync_requester_announce_to_stored_seconds'),
  unit: 's',
  help: `Quantile ${share} of the time from a block being announced to its data being stored, over the access nodes of a variant`
})

/** What a variant costs and yields: the mean over its access nodes, unless the name says otherwise. */
export const RECORDING_RULES: readonly RecordingRule[] = [
  {
    record: 'variant:sealsync_nodes:count',
    expr: 'count by (job, variant) (sealsync_build_info{role="access"})',
    unit: 'short',
    help: 'Access nodes of a variant'
  },
  {
    record: 'variant:process_resident_memory_bytes:avg',
    expr: mean(node('process_resident_memory_bytes')),
    unit: 'bytes',
    help: 'Resident memory of an access node of a variant, mean'
  },
  {
    record: 'variant:process_resident_memory_bytes:max',
    expr: `max by (job, variant) ((${node('process_resident_memory_bytes')}) ${ACCESS})`,
    unit: 'bytes',
    help: 'Resident memory of the access node of a variant that has most'
  },
  {
    record: 'variant:nodejs_heap_size_used_bytes:avg',
    expr: mean(node('nodejs_heap_size_used_bytes')),
    unit: 'bytes',
    help: 'JS heap of an access node of a variant, mean'
  },
  {
    record: 'variant:process_cpu_seconds:rate2m',
    expr: mean(cpu),
    unit: 'percentunit',
    help: 'Share of a core that an access node of a variant uses, mean'
  },
  {
    record: 'variant:sealsync_cpu_seconds_per_gib:ratio2m',
    expr: `${total(cpu)} / ${total(useful)} * ${GIB}`,
    unit: 's',
    help: 'CPU seconds for each GiB of useful payload'
  },
  {
    record: 'variant:nodejs_gc_duration_seconds:rate2m',
    expr: mean(perSecond('nodejs_gc_duration_seconds_sum')),
    unit: 'percentunit',
    help: 'Share of a core in garbage collection, mean'
  },
  {
    record: 'variant:nodejs_eventloop_lag_p99_seconds:avg',
    expr: mean(node('nodejs_eventloop_lag_p99_seconds')),
    unit: 's',
    help: '99th percentile of the event loop’s lag, mean over the access nodes'
  },
  {
    record: 'variant:sealsync_useful_bytes:rate2m',
    expr: mean(useful),
    unit: 'Bps',
    help: 'Useful payload that an access node of a variant receives, mean'
  },
  {
    record: 'variant:sealsync_duplicate_ratio:ratio2m',
    expr: `${total(wasted)} / ${total(useful)}`,
    unit: 'percentunit',
    help: '(duplicate + partial) over useful payload bytes of the access nodes of a variant'
  },
  {
    record: 'variant:sealsync_blocks:rate2m',
    expr: mean(
      node(`deriv(state_synchronization_execution_data_requester_execution_requester_highest_download_height${RANGE})`)
    ),
    unit: 'ops',
    help: 'Blocks a second that become consecutive on an access node, mean'
  },
  latency(0.5),
  latency(0.95),
  latency(0.99),
  {
    record: 'variant:sealsync_delivery_seconds:p99',
    expr: quantile(0.99, 'sealsync_exchange_delivery_seconds'),
    unit: 's',
    help: '99th percentile of the time from a blob being wanted to its delivery, over the access nodes of a variant'
  },
  {
    record: 'variant:sealsync_streams_opened:rate2m',
    expr: mean(perSecond('sealsync_p2p_streams_opened_total')),
    unit: 'ops',
    help: 'Streams of every protocol that an access node of a variant opens or takes a second, mean'
  },
  {
    record: 'variant:sealsync_open_streams:avg',
    expr: mean(node('sealsync_p2p_open_streams')),
    unit: 'short',
    help: 'Streams open on an access node of a variant, mean'
  },
  {
    record: 'variant:sealsync_messages:rate2m',
    expr: mean(perSecond('network_bitswap_messages_received')),
    unit: 'ops',
    help: 'Messages of the exchange that an access node of a variant receives a second, mean'
  },
  {
    record: 'variant:sealsync_store_reads:rate2m',
    expr: mean(node(`rate(sealsync_store_operations_total{operation=~"get|getSize|has"}${RANGE})`)),
    unit: 'ops',
    help: 'Reads that reach the store behind the cache, on an access node, mean'
  },
  {
    record: 'variant:sealsync_cache_hits:ratio2m',
    expr: `${total(node(`rate(sealsync_store_cache_requests_total{result=~"hit|joined"}${RANGE})`))} / ${total(perSecond('sealsync_store_cache_requests_total'))}`,
    unit: 'percentunit',
    help: 'Share of the reads that the cache answers, over the access nodes of a variant'
  }
]
