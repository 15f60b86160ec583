/** Where sealed blocks come from: announcements of execution nodes, Flow's Access API, or a file. */
export type { AnnouncementHandlers, AnnouncementTransport } from './announcement-transport.ts'
export { AnnouncementsFeed, type AnnouncementsFeedComponents } from './announcements-feed.ts'
export { openBlockList } from './block-list/file.ts'
export type { FeedErrorCode } from './errors.ts'
export type { SealedBlockFeed } from './feed.ts'
export { FileFeed, type FileFeedComponents } from './file-feed.ts'
export type { AccessHost, CallOptions, SealedHeader } from './flow-access/access-host.ts'
export { loadAccessHosts } from './flow-access/load.ts'
export { FlowAccessFeed, type FlowAccessFeedComponents } from './flow-access-feed.ts'
export { createFeedMetrics, type FeedMetrics } from './metrics.ts'
export {
  type AnnouncementsFeedOptions,
  type BlockListOptions,
  defaultAnnouncementsFeedOptions,
  defaultBlockListOptions,
  defaultFileFeedOptions,
  defaultFlowAccessOptions,
  type FileFeedOptions,
  type FlowAccessOptions,
  validateAnnouncementsFeedOptions,
  validateFileFeedOptions
} from './options.ts'
