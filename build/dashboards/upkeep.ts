import type { DashboardSpec } from './dashboard.ts'
import { metric, perNode, rate } from './expr.ts'

const S = 'sealsync_store'
const P = 'sealsync_pruner'

/** What deletes, and what mends. */
export const UPKEEP_ROW: DashboardSpec['rows'][number] = {
  title: 'Pruner and repairs',
  panels: [
    {
      title: 'Repairs',
      unit: 'ops',
      good: 'none',
      targets: [{ expr: perNode(rate(`${S}_repairs_total`), 'outcome'), legend: '{{outcome}}' }]
    },
    {
      title: 'Damaged blobs that wait for a good copy',
      unit: 'short',
      good: '0',
      targets: [{ expr: perNode(metric(`${S}_unrepaired_blobs`)) }]
    },
    {
      title: 'Pruned height',
      unit: 'none',
      good: 'rises with the head',
      targets: [{ expr: perNode(metric('execution_data_sync_pruner_latest_height_pruned')) }]
    },
    {
      title: 'Backlog',
      unit: 'none',
      good: 'near 0 heights',
      targets: [{ expr: perNode(metric(`${P}_backlog_heights`)) }]
    },
    {
      title: 'Deleted',
      unit: 'Bps',
      good: 'as much as comes in, once the node is full',
      targets: [{ expr: perNode(rate(`${P}_freed_bytes_total`)) }]
    },
    {
      title: 'Blobs deleted',
      unit: 'ops',
      good: 'as many as come in, once the node is full',
      targets: [
        { expr: perNode(rate(`${P}_freed_blobs_total`)), legend: 'deleted' },
        {
          expr: perNode(rate('sealsync_tracker_loose_blobs_total'), 'outcome'),
          legend: "maybe nobody's, {{outcome}}"
        }
      ]
    },
    {
      title: 'Time for pruning',
      unit: 'percentunit',
      good: 'taken below what it may take',
      targets: [
        { expr: perNode(rate(`${P}_busy_seconds_total`)), legend: 'taken' },
        { expr: perNode(metric(`${P}_share_ratio`)), legend: 'may take' }
      ]
    },
    {
      title: 'Steps',
      unit: 'ops',
      good: 'no errors',
      targets: [
        { expr: perNode(rate(`${P}_steps_total`), 'task'), legend: '{{task}}' },
        { expr: perNode(rate(`${P}_errors_total`), 'task'), legend: '{{task}} failed' }
      ]
    },
    {
      title: 'Verification of the store',
      unit: 'percentunit',
      good: 'it comes to 100 % when one was begun (`db verify`)',
      targets: [{ expr: perNode(metric(`${P}_verify_progress_ratio`)), legend: 'read and hashed' }]
    },
    {
      title: 'Damage that the verification found',
      unit: 'short',
      good: 'none',
      targets: [{ expr: perNode(metric(`${P}_verify_damaged_blobs`)) }]
    },
    {
      title: 'Duration of a step',
      unit: 'ms',
      good: 'some 10 ms',
      expectEmpty: 'nothing had to be pruned',
      targets: [
        { expr: perNode(metric('execution_data_sync_pruner_prune_durations_ms', 'quantile="0.99"')), legend: 'p99' }
      ]
    }
  ]
}
