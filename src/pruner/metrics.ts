import { Counter, Gauge, type Registry, Summary } from 'prom-client'
import type { VerifyState } from './verifier.ts'

/** What the pruner works on. */
export const PRUNER_TASKS = ['heights', 'loose', 'orphans', 'space'] as const
export type PrunerTask = (typeof PRUNER_TASKS)[number]

export interface PrunerMetrics {
  readonly pruneDurationsMs: Summary
  readonly latestHeightPruned: Gauge
  readonly steps: Counter<'task'>
  readonly errors: Counter<'task'>
  readonly freedBlobs: Counter
  readonly freedBytes: Counter
  readonly backlogHeights: Gauge
  readonly busySeconds: Counter
  readonly share: Gauge
}

export interface VerifierMetrics {
  /** Says where the gauges are read. */
  levels(read: () => VerifyState | null): void
}

/** How far the verification of the store is, as it says itself. */
export function createVerifierMetrics(register: Registry): VerifierMetrics {
  let read: () => VerifyState | null = () => null
  const gauge = (name: string, help: string, value: (state: VerifyState) => number): void =>
    void new Gauge({
      name: `sealsync_pruner_verify_${name}`,
      help,
      registers: [register],
      collect(this: Gauge) {
        const state = read()
        this.set(state === null ? 0 : value(state))
      }
    })
  gauge(
    'progress_ratio',
    'Share of the blobs stored at its beginning that the verification under way, or the last one, has read and hashed',
    ({ checked, total }) => Math.min(1, checked.blobs / Math.max(1, total.blobs))
  )
  gauge(
    'damaged_blobs',
    'Damaged blobs that the verification under way, or the last one, has found',
    ({ damaged }) => damaged
  )
  return {
    levels: (from) => {
      read = from
    }
  }
}

/** The first two are Flow's, by its names. */
export function createPrunerMetrics(register: Registry): PrunerMetrics {
  const registers = [register]
  const metrics = {
    pruneDurationsMs: new Summary({
      name: 'execution_data_sync_pruner_prune_durations_ms',
      help: 'Duration of the steps of pruning heights, milliseconds',
      percentiles: [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99],
      maxAgeSeconds: 600,
      ageBuckets: 5,
      registers
    }),
    latestHeightPruned: new Gauge({
      name: 'execution_data_sync_pruner_latest_height_pruned',
      help: 'Heights up to this one are pruned',
      registers
    }),
    steps: new Counter({
      name: 'sealsync_pruner_steps_total',
      help: 'Steps by what they worked on: heights, loose blobs, the search for orphans, space of dead segments',
      labelNames: ['task'] as const,
      registers
    }),
    errors: new Counter({
      name: 'sealsync_pruner_errors_total',
      help: 'Steps that failed; they are taken again',
      labelNames: ['task'] as const,
      registers
    }),
    freedBlobs: new Counter({ name: 'sealsync_pruner_freed_blobs_total', help: 'Blobs deleted', registers }),
    freedBytes: new Counter({ name: 'sealsync_pruner_freed_bytes_total', help: 'Bytes of blobs deleted', registers }),
    backlogHeights: new Gauge({
      name: 'sealsync_pruner_backlog_heights',
      help: 'Heights that retention no longer keeps and that are still here',
      registers
    }),
    busySeconds: new Counter({
      name: 'sealsync_pruner_busy_seconds_total',
      help: 'Time spent in steps, waits for the disk included',
      registers
    }),
    share: new Gauge({
      name: 'sealsync_pruner_share_ratio',
      help: 'Share of the time that pruning may take now, by what else the node has to do',
      registers
    })
  }
  for (const task of PRUNER_TASKS) {
    metrics.steps.inc({ task }, 0)
    metrics.errors.inc({ task }, 0)
  }
  return metrics
}
