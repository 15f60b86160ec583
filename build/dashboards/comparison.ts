import type { DashboardSpec } from './dashboard.ts'
import { aOverB, joined, metric, perNode, rate, recorded } from './expr.ts'
import type { PanelSpec, RowSpec } from './panel.ts'
import { RECORDING_RULES } from './recording.ts'

const D = 'sealsync_p2p_dht'
const NO_DHT = 'no node of the choice runs a DHT: the other build has neither its messages nor a provider store'

/** A measure as it is for each variant, and A over B beside it. */
function pair(record: string, title: string, good: string): PanelSpec[] {
  const rule = RECORDING_RULES.find((one) => one.record === record)
  if (rule === undefined) throw new Error(`no recording rule ${record}`)
  return [
    { title, unit: rule.unit, about: rule.help, good, byVariant: true, targets: [{ expr: recorded(record) }] },
    {
      title: `${title}: A over B`,
      unit: 'none',
      about: `${rule.help}, of variant A over that of variant B`,
      good: 'below 1 where less is better for A',
      // Nothing over nothing: without load, and for duplicates whenever neither build made any.
      expectEmpty: 'both variants are at zero',
      byVariant: true,
      targets: [{ expr: aOverB(record), legend: '$a / $b' }]
    }
  ]
}

const dht = (title: string, unit: PanelSpec['unit'], panel: Pick<PanelSpec, 'targets'>): PanelSpec => ({
  title,
  unit,
  good: 'nothing at all: without a DHT these do not exist',
  expectEmpty: NO_DHT,
  ...panel
})

const verdict: RowSpec = {
  title: 'What a variant costs',
  panels: [
    ...pair('variant:process_resident_memory_bytes:avg', 'Resident memory', 'flat'),
    ...pair('variant:process_resident_memory_bytes:max', 'Resident memory, largest node', 'near the mean'),
    ...pair('variant:nodejs_heap_size_used_bytes:avg', 'JS heap', 'flat'),
    ...pair('variant:process_cpu_seconds:rate2m', 'CPU', 'below 0.3'),
    ...pair('variant:sealsync_cpu_seconds_per_gib:ratio2m', 'CPU seconds a GiB synced', 'below 20 s'),
    ...pair('variant:nodejs_gc_duration_seconds:rate2m', 'Garbage collection', 'below 0.05'),
    ...pair('variant:nodejs_eventloop_lag_p99_seconds:avg', 'Event loop lag', 'below 0.05 s'),
    ...pair('variant:sealsync_streams_opened:rate2m', 'Streams opened', '0 in steady state'),
    ...pair('variant:sealsync_open_streams:avg', 'Streams open', 'a handful a peer'),
    ...pair('variant:sealsync_messages:rate2m', 'Messages of the exchange', 'a few for each blob')
  ]
}

const gained: RowSpec = {
  title: 'What a variant yields',
  panels: [
    {
      title: 'Access nodes',
      kind: 'stat',
      unit: 'short',
      byVariant: true,
      about: 'How many nodes each figure rests on',
      good: 'the same number for both',
      targets: [{ expr: recorded('variant:sealsync_nodes:count') }]
    },
    ...pair('variant:sealsync_useful_bytes:rate2m', 'Useful payload', 'the rate of sealing for both'),
    ...pair('variant:sealsync_blocks:rate2m', 'Blocks synced', 'the rate of sealing for both'),
    ...pair('variant:sealsync_duplicate_ratio:ratio2m', 'Duplicate ratio, bytes', 'below 0.0005'),
    ...pair('variant:sealsync_announce_to_stored_seconds:p50', 'Announced to stored, p50', 'below 0.2 s'),
    ...pair('variant:sealsync_announce_to_stored_seconds:p95', 'Announced to stored, p95', 'below 0.5 s'),
    ...pair('variant:sealsync_announce_to_stored_seconds:p99', 'Announced to stored, p99', 'below 1 s'),
    ...pair('variant:sealsync_delivery_seconds:p99', 'Delivery of a blob, p99', 'below 1 s'),
    ...pair('variant:sealsync_store_reads:rate2m', 'Reads of the store', 'few'),
    ...pair('variant:sealsync_cache_hits:ratio2m', 'Cache hit ratio', 'above 0.9')
  ]
}

const cost: RowSpec = {
  title: 'The DHT',
  panels: [
    {
      ...dht('Provider store over DHT streams', 'short', {
        targets: [
          { expr: perNode(metric(`${D}_provider_records`)), legend: 'provider records' },
          {
            expr: joined(
              `sum by (job, instance) (${rate('sealsync_p2p_streams_opened_total', 'protocol=~".*kad.*"')}) * 60`
            ),
            legend: 'DHT streams a minute'
          }
        ]
      }),
      about: 'The two rise together: every record is provided again, to several peers, by a stream each',
      width: 24
    },
    dht('Provider records', 'short', {
      targets: [
        { expr: perNode(metric(`${D}_provider_records`)), legend: 'held' },
        { expr: perNode(metric(`${D}_own_records`)), legend: 'own' }
      ]
    }),
    dht('Provider store', 'bytes', { targets: [{ expr: perNode(metric(`${D}_provider_record_bytes`)) }] }),
    dht('Messages of the DHT', 'ops', {
      targets: [{ expr: perNode(rate(`${D}_messages_total`), 'type', 'direction'), legend: '{{type}} {{direction}}' }]
    }),
    dht('Additions of providers', 'ops', {
      targets: [
        { expr: perNode(rate(`${D}_provider_additions_total`)), legend: 'additions' },
        { expr: perNode(rate(`${D}_provider_addition_keys_total`)), legend: 'different keys' },
        { expr: perNode(rate(`${D}_refused_additions_total`)), legend: 'refused' }
      ]
    }),
    dht('Provides', 'ops', {
      targets: [
        { expr: perNode(rate(`${D}_provides_total`), 'kind'), legend: '{{kind}}' },
        { expr: perNode(rate(`${D}_dropped_provides_total`)), legend: 'dropped' }
      ]
    }),
    dht('Backlog', 'short', {
      targets: [
        { expr: perNode(metric(`${D}_reprovide_backlog`)), legend: 'to provide again' },
        { expr: perNode(metric(`${D}_provide_queue`)), legend: 'new' }
      ]
    }),
    dht('Rounds of providing again', 'short', {
      targets: [{ expr: perNode(metric(`${D}_reprovide_rounds_total`), 'event'), legend: '{{event}}' }]
    }),
    dht('Queries', 'ops', {
      targets: [
        { expr: perNode(rate(`${D}_operations_total`), 'operation', 'outcome'), legend: '{{operation}} {{outcome}}' },
        { expr: perNode(rate(`${D}_message_errors_total`)), legend: 'messages that failed' }
      ]
    }),
    dht('Routing table', 'short', { targets: [{ expr: perNode(metric('network_dht_routing_table_size')) }] })
  ]
}

export const comparison: DashboardSpec = {
  name: 'comparison',
  title: 'sealsync / A and B',
  about:
    'Two builds side by side: each headline measure by variant, and variant A over variant B. The figures come from the recording rules, over access nodes alone.',
  rows: [verdict, gained, cost],
  compares: true
}
