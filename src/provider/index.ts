/** The execution node's side: block data in, blob trees and announcements out. */
export {
  type AnnouncementArchive,
  type AnnouncementLog,
  type AnnouncementLogComponents,
  openAnnouncementLog
} from './announcement-log.ts'
export { defaultRelayLogOptions, openRelayLog, type RelayLog } from './relay-log.ts'
export type { ProviderErrorCode } from './errors.ts'
export type { IngestCounts } from './ingest.ts'
export { createProviderMetrics, createRelayMetrics, type ProviderMetrics } from './metrics.ts'
export {
  type AnnouncementLogOptions,
  defaultProviderOptions,
  type ProviderOptions,
  validateProviderOptions
} from './options.ts'
export type { ProviderComponents, TreeCheck, TreeManifest } from './ports.ts'
export { createProvider, type Provider, type ProviderStall, type ProviderStatus } from './provider.ts'
