/** For each alert, series that must make it fire and series on which it must be silent, for `promtool test rules`. */
export interface AlertCase {
  readonly alert: string
  /** Samples a minute apart, in promtool's notation; `N` in a selector stands for the labels of the node. */
  readonly fires: Readonly<Record<string, string>>
  readonly silent: Readonly<Record<string, string>>
  /** When it is looked at. */
  readonly at: string
  /** Labels of the alert beside job, instance and severity. */
  readonly labels?: Readonly<Record<string, string>>
}

export const NODE_LABELS = 'job="sealsync",instance="node:8080"'
const INFO = 'sealsync_build_info{N,policy="assigned",role="access"}'
const SEALED = 'consensus_compliance_sealed_height{N}'
const CONSECUTIVE = 'state_synchronization_execution_data_requester_execution_requester_highest_download_height{N}'
const GIB = 1024 ** 3

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'SealsyncDown',
    at: '20m',
    fires: { 'up{N}': '1x5 0x30', [INFO]: '1x5 stale' },
    silent: { 'up{N}': '1x40', [INFO]: '1x40' }
  },
  {
    alert: 'SealsyncNotReady',
    at: '20m',
    fires: { 'sealsync_api_check_ok{N,check="peers"}': '0x40', 'sealsync_api_check_ok{N,check="disk"}': '1x40' },
    silent: {
      'sealsync_api_check_ok{N,check="peers"}': '1x12 0x3 1x30',
      'sealsync_api_check_ok{N,check="disk"}': '1x40'
    }
  },
  {
    alert: 'SealsyncLagging',
    at: '20m',
    fires: { [SEALED]: '1000+60x40', [CONSECUTIVE]: '700+50x40' },
    silent: { [SEALED]: '1000+60x40', [CONSECUTIVE]: '990+60x40' }
  },
  {
    alert: 'SealsyncStalled',
    at: '10m',
    fires: { 'sealsync_requester_stalled{N}': '0 1x20' },
    silent: { 'sealsync_requester_stalled{N}': '0x8 1 0x20' }
  },
  {
    alert: 'SealsyncHalted',
    at: '5m',
    fires: { 'sealsync_requester_halted_heights{N}': '0 1x10' },
    silent: { 'sealsync_requester_halted_heights{N}': '0x10' }
  },
  {
    alert: 'SealsyncConflict',
    at: '10m',
    fires: { 'sealsync_feed_conflicts_total{N}': '0x5 1x10' },
    silent: { 'sealsync_feed_conflicts_total{N}': '3x20' }
  },
  {
    alert: 'SealsyncDuplicatesHigh',
    at: '30m',
    fires: {
      'network_bitswap_dup_data_received{N,prefix="p"}': '0+500x60',
      'sealsync_exchange_useful_bytes_total{N}': '0+10000x60',
      [INFO]: '1x60'
    },
    silent: {
      'network_bitswap_dup_data_received{N,prefix="p"}': '0+1x60',
      'sealsync_exchange_useful_bytes_total{N}': '0+10000x60',
      [INFO]: '1x60'
    }
  },
  {
    alert: 'SealsyncMemoryNearLimit',
    at: '20m',
    fires: {
      'sealsync_process_resident_memory_bytes{N,kind="anon"}': '950x40',
      'sealsync_budget_limit_bytes{N}': '1000x40'
    },
    silent: {
      'sealsync_process_resident_memory_bytes{N,kind="anon"}': '500x40',
      'sealsync_process_resident_memory_bytes{N,kind="file"}': '450x40',
      'sealsync_budget_limit_bytes{N}': '1000x40'
    }
  },
  {
    alert: 'SealsyncMemoryRefused',
    at: '40m',
    labels: { account: 'send' },
    fires: { 'sealsync_budget_refused_total{N,account="send"}': '0+120x60' },
    silent: { 'sealsync_budget_refused_total{N,account="send"}': '0+10x60' }
  },
  {
    alert: 'SealsyncDiskFull',
    at: '7h',
    fires: {
      'sealsync_node_disk_free_bytes{N}': `${100 * GIB}-${GIB / 16}x500`,
      'sealsync_store_blob_bytes{N}': `0+${GIB / 16}x500`
    },
    silent: {
      'sealsync_node_disk_free_bytes{N}': `${900 * GIB}-1048576x500`,
      'sealsync_store_blob_bytes{N}': '0+1048576x500'
    }
  },
  {
    alert: 'SealsyncEventLoopLag',
    at: '20m',
    fires: { 'nodejs_eventloop_lag_p99_seconds{N}': '0.4x40', [INFO]: '1x40' },
    silent: { 'nodejs_eventloop_lag_p99_seconds{N}': '0.02x40', [INFO]: '1x40' }
  },
  {
    alert: 'SealsyncRestarting',
    at: '20m',
    fires: { 'process_start_time_seconds{N}': '0x4 300x4 600x4 900x20', [INFO]: '1x40' },
    silent: { 'process_start_time_seconds{N}': '0x4 300x30', [INFO]: '1x40' }
  },
  {
    alert: 'SealsyncUncleanStart',
    at: '20m',
    fires: { 'sealsync_node_unclean_start{N}': '0x9 1x30', 'process_start_time_seconds{N}': '0x9 600x30' },
    silent: { 'sealsync_node_unclean_start{N}': '0x40', 'process_start_time_seconds{N}': '0x9 600x30' }
  },
  {
    alert: 'SealsyncPeersLow',
    at: '20m',
    fires: {
      'sealsync_p2p_connected_peers{N,role="access"}': '1x40',
      'sealsync_p2p_wanted_peers{N,role="access"}': '7x40'
    },
    silent: {
      'sealsync_p2p_connected_peers{N,role="access"}': '6x40',
      'sealsync_p2p_wanted_peers{N,role="access"}': '7x40'
    }
  },
  {
    alert: 'SealsyncPruneBehind',
    at: '90m',
    fires: { 'sealsync_store_dead_bytes{N}': `${6 * GIB}x100`, 'sealsync_store_blob_bytes{N}': `${10 * GIB}x100` },
    silent: { 'sealsync_store_dead_bytes{N}': `${2 * GIB}x100`, 'sealsync_store_blob_bytes{N}': `${10 * GIB}x100` }
  },
  {
    alert: 'SealsyncRetentionBehind',
    at: '150m',
    fires: { 'sealsync_pruner_backlog_heights{N}': '2000+1x200' },
    silent: { 'sealsync_pruner_backlog_heights{N}': '9000-20x200' }
  },
  {
    alert: 'SealsyncCorruptBlob',
    at: '10m',
    fires: { 'sealsync_store_damaged_blobs_total{N}': '0x5 1x10', 'sealsync_store_lost_blobs_total{N}': '0x15' },
    silent: { 'sealsync_store_damaged_blobs_total{N}': '0x15', 'sealsync_store_lost_blobs_total{N}': '0x15' }
  },
  {
    alert: 'SealsyncWriteErrors',
    at: '10m',
    labels: { code: 'disk-full' },
    fires: { 'sealsync_store_write_errors_total{N,code="disk-full"}': '0x5 2x10' },
    silent: {
      'sealsync_store_write_errors_total{N,code="overloaded"}': '0x5 9x10',
      'sealsync_store_write_errors_total{N,code="disk-full"}': '0x15'
    }
  },
  {
    alert: 'SealsyncPeerSentAway',
    at: '15m',
    labels: { reason: 'malformed' },
    fires: { 'sealsync_p2p_cooldowns_total{N,reason="malformed"}': '0+1x20' },
    silent: { 'sealsync_p2p_cooldowns_total{N,reason="malformed"}': '0x10 1x20' }
  }
]
