/**
 * Names that flow-go's nodes expose (flow-go `module/metrics`, and its dashboard `integration/localnet/conf/grafana-exec-sync.json`),
 * of the parts this project has to do with: bitswap, requester, provider, pruner, connections and streams, heights. A metric that
 * measures the same thing has the same name here, so that one dashboard shows both.
 */
const BITSWAP = [
  'num_peers',
  'wantlist_size',
  'blobs_received',
  'data_received',
  'blobs_sent',
  'data_sent',
  'dup_blobs_received',
  'dup_data_received',
  'messages_received'
]
const REQUESTER = [
  'execution_requester_download_duration_ms',
  'execution_requester_in_progress_downloads',
  'execution_requester_outstanding_notifications',
  'execution_requester_highest_download_height',
  'execution_requester_highest_notification_height',
  'execution_requester_download_retries_total',
  'execution_data_failed_downloads_total'
]
const EXECUTION_DATA_SYNC = [
  'requester_fulfilled_height',
  'requester_receipts_skipped',
  'requester_request_durations_ms',
  'requester_latest_successful_request_height',
  'requester_execution_data_sizes_bytes',
  'requester_request_attempts',
  'requester_requests_failed',
  'requester_requests_cancelled',
  'requester_responses_dropped',
  'provider_compute_root_id_durations_ms',
  'provider_number_of_chunks',
  'provider_add_blobs_durations_ms',
  'provider_execution_data_sizes_bytes',
  'provider_add_blobs_failed',
  'pruner_prune_durations_ms',
  'pruner_latest_height_pruned'
]
const INDEXER = [
  'index_duration_ms',
  'highest_indexed_height',
  'indexed_events',
  'indexed_registers',
  'indexed_transaction_results',
  'reindexed_height_count'
]
const RESOURCE_MANAGER = [
  'allow_connection_total',
  'block_connection_total',
  'allow_stream_total',
  'block_stream_total',
  'allow_peer_total',
  'block_peer_total',
  'allow_protocol_total',
  'block_protocol_total',
  'block_protocol_peer_total',
  'allow_service_total',
  'block_service_total',
  'block_service_peer_total',
  'allowed_memory_bytes',
  'blocked_memory_bytes'
]

export const FLOW_METRICS: ReadonlySet<string> = new Set([
  ...BITSWAP.map((name) => `network_bitswap_${name}`),
  ...REQUESTER.map((name) => `state_synchronization_execution_data_requester_${name}`),
  ...EXECUTION_DATA_SYNC.map((name) => `execution_data_sync_${name}`),
  ...INDEXER.map((name) => `state_synchronization_execution_state_indexer_${name}`),
  ...RESOURCE_MANAGER.map((name) => `network_libp2p_resource_manager_${name}`),
  'network_queue_inbound_connection_count',
  'network_queue_outbound_connection_count',
  'network_dht_routing_table_size',
  'network_gossip_time_to_dial_peer_seconds',
  'consensus_compliance_sealed_height',
  'execution_runtime_last_executed_block_height'
])

/** Units that Flow's names do not tell. */
export const FLOW_UNITS: ReadonlyMap<string, string> = new Map([
  ['network_bitswap_data_received', 'bytes'],
  ['network_bitswap_data_sent', 'bytes'],
  ['network_bitswap_dup_data_received', 'bytes'],
  ['network_bitswap_blobs_received', 'blobs'],
  ['network_bitswap_blobs_sent', 'blobs'],
  ['network_bitswap_dup_blobs_received', 'blobs'],
  ['network_bitswap_wantlist_size', 'blobs'],
  ['network_bitswap_num_peers', 'peers'],
  ['network_queue_inbound_connection_count', 'connections'],
  ['network_queue_outbound_connection_count', 'connections'],
  ['execution_data_sync_pruner_latest_height_pruned', 'height'],
  ['execution_data_sync_provider_number_of_chunks', 'chunks']
])
