/** Follows the feed, keeps heights downloaded, hands them on in order. */
export { PROGRESS } from './checkpoint.ts'
export { RequesterError, type RequesterErrorCode } from './errors.ts'
export type { LatencySummary } from './latency-sketch.ts'
export { createRequesterMetrics, type RequesterMetrics } from './metrics.ts'
export type { NotificationWait } from './notifier.ts'
export { defaultRequesterOptions, type RequesterOptions, validateRequesterOptions } from './options.ts'
export type {
  BlockListener,
  DownloadPort,
  FailureKind,
  Fetching,
  ProgressStore,
  RequesterComponents,
  TreeManifest
} from './ports.ts'
export { type ProgressSnapshot, progressLine } from './progress-line.ts'
export {
  createProgressReporter,
  defaultProgressReporterOptions,
  type ProgressReading,
  type ProgressReporter,
  type ProgressReporterOptions
} from './progress-reporter.ts'
export { createRequester, type Requester } from './requester.ts'
export type { Halt, RequesterStatus, Stall, StallReason } from './status.ts'
