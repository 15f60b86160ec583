/**
 * The panels of flow-go's own dashboard for execution data sync (`integration/localnet/conf/grafana-exec-sync.json`), and whether they
 * return data from a sealsync node. `N` stands for Flow's matcher `network="localnet"`.
 */
export interface FlowPanel {
  readonly row: string
  readonly title: string
  readonly exprs: readonly string[]
  /** Why not, where a node here has no such metric. */
  readonly absent?: string
  /** What to know where it has. */
  readonly note?: string
}

const BITSWAP = 'network_bitswap'
const PROVIDER = 'execution_data_sync_provider'
const REQUESTER = 'state_synchronization_execution_data_requester_execution'
const SERVICE = 'state_synchronization_execution_data_service_execution_data'
const GONE = 'flow-go’s code has no such metric any more either: the panel is empty there too'
const TRUE_COUNTER = 'a true counter here'
const SUMMARY = '0.99 quantile of the last ten minutes, as there'
const RATE = '[$__rate_interval]'

const month = (metric: string, role?: string): string =>
  `increase(${BITSWAP}_${metric}{N${role === undefined ? '' : `, role="${role}"`}}[30d])`
const bitswapRate = (metric: string): string => `rate(${BITSWAP}_${metric}{N}${RATE})`

export const FLOW_PANELS: readonly FlowPanel[] = [
  {
    row: 'Resources',
    title: 'EN - Data Sent (Last 30d)',
    exprs: [month('data_sent', 'execution')],
    note: TRUE_COUNTER
  },
  { row: 'Resources', title: 'AN - Data Sent (Last 30d)', exprs: [month('data_sent', 'access')], note: TRUE_COUNTER },
  {
    row: 'Resources',
    title: 'EN - Data Received (Last 30d)',
    exprs: [month('data_received', 'execution')],
    note: 'an execution node receives blobs from nobody here: 0'
  },
  {
    row: 'Resources',
    title: 'AN - Data Received (Last 30d)',
    exprs: [month('data_received', 'access')],
    note: TRUE_COUNTER
  },
  {
    row: 'Execution Nodes',
    title: 'Execution Data Blob Tree Size - by quantile',
    exprs: [`avg(${PROVIDER}_execution_data_sizes_bytes{N, role="execution"})by(quantile)`]
  },
  {
    row: 'Execution Nodes',
    title: 'Number of Chunks',
    exprs: [`histogram_quantile(0.95, sum(rate(${PROVIDER}_number_of_chunks_bucket{N}${RATE})) by (le))`]
  },
  {
    row: 'Execution Nodes',
    title: 'Add Blobs Duration',
    exprs: [`${PROVIDER}_add_blobs_durations_ms{N, role="execution", quantile="0.99"}`],
    note: SUMMARY
  },
  {
    row: 'Execution Nodes',
    title: 'Compute Root CID Duration',
    exprs: [`${PROVIDER}_compute_root_id_durations_ms{N, role="execution", quantile="0.99"}`],
    note: `${SUMMARY}; the tree comes ready made, so this is the time to walk it and confirm its root`
  },
  { row: 'Execution Nodes', title: 'Add Blobs Failed', exprs: [`rate(${PROVIDER}_add_blobs_failed{N}${RATE})`] },
  {
    row: 'Execution Nodes',
    title: 'Sealed Height',
    exprs: ['execution_runtime_last_executed_block_height{N,role="execution"}'],
    note: 'the highest height whose blob tree is complete and announced: nothing is executed here'
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Downloads',
    exprs: [
      `rate(${REQUESTER}_requester_download_duration_ms_count{N}${RATE})-rate(${REQUESTER}_data_failed_downloads_total{N}${RATE})`,
      `rate(${REQUESTER}_data_failed_downloads_total{N}${RATE})`,
      `rate(${REQUESTER}_requester_download_retries_total{N}${RATE})`
    ]
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Requester - Download Duration',
    exprs: [`sum(increase(${REQUESTER}_requester_download_duration_ms_bucket{N}${RATE})) by (le)`]
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Unsent Notifications',
    exprs: [`${REQUESTER}_requester_outstanding_notifications{N,role="access"}`],
    note: 'starts at 0, not at 1'
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Downloads in Progress',
    exprs: [`${REQUESTER}_requester_in_progress_downloads{N}`],
    note: 'starts at 0, not at -1'
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Downloaded Height',
    exprs: [`${REQUESTER}_requester_highest_download_height{N,role="access"}`],
    note: 'the highest consecutive height now, not the one before the last job'
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Blocks Behind Sealed - Notifications',
    exprs: [
      `clamp_min(sum(consensus_compliance_sealed_height{N,role="access"}) by (num) - sum(${REQUESTER}_requester_highest_notification_height{N,role="access"}) by (num),0)`
    ]
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Sealed Height',
    exprs: ['consensus_compliance_sealed_height{N,role="access"}'],
    note: 'the highest height that the feed knows of'
  },
  {
    row: 'Access Nodes - Requester',
    title: 'Blocks Behind Sealed - Downloads',
    exprs: [
      `clamp_min(consensus_compliance_sealed_height{N,role="access"} - ${REQUESTER}_requester_highest_download_height{N,role="access"}, 0)`
    ]
  },
  { row: 'Bitswap', title: 'Data Sent', exprs: [bitswapRate('data_sent')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Data Sent (Last 30d)', exprs: [month('data_sent')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Data Received', exprs: [bitswapRate('data_received')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Data Received (Last 30d)', exprs: [month('data_received')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Blobs Sent', exprs: [bitswapRate('blobs_sent')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Blobs Received', exprs: [bitswapRate('blobs_received')], note: TRUE_COUNTER },
  {
    row: 'Bitswap',
    title: 'Duplicate Blobs Received',
    exprs: [bitswapRate('dup_blobs_received')],
    note: 'counted where a message is read: a block that was not wanted any more'
  },
  {
    row: 'Bitswap',
    title: 'Duplicate Data Received',
    exprs: [bitswapRate('dup_data_received')],
    note: 'counted where a message is read: a block that was not wanted any more'
  },
  { row: 'Bitswap', title: 'Messages Received', exprs: [bitswapRate('messages_received')], note: TRUE_COUNTER },
  { row: 'Bitswap', title: 'Number of Peers', exprs: [`${BITSWAP}_num_peers{N}`] },
  { row: 'Bitswap', title: 'Want List Size', exprs: [`${BITSWAP}_wantlist_size{N}`] },
  {
    row: 'Pruner',
    title: 'Pruner Duration - EN',
    exprs: ['sum(execution_data_sync_pruner_prune_durations_ms{N, role="execution"}) by (num)'],
    note: 'a step of pruning, which is many small ones here'
  },
  {
    row: 'Pruner',
    title: 'Pruned Height - EN',
    exprs: ['execution_data_sync_pruner_latest_height_pruned{N, role="execution"}'],
    note: '0 until something is pruned'
  },
  {
    row: 'Execution Data Service',
    title: 'Execution Data - Add/Get in Progress',
    exprs: [
      `sum(${SERVICE}_add_in_progress{N, role="execution"}) by (role)`,
      `sum(${SERVICE}_get_in_progress{N, role="access"}) by (role)`
    ],
    absent: GONE
  },
  {
    row: 'Execution Data Service',
    title: 'Execution Data - Add/Get Failed',
    exprs: [
      `sum(rate(${SERVICE}_add_fail_total{N, role="execution"}${RATE})) by(role)`,
      `sum(rate(${SERVICE}_get_fail_total{N, role="access"}${RATE})) by(role)`
    ],
    absent: GONE
  },
  {
    row: 'Execution Data Service',
    title: 'Execution Data Add Latency',
    exprs: [`sum(increase(${SERVICE}_add_duration_ms_bucket{N}${RATE})) by (le)`],
    absent: GONE
  },
  {
    row: 'Execution Data Service',
    title: 'Execution Data Get Latency',
    exprs: [`sum(increase(${SERVICE}_add_duration_ms_bucket{N}${RATE})) by (le)`],
    absent: `${GONE}; it queries the add histogram, besides`
  },
  {
    row: 'Misc - Outdated',
    title: 'Blob Tree Size',
    exprs: [`sum(increase(${SERVICE}_blob_tree_size_bucket{N, role="execution"}[$__interval])) by (le)`],
    absent: GONE
  },
  {
    row: 'Misc - Outdated',
    title: 'Execution Data Add Latency',
    exprs: [`sum(increase(${SERVICE}_add_duration_ms_bucket{N, role="execution"}[$__interval])) by (le)`],
    absent: GONE
  }
]

const HEAD = `# Flow's dashboard on a sealsync node

flow-go ships a dashboard for execution data sync (\`integration/localnet/conf/grafana-exec-sync.json\`). Metrics that mean the same here have flow-go's names and labels, so its panels show a flow-go node and a sealsync node side by side. This page says for each panel whether it returns data, and what to know. \`npm run test:dashboards\` runs every query of it against a live network.

Flow's queries match on labels that its scrape configuration adds: \`network\`, \`role\` and \`num\`. Give sealsync's targets the same, as [deploy/compose/prometheus.yaml](../deploy/compose/prometheus.yaml) does.

`

/** The text of `docs/flow-dashboards.md`. */
export function flowDashboardsPage(): string {
  const here = FLOW_PANELS.filter(({ absent }) => absent === undefined).length
  const rows = FLOW_PANELS.map(({ row, title, absent, note }) =>
    ['', row, title, absent === undefined ? 'yes' : 'no', absent ?? note ?? '', ''].join(' | ').trim()
  )
  return `${HEAD}${here} of its ${FLOW_PANELS.length} panels return data.

| row | panel | data | what to know, or why not |
|---|---|---|---|
${rows.join('\n')}

Metrics of flow-go's node that have no meaning here: \`network_gossip_*\` of message sizes (there is no gossip; announcements have \`sealsync_p2p_announce_*\`), \`network_authorization_*\`, \`network_ratelimit_*\` and \`network_security_*\` (of that gossip), \`access_hero_cache_*\` (its cache of decoded blocks; the blob cache has \`sealsync_store_cache_*\`), \`state_synchronization_execution_state_indexer_*\` (nothing is indexed), \`execution_data_sync_requester_*\` (flow-go's running requester does not use them), and \`state_synchronization_blobstore_*_bytes_read\`, whose name has hyphens that Prometheus's classic names do not allow.
`
}
