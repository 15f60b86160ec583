import type { DashboardSpec } from './dashboard.ts'
import { joined, metric, perNode, rate, slope } from './expr.ts'

const REQUESTER = 'state_synchronization_execution_data_requester_execution_requester'
const consecutive = `${REQUESTER}_highest_download_height`
const behind = `clamp_min(sum by (job, instance) (${metric('consensus_compliance_sealed_height')}) - sum by (job, instance) (${metric(consecutive)}), 0)`
const stored = `${metric('sealsync_store_blob_bytes')} + ${metric('sealsync_store_dead_bytes')}`

export const overview: DashboardSpec = {
  name: 'overview',
  title: 'sealsync / Overview',
  about:
    'The fleet at a glance: is every node up, ready, synced and within its memory, and for how long does the disk last.',
  rows: [
    {
      title: 'Fleet',
      panels: [
        {
          title: 'Up',
          kind: 'stat',
          unit: 'none',
          about: 'Whether Prometheus could scrape the node',
          good: '1 for every node',
          targets: [{ expr: 'up{job=~"$job", instance=~"$instance"}' }]
        },
        {
          title: 'Ready',
          kind: 'stat',
          unit: 'none',
          about: '1 when every readiness check holds, as /readyz answers it',
          good: '1 for every node',
          targets: [{ expr: joined(`min by (job, instance) (${metric('sealsync_api_check_ok')})`) }]
        },
        {
          title: 'Checks that do not hold',
          kind: 'stat',
          unit: 'none',
          good: 'none; the name of the check says why a node is not ready, /readyz says it in words',
          targets: [{ expr: perNode(`1 - ${metric('sealsync_api_check_ok')}`, 'check'), legend: '{{check}}' }]
        },
        {
          title: 'Stalled',
          kind: 'stat',
          unit: 'none',
          good: '0; a stalled node names the missing blob and who was asked in its log and on /readyz',
          targets: [{ expr: perNode(metric('sealsync_requester_stalled')) }]
        },
        {
          title: 'Builds',
          kind: 'table',
          unit: 'none',
          width: 24,
          about: 'Version, revision, role, profile, routing, policy and variant of each node',
          good: 'the versions and variants that were meant to run',
          targets: [{ expr: metric('sealsync_build_info', 'variant=~"$variant", profile=~"$profile"') }]
        },
        {
          title: 'Alerts',
          kind: 'table',
          unit: 'none',
          width: 24,
          about: 'Alerts of the rules that come with sealsync which fire now; each has its page in docs/runbooks.md',
          good: 'none',
          expectEmpty: 'no alert fires',
          targets: [
            { expr: 'ALERTS{alertname=~"Sealsync.*", job=~"$job", instance=~"$instance", alertstate="firing"}' }
          ]
        }
      ]
    },
    {
      title: 'Sync',
      panels: [
        {
          title: 'Blocks behind the feed',
          unit: 'short',
          good: 'below 10, and back to it within seconds of a restart',
          targets: [{ expr: joined(behind) }]
        },
        {
          title: 'Consecutive height',
          unit: 'short',
          good: 'rises as fast as blocks are sealed',
          targets: [{ expr: perNode(metric(consecutive)) }]
        },
        {
          title: 'Sync rate',
          unit: 'ops',
          about: 'Blocks a second that became consecutive',
          good: 'the rate of sealing; far more while catching up',
          targets: [{ expr: perNode(slope(consecutive)) }]
        },
        {
          title: 'Time to catch up',
          unit: 's',
          about: 'Blocks behind over the rate at which the distance closes',
          good: 'near 0; a flat line well above it says that the node never arrives',
          targets: [{ expr: joined(`${behind} / clamp_min(sum by (job, instance) (${slope(consecutive)}), 0.001)`) }]
        },
        {
          title: 'Connected peers',
          unit: 'short',
          good: 'all staked peers of the table',
          targets: [
            { expr: perNode(metric('sealsync_p2p_connected_peers')), legend: 'connected' },
            { expr: perNode(metric('sealsync_p2p_wanted_peers')), legend: 'wanted' }
          ]
        }
      ]
    },
    {
      title: 'Resources',
      panels: [
        {
          title: 'Resident memory',
          unit: 'bytes',
          good: 'flat, below the limit of the process',
          targets: [
            { expr: perNode(metric('process_resident_memory_bytes')) },
            { expr: perNode(metric('sealsync_budget_limit_bytes')), legend: 'limit' }
          ]
        },
        {
          title: 'CPU',
          unit: 'percentunit',
          about: 'Share of one core',
          good: 'below 0.3 when synced; one core is the most that a node can use',
          targets: [{ expr: perNode(rate('process_cpu_seconds_total')) }]
        },
        {
          title: 'Event loop lag, 99th percentile',
          unit: 's',
          good: 'below 0.05 s',
          targets: [{ expr: perNode(metric('nodejs_eventloop_lag_p99_seconds')) }]
        },
        {
          title: 'Disk',
          unit: 'bytes',
          good: 'used grows by what is sealed less what is pruned; free stays above some days of it',
          targets: [
            { expr: perNode(stored), legend: 'used' },
            { expr: perNode(metric('sealsync_node_disk_free_bytes')), legend: 'free' },
            { expr: perNode(metric('sealsync_node_disk_total_bytes')), legend: 'file system' }
          ]
        },
        {
          title: 'Disk time left',
          unit: 's',
          about: 'Free bytes over the growth of what is stored',
          good: 'more than 3 days; it is long and jumps about while the store hardly grows',
          targets: [
            {
              expr: joined(
                `sum by (job, instance) (${metric('sealsync_node_disk_free_bytes')}) / clamp_min(sum by (job, instance) (${slope('sealsync_store_blob_bytes')}), 1)`
              )
            }
          ]
        },
        {
          title: 'Starts after an unclean end',
          unit: 'short',
          good: '0',
          targets: [{ expr: perNode(metric('sealsync_node_unclean_start')) }]
        }
      ]
    }
  ]
}
