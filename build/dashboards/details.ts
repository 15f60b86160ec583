import { joined, metric, perNode, quantile, rate, ratio } from './expr.ts'
import type { RowSpec } from './panel.ts'

const FLOW = 'execution_data_sync_provider'
const E = 'sealsync_execution_data'
const F = 'sealsync_feed'
const P = 'sealsync_provider'
const REQUESTER = 'state_synchronization_execution_data_requester_execution_requester'

/** What goes into a download, block by block. */
export const downloadRow: RowSpec = {
  title: 'Downloads in detail',
  panels: [
    {
      title: 'One try of a download, 99th percentile',
      unit: 'ms',
      good: 'below 1,000 ms; the histogram has flow-go’s name and buckets',
      targets: [{ expr: quantile(0.99, `${REQUESTER}_download_duration_ms`) }]
    },
    {
      title: 'Blobs that downloads took',
      unit: 'ops',
      good: 'from the network; from the store after a restart',
      targets: [
        { expr: perNode(rate(`${E}_blobs_total`), 'source'), legend: '{{source}}' },
        {
          expr: perNode(rate(`${E}_extra_hint_blobs_total`), 'arrived'),
          legend: 'not of the tree, arrived: {{arrived}}'
        },
        { expr: perNode(rate(`${E}_hints_given_up_total`)), legend: 'hints given up' }
      ]
    },
    {
      title: 'Bytes that downloads took',
      unit: 'Bps',
      good: 'the rate of sealing',
      targets: [
        { expr: perNode(rate(`${E}_blob_bytes_total`), 'source'), legend: '{{source}}' },
        { expr: perNode(rate('sealsync_requester_downloaded_bytes_total')), legend: 'complete trees' },
        { expr: perNode(rate(`${E}_decoded_bytes_total`)), legend: 'decoded' }
      ]
    },
    {
      title: 'Decodings that waited for memory',
      unit: 'ops',
      good: '0',
      targets: [{ expr: perNode(rate(`${E}_memory_refused_total`)) }]
    },
    {
      title: 'Blocks tracked',
      unit: 'ops',
      good: 'new at the rate of sealing',
      targets: [{ expr: perNode(rate('sealsync_tracker_blocks_total'), 'result'), legend: '{{result}}' }]
    },
    {
      title: 'Streams of the exchange opened',
      unit: 'ops',
      good: '0 in steady state',
      targets: [{ expr: perNode(rate('sealsync_exchange_streams_opened_total'), 'direction'), legend: '{{direction}}' }]
    }
  ]
}

/** How the feed fills its holes. */
export const feedRow: RowSpec = {
  title: 'Feed in detail',
  panels: [
    {
      title: 'Requests for replay',
      unit: 'ops',
      good: '0 when nothing was missed',
      targets: [
        { expr: perNode(rate(`${F}_requests_total`), 'outcome'), legend: '{{outcome}}' },
        { expr: perNode(rate('sealsync_p2p_announce_requests_sent_total')), legend: 'sent' },
        { expr: perNode(rate('sealsync_p2p_announce_requests_total'), 'outcome'), legend: 'of peers, {{outcome}}' },
        { expr: perNode(rate('sealsync_p2p_announce_opens_total'), 'outcome'), legend: 'streams opened, {{outcome}}' }
      ]
    },
    {
      title: 'Heights settled, asked again, read',
      unit: 'ops',
      good: 'settled at the rate of sealing',
      targets: [
        { expr: perNode(rate(`${F}_settled_total`)), legend: 'settled' },
        { expr: perNode(rate(`${F}_requested_heights_total`)), legend: 'asked again' },
        { expr: perNode(rate(`${F}_lines_total`)), legend: 'read from a block list' },
        { expr: perNode(rate(`${F}_hints_dropped_total`)), legend: 'hints dropped' }
      ]
    },
    {
      title: 'Memory of hints',
      unit: 'bytes',
      good: 'small, bounded',
      targets: [{ expr: perNode(metric(`${F}_hint_bytes`)) }]
    }
  ]
}

/** The execution nodes' side. */
export const producerRow: RowSpec = {
  title: 'Execution nodes',
  panels: [
    {
      title: 'Size of a blob tree',
      unit: 'bytes',
      about: 'Sum of the blob lengths of a block, by quantile',
      good: 'as the chain has it',
      targets: [
        {
          expr: joined(
            `avg by (job, instance, quantile) (${metric(`${FLOW}_execution_data_sizes_bytes`, 'quantile=~"0.5|0.99"')})`
          ),
          legend: '{{quantile}}'
        }
      ]
    },
    {
      title: 'Chunks of a block',
      unit: 'short',
      about: 'Mean over the interval',
      good: 'as the chain has it',
      targets: [{ expr: ratio(rate(`${FLOW}_number_of_chunks_sum`), rate(`${FLOW}_number_of_chunks_count`)) }]
    },
    {
      title: 'Blobs durable, root confirmed',
      unit: 'ms',
      about: '99th percentile of the last ten minutes',
      good: 'some syncs of the disk',
      targets: [
        {
          expr: joined(`sum by (job, instance) (${metric(`${FLOW}_add_blobs_durations_ms`, 'quantile="0.99"')})`),
          legend: 'durable'
        },
        {
          expr: joined(`sum by (job, instance) (${metric(`${FLOW}_compute_root_id_durations_ms`, 'quantile="0.99"')})`),
          legend: 'root confirmed'
        }
      ]
    },
    {
      title: 'Taken in',
      unit: 'Bps',
      good: 'the rate at which blocks are executed',
      targets: [{ expr: perNode(rate(`${P}_ingested_bytes_total`)) }]
    },
    {
      title: 'Refused or failed',
      unit: 'ops',
      good: '0',
      targets: [
        { expr: perNode(rate(`${FLOW}_add_blobs_failed`)), legend: 'puts failed' },
        { expr: perNode(rate(`${P}_ingests_refused_total`)), legend: 'ingests refused' },
        { expr: perNode(rate(`${P}_publish_failures_total`)), legend: 'not sent out' }
      ]
    },
    {
      title: 'Blobs waited for',
      unit: 'short',
      good: '0 between blocks',
      targets: [{ expr: perNode(metric(`${P}_waiting_blobs`)) }]
    },
    {
      title: 'Announcements kept for replay',
      unit: 'bytes',
      good: 'as retention says',
      targets: [{ expr: perNode(metric(`${P}_log_bytes`)) }]
    }
  ]
}
