import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export interface TrackerMetrics {
  readonly trackSeconds: Histogram
  readonly tracked: Counter<'result'>
  readonly lowestHeight: Gauge
  readonly highestHeight: Gauge
  readonly loose: Counter<'outcome'>
}

export function createTrackerMetrics(register: Registry): TrackerMetrics {
  const registers = [register]
  const metrics = {
    trackSeconds: new Histogram({
      name: 'sealsync_tracker_track_duration_seconds',
      help: 'Duration of tracking one block, its synced batch included',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2],
      registers
    }),
    tracked: new Counter({
      name: 'sealsync_tracker_blocks_total',
      help: 'Blocks given to the tracker: new, repeated (nothing written), replaced (another block at a tracked height), pruned (its height is gone) or gone (its blobs were pruned meanwhile)',
      labelNames: ['result'] as const,
      registers
    }),
    lowestHeight: new Gauge({ name: 'sealsync_tracker_lowest_height', help: 'Lowest tracked height', registers }),
    loose: new Counter({
      name: 'sealsync_tracker_loose_blobs_total',
      help: "Blobs that may be nobody's: marked, and then freed or kept (a height refers to them)",
      labelNames: ['outcome'] as const,
      registers
    }),
    highestHeight: new Gauge({ name: 'sealsync_tracker_highest_height', help: 'Highest tracked height', registers })
  }
  for (const result of ['new', 'repeated', 'replaced', 'pruned', 'gone']) metrics.tracked.inc({ result }, 0)
  for (const outcome of ['marked', 'freed', 'kept']) metrics.loose.inc({ outcome }, 0)
  return metrics
}
