import type { DashboardSpec } from './dashboard.ts'
import { downloadRow, feedRow, producerRow } from './details.ts'
import { buckets, joined, metric, perNode, quantile, rate, ratio } from './expr.ts'

const REQUESTER = 'state_synchronization_execution_data_requester_execution'
const X = 'sealsync_exchange'
const wasted = `(sum by (job, instance) (${rate('network_bitswap_dup_data_received')}) + sum by (job, instance) (${rate(`${X}_partial_bytes_total`)}))`

export const exchange: DashboardSpec = {
  name: 'exchange',
  title: 'sealsync / Sync and exchange',
  about: 'How blocks come in and blobs go round: heights, latency, duplicates, wants, and what is served to others.',
  rows: [
    {
      title: 'Heights',
      panels: [
        {
          title: 'Heights',
          unit: 'short',
          good: 'sealed, stored and notified lie on one another; first missing is the one that a stall report speaks of',
          targets: [
            { expr: perNode(metric('consensus_compliance_sealed_height')), legend: 'sealed' },
            { expr: perNode(metric(`${REQUESTER}_requester_highest_download_height`)), legend: 'consecutive' },
            {
              expr: perNode(`${metric(`${REQUESTER}_requester_highest_download_height`)} + 1`),
              legend: 'first missing'
            },
            { expr: perNode(metric(`${REQUESTER}_requester_highest_notification_height`)), legend: 'notified' },
            { expr: perNode(metric('execution_runtime_last_executed_block_height')), legend: 'announced' }
          ]
        },
        {
          title: 'Announced to stored',
          unit: 's',
          good: 'p99 below 1 s on a good network',
          targets: [
            { expr: quantile(0.5, 'sealsync_requester_announce_to_stored_seconds'), legend: 'p50' },
            { expr: quantile(0.99, 'sealsync_requester_announce_to_stored_seconds'), legend: 'p99' }
          ]
        },
        {
          title: 'Download of a block',
          kind: 'heatmap',
          unit: 's',
          good: 'one band, well below a second',
          targets: [{ expr: buckets('sealsync_execution_data_download_duration_seconds') }]
        },
        {
          title: 'Downloads',
          unit: 'ops',
          good: 'ok at the rate of sealing, the rest at 0',
          targets: [
            { expr: perNode(rate('sealsync_execution_data_downloads_total'), 'outcome'), legend: '{{outcome}}' }
          ]
        },
        {
          title: 'Tries again and failures',
          unit: 'ops',
          good: '0',
          targets: [
            { expr: perNode(rate(`${REQUESTER}_requester_download_retries_total`)), legend: 'retries' },
            { expr: perNode(rate(`${REQUESTER}_data_failed_downloads_total`)), legend: 'failures' }
          ]
        },
        {
          title: 'In flight',
          unit: 'short',
          good: 'a few blocks; many only while catching up',
          targets: [
            { expr: perNode(metric(`${REQUESTER}_requester_in_progress_downloads`)), legend: 'downloads' },
            { expr: perNode(metric(`${REQUESTER}_requester_outstanding_notifications`)), legend: 'not yet notified' },
            { expr: perNode(metric('sealsync_requester_ahead_heights')), legend: 'ahead' }
          ]
        },
        {
          title: 'In flight, bytes',
          unit: 'bytes',
          good: 'below the window of the settings',
          targets: [
            { expr: perNode(metric('sealsync_requester_in_flight_bytes')), legend: 'expected' },
            { expr: perNode(metric('sealsync_requester_ahead_bytes')), legend: 'ahead' }
          ]
        },
        {
          title: 'Heights that need an operator',
          unit: 'short',
          good: '0',
          targets: [
            { expr: perNode(metric('sealsync_requester_halted_heights')), legend: 'halted' },
            { expr: perNode(metric('sealsync_requester_unobtainable_heights')), legend: 'unobtainable' }
          ]
        }
      ]
    },
    {
      title: 'What is wasted',
      panels: [
        {
          title: 'Duplicate ratio, bytes',
          unit: 'percentunit',
          about: '(duplicate + partial) over useful payload bytes',
          good: 'below 0.0005; boxo’s way of asking makes about 0.4',
          targets: [{ expr: joined(`${wasted} / sum by (job, instance) (${rate(`${X}_useful_bytes_total`)})`) }]
        },
        {
          title: 'Useful and wasted',
          unit: 'Bps',
          good: 'useful at the rate of sealing, the rest at 0',
          targets: [
            { expr: perNode(rate(`${X}_useful_bytes_total`)), legend: 'useful' },
            { expr: perNode(rate('network_bitswap_dup_data_received')), legend: 'duplicate' },
            { expr: perNode(rate(`${X}_partial_bytes_total`)), legend: 'partial' }
          ]
        },
        {
          title: 'Duplicate blobs',
          unit: 'ops',
          good: '0',
          targets: [{ expr: perNode(rate('network_bitswap_dup_blobs_received')) }]
        },
        {
          title: 'Hints that did not hold',
          unit: 'Bps',
          good: '0: announced blobs are in the tree',
          targets: [{ expr: perNode(rate('sealsync_execution_data_extra_hint_bytes_total')) }]
        }
      ]
    },
    {
      title: 'Asking',
      panels: [
        {
          title: 'First wanted to delivered',
          kind: 'heatmap',
          unit: 's',
          good: 'one band near the round trip and the time of transfer',
          targets: [{ expr: buckets(`${X}_delivery_seconds`) }]
        },
        {
          title: 'Want age',
          unit: 's',
          good: 'below 1 s; an old want is what a stall is made of',
          targets: [{ expr: perNode(metric(`${X}_want_age_seconds`), 'stat'), legend: '{{stat}}' }]
        },
        {
          title: 'Peers asked a blob',
          unit: 'short',
          about: 'Mean over the interval',
          good: '1: one asker, one answer',
          targets: [{ expr: ratio(rate(`${X}_asks_per_blob_sum`), rate(`${X}_asks_per_blob_count`)) }]
        },
        {
          title: 'Want-blocks by how they ended',
          unit: 'ops',
          good: 'delivered, and next to nothing else',
          targets: [{ expr: perNode(rate(`${X}_wants_total`), 'outcome'), legend: '{{outcome}}' }]
        },
        {
          title: 'Wants sent, cancelled, hedged',
          unit: 'ops',
          good: 'sent at the rate of blobs; cancels and hedges at 0 when nobody is silent',
          targets: [
            { expr: perNode(rate(`${X}_wants_sent_total`)), legend: 'sent' },
            { expr: perNode(rate(`${X}_cancels_total`)), legend: 'cancelled' },
            { expr: perNode(rate(`${X}_hedges_total`)), legend: 'hedged' }
          ]
        },
        {
          title: 'HAVEs kept and broken',
          unit: 'ops',
          good: 'none broken: whoever says HAVE delivers',
          targets: [{ expr: perNode(rate(`${X}_haves_total`), 'outcome'), legend: '{{outcome}}' }]
        },
        {
          title: 'Presences',
          unit: 'ops',
          good: 'few: a peer that has the blob sends it',
          targets: [
            { expr: perNode(rate(`${X}_presences_received_total`), 'kind'), legend: '{{kind}} received' },
            { expr: perNode(rate(`${X}_presences_sent_total`), 'kind'), legend: '{{kind}} sent' }
          ]
        },
        {
          title: 'Window of a peer',
          unit: 'bytes',
          good: 'the mean near the largest; one that stays small belongs to a slow peer',
          targets: [{ expr: perNode(metric(`${X}_peer_window_bytes`), 'stat'), legend: '{{stat}}' }]
        },
        {
          title: 'Acknowledgement, 99th percentile',
          unit: 's',
          good: 'near the round trip',
          targets: [{ expr: quantile(0.99, `${X}_ack_seconds`) }]
        },
        {
          title: 'Look-ups of providers',
          unit: 'ops',
          good: '0 without a DHT; with one, few, and what they find hardly matters',
          targets: [
            { expr: perNode(rate(`${X}_lookups_total`), 'outcome'), legend: '{{outcome}}' },
            { expr: perNode(rate(`${X}_looked_up_blocks_total`)), legend: 'blocks by a look-up alone' }
          ]
        }
      ]
    },
    {
      title: 'Serving',
      panels: [
        {
          title: 'Payload',
          unit: 'Bps',
          good: 'sent and received balance over the fleet',
          targets: [
            { expr: perNode(rate('network_bitswap_data_sent')), legend: 'sent' },
            { expr: perNode(rate('network_bitswap_data_received')), legend: 'received' }
          ]
        },
        {
          title: 'Blobs',
          unit: 'ops',
          good: 'as payload',
          targets: [
            { expr: perNode(rate('network_bitswap_blobs_sent')), legend: 'sent' },
            { expr: perNode(rate('network_bitswap_blobs_received')), legend: 'received' }
          ]
        },
        {
          title: 'Messages',
          unit: 'ops',
          good: 'a few for each blob',
          targets: [
            { expr: perNode(rate('network_bitswap_messages_received')), legend: 'received' },
            { expr: perNode(rate(`${X}_messages_sent_total`)), legend: 'sent' }
          ]
        },
        {
          title: 'Wants, ours and theirs',
          unit: 'short',
          good: 'near 0 when synced',
          targets: [
            { expr: perNode(metric('network_bitswap_wantlist_size')), legend: 'ours' },
            { expr: perNode(metric(`${X}_waiting_fetches`)), legend: 'ours, waiting' },
            { expr: perNode(metric(`${X}_ledger_wants`)), legend: 'theirs' },
            { expr: perNode(metric(`${X}_queued_blocks`)), legend: 'theirs, queued' }
          ]
        },
        {
          title: 'Time to serve, 99th percentile',
          unit: 's',
          good: 'below 0.1 s',
          targets: [
            {
              expr: joined(
                `histogram_quantile(0.99, sum by (job, instance, temperature, le) (${rate(`${X}_serve_seconds_bucket`)}))`
              ),
              legend: '{{temperature}}'
            }
          ]
        },
        {
          title: 'Oldest queued block',
          unit: 's',
          good: 'below 1 s: nobody starves',
          targets: [{ expr: perNode(metric(`${X}_oldest_queued_seconds`)) }]
        },
        {
          title: 'Bytes held by the exchange',
          unit: 'bytes',
          good: 'a few blobs',
          targets: [
            { expr: perNode(metric(`${X}_receive_in_flight_bytes`)), legend: 'receiving' },
            { expr: perNode(metric(`${X}_send_in_flight_bytes`)), legend: 'sending' }
          ]
        },
        {
          title: 'Streams of the exchange',
          unit: 'short',
          good: 'two each way to a peer, and none opened in steady state',
          targets: [{ expr: perNode(metric(`${X}_streams_open`), 'direction'), legend: '{{direction}}' }]
        }
      ]
    },
    {
      title: 'Announcements',
      panels: [
        {
          title: 'Announcements by what they were',
          unit: 'ops',
          good: 'first and vote',
          targets: [{ expr: perNode(rate('sealsync_feed_announcements_total'), 'result'), legend: '{{result}}' }]
        },
        {
          title: 'Announced to settled, 99th percentile',
          unit: 's',
          good: 'below 1 s',
          targets: [{ expr: quantile(0.99, 'sealsync_feed_settle_duration_seconds') }]
        },
        {
          title: 'Heights of the feed',
          unit: 'short',
          good: 'open heights near 0',
          targets: [
            { expr: perNode(metric('sealsync_feed_open_heights')), legend: 'open' },
            { expr: perNode(metric('sealsync_feed_window_heights')), legend: 'window' }
          ]
        },
        {
          title: 'Execution nodes disagree',
          unit: 'short',
          good: '0; anything else is an alarm',
          targets: [{ expr: perNode(metric('sealsync_feed_conflicts_total')) }]
        },
        {
          title: 'Announcers and listeners',
          unit: 'short',
          good: 'every execution node, every access node',
          targets: [
            { expr: perNode(metric('sealsync_p2p_announce_announcers')), legend: 'announcers' },
            { expr: perNode(metric('sealsync_p2p_announce_listeners')), legend: 'listeners' },
            { expr: perNode(metric('sealsync_feed_announcers')), legend: 'announcers of the feed' }
          ]
        },
        {
          title: 'Announced by execution nodes',
          unit: 'ops',
          good: 'the rate of sealing',
          targets: [
            { expr: perNode(rate('sealsync_provider_announced_total')), legend: 'announced' },
            { expr: perNode(rate('sealsync_provider_ingested_blobs_total')), legend: 'blobs taken in' }
          ]
        }
      ]
    },
    downloadRow,
    feedRow,
    producerRow
  ]
}
