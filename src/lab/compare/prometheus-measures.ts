import type { Measure } from './measures.ts'

/** How an arm's queries are made: which nodes, and over how long a slice. */
export interface ArmQuery {
  /** Matchers of `sealsync_build_info`. */
  readonly matchers: string
  readonly seconds: number
}

/** What an arm had in one slice, for the least that can be seen. */
export interface SliceFacts {
  readonly nodes: number
  readonly usefulBytes: number
  readonly usefulBlobs: number
  readonly seconds: number
}

/** A measure as a query with one number for each slice. */
export interface PrometheusMeasure extends Pick<Measure, 'metric' | 'unit' | 'better'> {
  readonly expr: (arm: ArmQuery) => string
  /** What 0 counts as in a ratio. */
  readonly floor?: (facts: SliceFacts) => number
}

const GIB = 1024 ** 3
const NODE = 'by (job, instance)'
const USEFUL = 'sealsync_exchange_useful_bytes_total'
const STREAMS = 'sealsync_p2p_streams_opened_total'
const EXCHANGE = 'protocol=~"execution-data-service.*"'
const DHT = 'protocol=~"/sealsync/dht/.*"'

/** The nodes of an arm that were there in the slice: access nodes, unless the matchers say otherwise. */
function nodesOf({ matchers, seconds }: ArmQuery): string {
  const role = /(?:^|,)\s*role\s*[=!]/.test(matchers) ? '' : ',role="access"'
  return `last_over_time(sealsync_build_info{${matchers}${role}}[${seconds}s])`
}

const ofArm = (value: string, arm: ArmQuery): string => `(${value}) and on (job, instance) ${nodesOf(arm)}`
const increase = (series: string, { seconds }: ArmQuery): string => `sum ${NODE} (increase(${series}[${seconds}s]))`
const total = (series: string, arm: ArmQuery): string => `sum(${ofArm(increase(series, arm), arm)})`
const middle = (value: string, arm: ArmQuery): string => `quantile(0.5, ${ofArm(value, arm)})`

/** Of the middle node. */
const level =
  (series: string, how: 'avg' | 'max', factor = 1) =>
  (arm: ArmQuery): string =>
    `${middle(`sum ${NODE} (${how}_over_time(${series}[${arm.seconds}s]))`, arm)}${factor === 1 ? '' : ` * ${factor}`}`

/** Per second and node. */
const perSecond =
  (series: string) =>
  (arm: ArmQuery): string =>
    `avg(${ofArm(`sum ${NODE} (rate(${series}[${arm.seconds}s]))`, arm)})`

const over =
  (part: string, whole: string, factor = 1) =>
  (arm: ArmQuery): string =>
    `${total(part, arm)} / (${total(whole, arm)} > 0)${factor === 1 ? '' : ` * ${factor}`}`

const wasted = (arm: ArmQuery): string =>
  `(${total('network_bitswap_dup_data_received', arm)} + ${total('sealsync_exchange_partial_bytes_total', arm)})`

const latency = (key: string, quantile: number): PrometheusMeasure => ({
  metric: `announceToStoredMs.${key}`,
  unit: 'ms',
  better: 'less',
  expr: (arm) => {
    const buckets = `rate(sealsync_requester_announce_to_stored_seconds_bucket[${arm.seconds}s])`
    return `histogram_quantile(${quantile}, sum by (le) (${ofArm(buckets, arm)})) * 1000`
  }
})

const less = (metric: string, unit: string, expr: PrometheusMeasure['expr']): PrometheusMeasure => ({
  ...{ metric, unit, expr },
  better: 'less'
})

const oneASecond = ({ nodes, seconds }: SliceFacts): number => 1 / Math.max(1, seconds) / Math.max(1, nodes)
const oneBlob = ({ usefulBytes, usefulBlobs }: SliceFacts): number => usefulBytes / Math.max(1, usefulBlobs)

const rate = (metric: string, series: string): PrometheusMeasure => ({
  ...less(metric, '1/s', perSecond(series)),
  floor: oneASecond
})

/** What an arm's nodes have nothing of counts as 0: the DHT's figures of a build without one. */
const orNothing = (measure: PrometheusMeasure): PrometheusMeasure => ({
  ...measure,
  expr: (arm) => `${measure.expr(arm)} or 0 * count(${nodesOf(arm)})`
})

const streams = (metric: string, ...matchers: readonly string[]): PrometheusMeasure =>
  orNothing(rate(metric, `${STREAMS}{${matchers.join(',')}}`))

/** The most that were open at a time, looked at twenty times a slice. */
const openStreams = (arm: ArmQuery): string => {
  const step = Math.max(1, Math.floor(arm.seconds / 20))
  return middle(`max_over_time((sum ${NODE} (sealsync_p2p_open_streams))[${arm.seconds}s:${step}s])`, arm)
}

/** How many nodes an arm has, and what it took: the ground of everything else. */
export const FACTS = {
  nodes: (arm: ArmQuery): string => `count(${nodesOf(arm)})`,
  usefulBytes: (arm: ArmQuery): string => total(USEFUL, arm),
  usefulBlobs: (arm: ArmQuery): string =>
    `${total('network_bitswap_blobs_received', arm)} - ${total('network_bitswap_dup_blobs_received', arm)}`
} as const

/** The measures of the table that running nodes tell by themselves, in its order and by its names. */
export const PROMETHEUS_MEASURES: readonly PrometheusMeasure[] = [
  less('rssBytes.mean', 'bytes', level('process_resident_memory_bytes', 'avg')),
  less('rssBytes.peak', 'bytes', level('process_resident_memory_bytes', 'max')),
  less('anonBytes.mean', 'bytes', level('sealsync_process_resident_memory_bytes{kind="anon"}', 'avg')),
  less('anonBytes.peak', 'bytes', level('sealsync_process_resident_memory_bytes{kind="anon"}', 'max')),
  less('heapBytes.mean', 'bytes', level('nodejs_heap_size_used_bytes', 'avg')),
  less('cpuSecondsPerGiB', 's/GiB', over('process_cpu_seconds_total', USEFUL, GIB)),
  less('gcSecondsPerGiB', 's/GiB', over('nodejs_gc_duration_seconds_sum', USEFUL, GIB)),
  less('eventLoopLagMs.p99', 'ms', level('nodejs_eventloop_lag_p99_seconds', 'avg', 1000)),
  streams('streamsOpenedPerSecond'),
  streams('streamsOpenedPerSecond.exchange.inbound', EXCHANGE, 'direction="inbound"'),
  streams('streamsOpenedPerSecond.exchange.outbound', EXCHANGE, 'direction="outbound"'),
  streams('streamsOpenedPerSecond.dht.inbound', DHT, 'direction="inbound"'),
  streams('streamsOpenedPerSecond.dht.outbound', DHT, 'direction="outbound"'),
  less('streamsOpenMax', 'streams', openStreams),
  {
    ...less('duplicateBytesPerSecond', 'bytes/s', (arm) => `${wasted(arm)} / count(${nodesOf(arm)}) / ${arm.seconds}`),
    floor: (facts) => oneBlob(facts) * oneASecond(facts)
  },
  {
    ...less('duplicateRatio', '1', (arm) => `${wasted(arm)} / (${total(USEFUL, arm)} > 0)`),
    floor: (facts) => oneBlob(facts) / Math.max(1, facts.usefulBytes)
  },
  { ...less('usefulBytesPerSecond', 'bytes/s', perSecond(USEFUL)), better: 'more' },
  less('wireBytesPerUsefulByte', '1', over('sealsync_p2p_wire_bytes_total{direction="inbound"}', USEFUL)),
  less(
    'messagesReceivedPerBlob',
    '1',
    (arm) => `${total('network_bitswap_messages_received', arm)} / (${FACTS.usefulBlobs(arm)} > 0)`
  ),
  {
    metric: 'downloadsPerSecond',
    unit: '1/s',
    better: 'more',
    expr: perSecond('sealsync_execution_data_downloads_total{outcome="ok"}')
  },
  latency('p50', 0.5),
  latency('p95', 0.95),
  latency('p99', 0.99),
  less(
    'storeReadsPerBlob',
    '1',
    (arm) => `${total('sealsync_store_operations_total{operation="get"}', arm)} / (${FACTS.usefulBlobs(arm)} > 0)`
  ),
  {
    metric: 'cacheHitRatio',
    unit: '1',
    better: 'more',
    expr: over('sealsync_store_cache_requests_total{result="hit"}', 'sealsync_store_cache_requests_total')
  },
  orNothing(rate('dht.messagesPerSecond', 'sealsync_p2p_dht_messages_total')),
  orNothing(rate('dht.additionsPerSecond', 'sealsync_p2p_dht_provider_additions_total')),
  orNothing(rate('dht.reprovidedPerSecond', 'sealsync_p2p_dht_provides_total{kind="again"}')),
  orNothing({
    ...less('dht.providerRecords', 'records', level('sealsync_p2p_dht_provider_records', 'avg')),
    floor: () => 1
  }),
  orNothing({
    ...less('dht.providerRecordBytes', 'bytes', level('sealsync_p2p_dht_provider_record_bytes', 'avg')),
    floor: () => 100
  }),
  orNothing({
    ...less('dht.reprovideBacklog', 'blobs', level('sealsync_p2p_dht_reprovide_backlog', 'avg')),
    floor: () => 1
  })
]
