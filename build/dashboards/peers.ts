import type { DashboardSpec } from './dashboard.ts'
import { metric, perNode, quantile, rate } from './expr.ts'

const P = 'sealsync_p2p'

export const peers: DashboardSpec = {
  name: 'peers',
  title: 'sealsync / Peers and abuse',
  about: 'Connections and streams, who is turned away and why, and what peers do that they should not.',
  rows: [
    {
      title: 'Connections',
      panels: [
        {
          title: 'Connected peers',
          unit: 'short',
          good: 'all that are wanted',
          targets: [{ expr: perNode(metric(`${P}_connected_peers`), 'role'), legend: '{{role}}' }]
        },
        {
          title: 'Peers of the exchange',
          unit: 'short',
          good: 'as many as are connected',
          targets: [{ expr: perNode(metric('network_bitswap_num_peers')) }]
        },
        {
          title: 'Connections by direction',
          unit: 'short',
          good: 'one for each peer',
          targets: [
            { expr: perNode(metric('network_queue_inbound_connection_count')), legend: 'inbound' },
            { expr: perNode(metric('network_queue_outbound_connection_count')), legend: 'outbound' }
          ]
        },
        {
          title: 'Identity table, changes by outcome',
          unit: 'ops',
          good: 'none but replaced and unchanged',
          targets: [{ expr: perNode(rate(`${P}_identity_table_loads_total`), 'outcome'), legend: '{{outcome}}' }]
        },
        {
          title: 'Calls of the Access API by outcome',
          unit: 'ops',
          good: 'none but ok',
          expectEmpty: 'the feed is another',
          targets: [{ expr: perNode(rate('sealsync_feed_host_calls_total'), 'outcome'), legend: '{{outcome}}' }]
        },
        {
          title: 'Hosts of the Access API that answer',
          unit: 'short',
          good: 'all that are given',
          expectEmpty: 'the feed is another',
          targets: [{ expr: perNode(metric('sealsync_feed_hosts_usable')) }]
        },
        {
          title: 'Observers',
          unit: 'short',
          good: 'below the setting public.max-observers',
          expectEmpty: 'the node serves no observers',
          targets: [{ expr: perNode(metric(`${P}_public_observers`)) }]
        },
        {
          title: 'Observers refused, by reason',
          unit: 'ops',
          good: '0',
          expectEmpty: 'the node serves no observers',
          targets: [{ expr: perNode(rate(`${P}_public_refusals_total`), 'reason'), legend: '{{reason}}' }]
        },
        {
          title: "Observers' connections and streams",
          unit: 'short',
          good: 'a connection for each observer, some streams for each connection',
          expectEmpty: 'the node serves no observers',
          targets: [
            { expr: perNode(metric(`${P}_public_connections`)), legend: 'connections' },
            {
              expr: perNode(metric(`${P}_public_open_streams`), 'protocol', 'direction'),
              legend: '{{protocol}} {{direction}}'
            }
          ]
        },
        {
          title: 'Streams opened with observers',
          unit: 'ops',
          good: '0 in steady state',
          expectEmpty: 'the node serves no observers',
          targets: [
            {
              expr: perNode(rate(`${P}_public_streams_opened_total`), 'protocol', 'direction'),
              legend: '{{protocol}} {{direction}}'
            }
          ]
        },
        {
          title: 'Bytes on the wire to and from observers',
          unit: 'Bps',
          good: 'below the setting public.upload-rate',
          expectEmpty: 'the node serves no observers',
          targets: [{ expr: perNode(rate(`${P}_public_wire_bytes_total`), 'direction'), legend: '{{direction}}' }]
        },
        {
          title: 'Blocks on their way to observers',
          unit: 'bytes',
          good: 'below 8 MiB, and below a quarter of the account send',
          targets: [{ expr: perNode(metric('sealsync_exchange_public_send_in_flight_bytes')) }]
        },
        {
          title: 'Wants of observers refused, by reason',
          unit: 'ops',
          good: '0; repeat and ledger under heavy catching up',
          expectEmpty: 'the node serves no observers',
          targets: [{ expr: perNode(rate('sealsync_exchange_public_refusals_total'), 'reason'), legend: '{{reason}}' }]
        },
        {
          title: 'Announcements relayed to observers, by outcome',
          unit: 'ops',
          good: 'kept, and as many repeated as there are execution nodes more',
          expectEmpty: 'the node serves no observers',
          targets: [
            { expr: perNode(rate('sealsync_provider_relayed_announcements_total'), 'outcome'), legend: '{{outcome}}' }
          ]
        },
        {
          title: 'Dials by outcome',
          unit: 'ops',
          good: 'none but ok, and those only after a start',
          targets: [{ expr: perNode(rate(`${P}_dials_total`), 'outcome'), legend: '{{outcome}}' }]
        },
        {
          title: 'Time to dial',
          kind: 'heatmap',
          unit: 's',
          good: 'some round trips',
          targets: [
            {
              expr: `sum by (le) (rate(network_gossip_time_to_dial_peer_seconds_bucket{job=~"$job", instance=~"$instance"}[$__rate_interval]) * on (job, instance) group_left (variant) sealsync_build_info{job=~"$job", instance=~"$instance", variant=~"$variant", profile=~"$profile"})`
            }
          ]
        },
        {
          title: 'Peers that could not be reached',
          unit: 'short',
          good: '0',
          targets: [{ expr: perNode(metric(`${P}_backoff_peers`)) }]
        },
        {
          title: 'Round trip, 99th percentile',
          unit: 's',
          good: 'as the network is wide',
          targets: [{ expr: quantile(0.99, `${P}_ping_seconds`) }]
        },
        {
          title: 'Connections lost or closed',
          unit: 'ops',
          good: '0',
          targets: [
            { expr: perNode(rate(`${P}_dead_connections_total`)), legend: 'dead' },
            { expr: perNode(rate(`${P}_duplicate_connections_closed_total`)), legend: 'duplicates' }
          ]
        }
      ]
    },
    {
      title: 'Streams',
      panels: [
        {
          title: 'Streams opened',
          unit: 'ops',
          good: '0 in steady state without a DHT',
          targets: [
            {
              expr: perNode(rate(`${P}_streams_opened_total`), 'protocol', 'direction'),
              legend: '{{protocol}} {{direction}}'
            }
          ]
        },
        {
          title: 'Streams open',
          unit: 'short',
          good: 'flat',
          targets: [
            {
              expr: perNode(metric(`${P}_open_streams`), 'protocol', 'direction'),
              legend: '{{protocol}} {{direction}}'
            }
          ]
        },
        {
          title: 'Bytes on the wire',
          unit: 'Bps',
          good: 'little more than the blobs that move',
          targets: [{ expr: perNode(rate(`${P}_wire_bytes_total`), 'direction'), legend: '{{direction}}' }]
        },
        {
          title: 'Let in',
          unit: 'ops',
          good: 'near 0',
          targets: [
            {
              expr: perNode(rate('network_libp2p_resource_manager_allow_connection_total'), 'direction'),
              legend: 'connections {{direction}}'
            },
            {
              expr: perNode(rate('network_libp2p_resource_manager_allow_stream_total'), 'direction'),
              legend: 'streams {{direction}}'
            }
          ]
        },
        {
          title: 'Kept out',
          unit: 'ops',
          good: '0',
          targets: [
            {
              expr: perNode(rate('network_libp2p_resource_manager_block_connection_total'), 'direction'),
              legend: 'connections {{direction}}'
            },
            {
              expr: perNode(rate('network_libp2p_resource_manager_block_stream_total'), 'direction'),
              legend: 'streams {{direction}}'
            }
          ]
        }
      ]
    },
    {
      title: 'Abuse',
      panels: [
        {
          title: 'Turned away at the gate',
          unit: 'ops',
          good: '0; unknown-peer and rate-unknown are strangers at the door',
          targets: [
            { expr: perNode(rate(`${P}_refusals_total`), 'direction', 'reason'), legend: '{{direction}} {{reason}}' }
          ]
        },
        {
          title: 'Handshakes that failed',
          unit: 'ops',
          good: '0',
          targets: [
            {
              expr: perNode(rate(`${P}_handshake_failures_total`), 'direction', 'reason'),
              legend: '{{direction}} {{reason}}'
            }
          ]
        },
        {
          title: 'Peers sent away',
          unit: 'short',
          good: '0; the log names the peer',
          targets: [{ expr: perNode(metric(`${P}_cooldowns_total`), 'reason'), legend: '{{reason}}' }]
        },
        {
          title: 'Peers by strikes',
          unit: 'short',
          about: 'How the connected peers are spread over the strikes each has had since it last delivered',
          good: 'all at 0',
          targets: [{ expr: perNode(metric('sealsync_exchange_peers_by_strikes'), 'strikes'), legend: '{{strikes}}' }]
        },
        {
          title: 'Refused by the exchange',
          unit: 'ops',
          good: '0; repeat and ledger under heavy catching up',
          targets: [{ expr: perNode(rate('sealsync_exchange_refusals_total'), 'reason'), legend: '{{reason}}' }]
        },
        {
          title: 'Payload thrown away',
          unit: 'Bps',
          good: '0',
          targets: [
            { expr: perNode(rate('network_bitswap_dup_data_received')), legend: 'not wanted' },
            { expr: perNode(rate('sealsync_exchange_partial_bytes_total')), legend: 'broken off' }
          ]
        },
        {
          title: 'Faults of announcers',
          unit: 'ops',
          good: '0',
          targets: [
            { expr: perNode(rate(`${P}_announce_faults_total`), 'reason'), legend: '{{reason}}' },
            { expr: perNode(rate(`${P}_announce_over_rate_total`), 'kind'), legend: 'over rate: {{kind}}' }
          ]
        },
        {
          title: 'Announcements taken, repeated, verified',
          unit: 'ops',
          good: 'taken at the rate of sealing for each announcer',
          targets: [
            { expr: perNode(rate(`${P}_announce_received_total`), 'kind'), legend: '{{kind}}' },
            { expr: perNode(rate(`${P}_announce_repeats_total`)), legend: 'repeats' },
            { expr: perNode(rate(`${P}_announce_verifications_total`)), legend: 'signatures' }
          ]
        },
        {
          title: 'Announcements sent, replayed, dropped',
          unit: 'ops',
          good: 'nothing dropped',
          targets: [
            { expr: perNode(rate(`${P}_announce_published_total`)), legend: 'published' },
            { expr: perNode(rate(`${P}_announce_replayed_total`)), legend: 'replayed' },
            { expr: perNode(rate(`${P}_announce_live_dropped_total`)), legend: 'dropped' }
          ]
        },
        {
          title: 'Claims not believed',
          unit: 'short',
          good: '0',
          targets: [
            { expr: perNode(metric('sealsync_feed_suspicious_claims_total')), legend: 'far above all others' },
            { expr: perNode(metric('sealsync_requester_settled_differently_total')), legend: 'settled differently' },
            { expr: perNode(metric('sealsync_requester_notified_unsettled_total')), legend: 'without a quorum' }
          ]
        }
      ]
    }
  ]
}
