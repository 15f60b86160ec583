/** Alerts, each with its section in docs/runbooks.md under its own name. */
export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly severity: 'critical' | 'warning' | 'info'
  readonly summary: string
}

const REQUESTER = 'state_synchronization_execution_data_requester_execution_requester'
const SEALED = 'sum by (job, instance) (consensus_compliance_sealed_height)'
const CONSECUTIVE = `sum by (job, instance) (${REQUESTER}_highest_download_height)`
const RUNBOOKS = 'docs/runbooks.md'

export const ALERTS: readonly Alert[] = [
  {
    alert: 'SealsyncDown',
    expr: 'up == 0 and on (job, instance) last_over_time(sealsync_build_info[1h])',
    for: '2m',
    severity: 'critical',
    summary: 'Prometheus cannot scrape {{ $labels.instance }}'
  },
  {
    alert: 'SealsyncNotReady',
    expr: 'min by (job, instance) (sealsync_api_check_ok) == 0',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} is not ready; /readyz says why'
  },
  {
    alert: 'SealsyncLagging',
    expr: `${SEALED} - ${CONSECUTIVE} > 100`,
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} is {{ $value }} blocks behind the feed'
  },
  {
    alert: 'SealsyncStalled',
    expr: 'max by (job, instance) (sealsync_requester_stalled) == 1',
    for: '2m',
    severity: 'critical',
    summary: '{{ $labels.instance }} stands still though the feed is ahead of it'
  },
  {
    alert: 'SealsyncHalted',
    expr: 'max by (job, instance) (sealsync_requester_halted_heights) > 0',
    for: '0m',
    severity: 'critical',
    summary: '{{ $labels.instance }} holds back at a height whose execution data is malformed'
  },
  {
    alert: 'SealsyncConflict',
    expr: 'increase(sealsync_feed_conflicts_total[1h]) > 0',
    for: '0m',
    severity: 'critical',
    summary: 'Execution nodes disagree about the execution data of a block'
  },
  {
    alert: 'SealsyncDuplicatesHigh',
    expr: 'sum by (job, instance) (rate(network_bitswap_dup_data_received[10m])) / sum by (job, instance) (rate(sealsync_exchange_useful_bytes_total[10m])) * on (job, instance) group_left () sealsync_build_info{policy="assigned"} > 0.02',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} receives {{ $value | humanizePercentage }} of its payload again'
  },
  {
    alert: 'SealsyncMemoryNearLimit',
    expr: 'sum by (job, instance) (sealsync_process_resident_memory_bytes{kind="anon"}) / sum by (job, instance) (sealsync_budget_limit_bytes > 0) > 0.9',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of the memory it may have'
  },
  {
    alert: 'SealsyncMemoryRefused',
    expr: 'sum by (job, instance, account) (rate(sealsync_budget_refused_total[10m])) > 1',
    for: '15m',
    severity: 'info',
    summary: 'The account {{ $labels.account }} of {{ $labels.instance }} is full: work waits'
  },
  {
    alert: 'SealsyncDiskFull',
    expr: 'sealsync_node_disk_free_bytes < 1073741824 or sealsync_node_disk_free_bytes / clamp_min(deriv(sealsync_store_blob_bytes[6h]), 1) < 259200',
    for: '30m',
    severity: 'warning',
    summary: 'The disk of {{ $labels.instance }} is full within 3 days'
  },
  {
    alert: 'SealsyncEventLoopLag',
    expr: 'nodejs_eventloop_lag_p99_seconds > 0.25 and on (job, instance) sealsync_build_info',
    for: '10m',
    severity: 'warning',
    summary: 'The event loop of {{ $labels.instance }} is {{ $value }} s late'
  },
  {
    alert: 'SealsyncRestarting',
    expr: 'changes(process_start_time_seconds[30m]) > 2 and on (job, instance) sealsync_build_info',
    for: '0m',
    severity: 'critical',
    summary: '{{ $labels.instance }} was started {{ $value }} times in half an hour'
  },
  {
    alert: 'SealsyncUncleanStart',
    expr: 'sealsync_node_unclean_start == 1 and on (job, instance) changes(process_start_time_seconds[1h]) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'The run of {{ $labels.instance }} before this one did not end in order'
  },
  {
    alert: 'SealsyncPeersLow',
    expr: 'sum by (job, instance) (sealsync_p2p_connected_peers) < 0.5 * sum by (job, instance) (sealsync_p2p_wanted_peers)',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.instance }} is connected with fewer than half of its peers'
  },
  {
    alert: 'SealsyncPruneBehind',
    expr: 'sealsync_store_dead_bytes > 1073741824 and sealsync_store_dead_bytes > 0.5 * sealsync_store_blob_bytes',
    for: '1h',
    severity: 'warning',
    summary: '{{ $labels.instance }} does not give back what was pruned: {{ $value | humanize1024 }}B are dead'
  },
  {
    alert: 'SealsyncRetentionBehind',
    expr: 'sealsync_pruner_backlog_heights > 1000 and delta(sealsync_pruner_backlog_heights[1h]) >= 0',
    for: '1h',
    severity: 'warning',
    summary: '{{ $labels.instance }} keeps {{ $value }} heights more than its retention says, and does not get fewer'
  },
  {
    alert: 'SealsyncCorruptBlob',
    expr: 'increase(sealsync_store_damaged_blobs_total[1h]) + increase(sealsync_store_lost_blobs_total[1h]) > 0',
    for: '0m',
    severity: 'critical',
    summary: 'The disk of {{ $labels.instance }} gave back bytes that were not what was written'
  },
  {
    alert: 'SealsyncWriteErrors',
    expr: 'sum by (job, instance, code) (increase(sealsync_store_write_errors_total{code!="overloaded"}[10m])) > 0',
    for: '0m',
    severity: 'critical',
    summary: '{{ $labels.instance }} cannot write: {{ $labels.code }}'
  },
  {
    alert: 'SealsyncPeerSentAway',
    expr: 'sum by (job, instance, reason) (increase(sealsync_p2p_cooldowns_total[15m])) > 3',
    for: '0m',
    severity: 'info',
    summary: '{{ $labels.instance }} keeps sending a peer away: {{ $labels.reason }}'
  }
]

/** The page that says what to do. */
export const runbookOf = ({ alert }: Pick<Alert, 'alert'>): string => `${RUNBOOKS}#${alert.toLowerCase()}`
