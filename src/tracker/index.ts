/** Which blobs belong to which height, and how far each service has come. */
export { TrackerError, type TrackerErrorCode } from './errors.ts'
export type { FreeBlobs, LooseRequest, LooseStep, PruneRequest, PruneStep } from './pruning.ts'
export { LevelTracker, type LevelTrackerComponents } from './level-tracker.ts'
export { migrateReferences, migrateTracker } from './migrate.ts'
export { createTrackerMetrics, type TrackerMetrics } from './metrics.ts'
export { defaultTrackerOptions, type TrackerOptions, validateTrackerOptions } from './options.ts'
export { LevelProgressStore, type ProgressStore } from './progress.ts'
export type { TrackedBlock, Tracker } from './tracker.ts'
