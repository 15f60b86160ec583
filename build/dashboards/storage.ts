import type { DashboardSpec } from './dashboard.ts'
import { UPKEEP_ROW } from './upkeep.ts'
import { joined, metric, perNode, quantile, rate, ratio } from './expr.ts'

const S = 'sealsync_store'
const B = 'sealsync_budget'

export const storage: DashboardSpec = {
  name: 'storage',
  title: 'sealsync / Store and memory',
  about:
    'Where the bytes are: the cache and what misses it, memory by account against its budget, the heap, the segments and their index.',
  rows: [
    {
      title: 'Memory',
      panels: [
        {
          title: 'Memory by account',
          unit: 'bytes',
          stacked: true,
          good: 'within the budget, and no account at its cap for long',
          targets: [{ expr: perNode(metric(`${B}_reserved_bytes`), 'account'), legend: '{{account}}' }]
        },
        {
          title: 'Budget',
          unit: 'bytes',
          good: 'reserved below the budget, the whole process below its limit',
          targets: [
            { expr: perNode(metric(`${B}_reserved_bytes`)), legend: 'reserved' },
            { expr: perNode(metric(`${B}_total_bytes`)), legend: 'budget' },
            { expr: perNode(metric(`${B}_unaccounted_bytes`)), legend: 'in no account' },
            { expr: perNode(metric(`${B}_limit_bytes`)), legend: 'limit of the process' }
          ]
        },
        {
          title: 'Accounts, share of their caps',
          unit: 'percentunit',
          good: 'the cache near 1, the others below',
          targets: [
            {
              expr: joined(
                `sum by (job, instance, account) (${metric(`${B}_reserved_bytes`)}) / sum by (job, instance, account) (${metric(`${B}_cap_bytes`)})`
              ),
              legend: '{{account}}'
            }
          ]
        },
        {
          title: 'Memory pressure',
          unit: 'none',
          good: '0',
          targets: [{ expr: perNode(metric(`${B}_pressure_level`)) }]
        },
        {
          title: 'Refused and taken back',
          unit: 'ops',
          good: '0',
          targets: [
            { expr: perNode(rate(`${B}_refused_total`), 'account'), legend: '{{account}} refused' },
            { expr: perNode(rate(`${B}_pressure_changes_total`), 'level'), legend: 'pressure {{level}}' },
            { expr: perNode(rate(`${B}_rests_total`)), legend: 'idle, gave back' },
            { expr: perNode(rate('sealsync_requester_put_off_total')), legend: 'downloads put off' }
          ]
        },
        {
          title: 'Taken back from accounts',
          unit: 'Bps',
          good: '0',
          expectEmpty: 'memory never ran short',
          targets: [{ expr: perNode(rate(`${B}_reclaimed_bytes_total`), 'account'), legend: '{{account}}' }]
        },
        {
          title: 'Resident memory by kind',
          unit: 'bytes',
          stacked: true,
          good: 'anonymous flat; file-backed pages go under pressure',
          targets: [{ expr: perNode(metric('sealsync_process_resident_memory_bytes'), 'kind'), legend: '{{kind}}' }]
        },
        {
          title: 'Heap and external',
          unit: 'bytes',
          good: 'a saw-tooth that returns to the same floor',
          targets: [
            { expr: perNode(metric('nodejs_heap_size_used_bytes')), legend: 'heap used' },
            { expr: perNode(metric('nodejs_heap_size_total_bytes')), legend: 'heap' },
            { expr: perNode(metric('nodejs_external_memory_bytes')), legend: 'external' }
          ]
        },
        {
          title: 'Heap spaces',
          unit: 'bytes',
          good: 'old space flat',
          targets: [
            {
              expr: perNode(
                metric('nodejs_heap_space_size_used_bytes', 'space=~"new|old|large_object|code|trusted"'),
                'space'
              ),
              legend: '{{space}}'
            }
          ]
        },
        {
          title: 'Garbage collection',
          unit: 'percentunit',
          about: 'Share of a core spent in it, by kind',
          good: 'below 0.05',
          targets: [{ expr: perNode(rate('nodejs_gc_duration_seconds_sum'), 'kind'), legend: '{{kind}}' }]
        }
      ]
    },
    {
      title: 'Cache',
      panels: [
        {
          title: 'Cache hit ratio',
          unit: 'percentunit',
          about: 'Reads answered from memory, or by a load under way, over all reads',
          good: 'above 0.9: peers ask for what is new',
          targets: [
            {
              expr: ratio(rate(`${S}_cache_requests_total`, 'result=~"hit|joined"'), rate(`${S}_cache_requests_total`))
            }
          ]
        },
        {
          title: 'Reads by what answered them',
          unit: 'ops',
          good: 'hits; a miss is a page-in from disk',
          targets: [{ expr: perNode(rate(`${S}_cache_requests_total`), 'result'), legend: '{{result}}' }]
        },
        {
          title: 'Evictions',
          unit: 'ops',
          good: 'the rate of new blobs once the cache is full',
          targets: [
            { expr: perNode(rate(`${S}_cache_evictions_total`)), legend: 'to make room' },
            { expr: perNode(rate(`${S}_cache_idle_drops_total`)), legend: 'idle' }
          ]
        },
        {
          title: 'Cache',
          unit: 'bytes',
          good: 'at its bound; pinned a few blobs',
          targets: [
            { expr: perNode(metric(`${S}_cache_bytes`)), legend: 'all' },
            { expr: perNode(metric(`${S}_cache_hot_bytes`)), legend: 'hot' },
            { expr: perNode(metric(`${S}_cache_pinned_bytes`)), legend: 'pinned' }
          ]
        },
        {
          title: 'Paged in',
          unit: 'Bps',
          good: 'what peers that catch up ask for, and little else',
          targets: [{ expr: perNode(rate(`${S}_cache_paged_in_bytes_total`)) }]
        },
        {
          title: 'Read ahead and made of blobs',
          unit: 'ops',
          good: 'descriptions of blocks mostly hits; preloads after a start alone',
          targets: [
            { expr: perNode(rate(`${S}_derived_requests_total`), 'result'), legend: 'descriptions: {{result}}' },
            { expr: perNode(rate(`${S}_cache_preloaded_blobs_total`)), legend: 'preloaded' }
          ]
        },
        {
          title: 'Blobs in the cache',
          unit: 'short',
          good: 'some seconds of the network’s output',
          targets: [{ expr: perNode(metric(`${S}_cache_blobs`)) }]
        }
      ]
    },
    UPKEEP_ROW,
    {
      title: 'Segments',
      panels: [
        {
          title: 'Store',
          unit: 'bytes',
          good: 'dead bytes a small share of the live ones',
          targets: [
            { expr: perNode(metric(`${S}_blob_bytes`)), legend: 'live' },
            { expr: perNode(metric(`${S}_dead_bytes`)), legend: 'dead' }
          ]
        },
        {
          title: 'Blobs and segments',
          unit: 'short',
          good: 'blobs as retention says',
          targets: [
            { expr: perNode(metric(`${S}_blobs`)), legend: 'blobs' },
            { expr: perNode(metric(`${S}_segments`)), legend: 'segments' }
          ]
        },
        {
          title: 'Space given back',
          unit: 'Bps',
          good: 'as much as is pruned; what is rewritten is a small part of it',
          targets: [
            { expr: perNode(rate(`${S}_reclaimed_bytes_total`)), legend: 'given back' },
            { expr: perNode(rate(`${S}_compacted_bytes_total`)), legend: 'rewritten' }
          ]
        },
        {
          title: 'Reads and writes',
          unit: 'Bps',
          good: 'writes at the rate of sealing',
          targets: [{ expr: perNode(rate(`${S}_operation_bytes_total`), 'direction'), legend: '{{direction}}' }]
        },
        {
          title: 'Calls of the store',
          unit: 'ops',
          good: 'no errors',
          targets: [
            {
              expr: perNode(rate(`${S}_operations_total`), 'operation', 'outcome'),
              legend: '{{operation}} {{outcome}}'
            }
          ]
        },
        {
          title: 'Puts until durable, 99th percentile',
          unit: 's',
          good: 'some syncs of the disk',
          targets: [{ expr: quantile(0.99, `${S}_operation_duration_seconds`, 'operation="putMany"') }]
        },
        {
          title: 'Reads, 99th percentile',
          unit: 's',
          good: 'below 0.01 s on a solid-state disk',
          targets: [{ expr: quantile(0.99, `${S}_operation_duration_seconds`, 'operation="get"') }],
          expectEmpty: 'every read was answered from the cache'
        },
        {
          title: 'Syncs, 99th percentile',
          unit: 's',
          good: 'a few milliseconds; a disk in trouble takes seconds',
          targets: [
            {
              expr: joined(
                `histogram_quantile(0.99, sum by (job, instance, of, le) (${rate(`${S}_fsync_duration_seconds_bucket`)}))`
              ),
              legend: '{{of}}'
            }
          ]
        },
        {
          title: 'Blobs of one group commit',
          unit: 'short',
          about: 'Mean over the interval',
          good: 'grows with load',
          targets: [{ expr: ratio(rate(`${S}_group_blobs_sum`), rate(`${S}_group_blobs_count`)) }]
        },
        {
          title: 'Bytes of one group commit, and waiting for one',
          unit: 'bytes',
          good: 'waiting far below the bound',
          targets: [
            { expr: ratio(rate(`${S}_group_bytes_sum`), rate(`${S}_group_bytes_count`)), legend: 'group' },
            { expr: perNode(metric(`${S}_pending_bytes`)), legend: 'waiting' }
          ]
        }
      ]
    },
    {
      title: 'Index and damage',
      panels: [
        {
          title: 'Index database',
          unit: 'bytes',
          good: 'some 100 bytes for each blob',
          targets: [
            { expr: perNode(metric(`${S}_index_bytes`)), legend: 'on disk' },
            { expr: perNode(metric(`${S}_index_memory_bytes`)), legend: 'in memory' }
          ]
        },
        {
          title: 'Compaction of the index',
          unit: 'Bps',
          good: 'a small part of what is written',
          targets: [
            { expr: perNode(rate(`${S}_index_compaction_read_bytes_total`)), legend: 'read' },
            { expr: perNode(rate(`${S}_index_compaction_written_bytes_total`)), legend: 'written' }
          ]
        },
        {
          title: 'Time in compaction',
          unit: 'percentunit',
          about: 'Share of a core',
          good: 'below 0.1',
          targets: [{ expr: perNode(rate(`${S}_index_compaction_seconds_total`)) }]
        },
        {
          title: 'Files of the index',
          unit: 'short',
          good: 'flat',
          targets: [{ expr: perNode(metric(`${S}_index_files`)) }]
        },
        {
          title: 'Damage',
          unit: 'short',
          good: '0; what is damaged is dropped and fetched again',
          targets: [
            { expr: perNode(metric(`${S}_damaged_blobs_total`)), legend: 'blobs' },
            { expr: perNode(metric(`${S}_damaged_segments_total`)), legend: 'segments' },
            { expr: perNode(metric(`${S}_lost_blobs_total`)), legend: 'lost blobs' },
            { expr: perNode(metric('sealsync_provider_corrupt_announcements_total')), legend: 'announcements' }
          ]
        },
        {
          title: 'Write errors',
          unit: 'ops',
          good: '0',
          targets: [{ expr: perNode(rate(`${S}_write_errors_total`), 'code'), legend: '{{code}}' }]
        },
        {
          title: 'Repaired at opening',
          unit: 'short',
          good: 'a few blobs after an unclean end, 0 otherwise',
          targets: [{ expr: perNode(metric(`${S}_recovered_blobs_total`)) }]
        },
        {
          title: 'Cut off at opening',
          unit: 'bytes',
          good: '0, or less than one group commit',
          targets: [{ expr: perNode(metric(`${S}_cut_bytes_total`)) }]
        },
        {
          title: 'Tracked heights',
          unit: 'short',
          good: 'the lowest follows the highest at the distance of retention',
          targets: [
            { expr: perNode(metric('sealsync_tracker_lowest_height')), legend: 'lowest' },
            { expr: perNode(metric('sealsync_tracker_highest_height')), legend: 'highest' }
          ]
        },
        {
          title: 'Tracking a block, 99th percentile',
          unit: 's',
          good: 'one sync of the disk',
          targets: [{ expr: quantile(0.99, 'sealsync_tracker_track_duration_seconds') }]
        },
        {
          title: 'Content',
          unit: 'ops',
          good: '0',
          targets: [
            { expr: perNode(rate('sealsync_execution_data_malformed_total'), 'code'), legend: '{{code}}' },
            { expr: perNode(rate('sealsync_node_unchecked_blocks_total')), legend: 'not checked' },
            { expr: perNode(rate('sealsync_execution_data_refetched_blobs_total')), legend: 'fetched again' }
          ]
        }
      ]
    }
  ]
}
