/** Where sealed blocks come from: announcements of execution nodes, or a file. */
export type { AnnouncementHandlers, AnnouncementTransport } from './announcement-transport.ts'
export { AnnouncementsFeed, type AnnouncementsFeedComponents } from './announcements-feed.ts'
export { openBlockList } from './block-list/file.ts'
export type { FeedErrorCode } from './errors.ts'
export type { SealedBlockFeed } from './feed.ts'
export { FileFeed, type FileFeedComponents } from './file-feed.ts'
export { createFeedMetrics, type FeedMetrics } from './metrics.ts'
export {
  type AnnouncementsFeedOptions,
  type BlockListOptions,
  defaultAnnouncementsFeedOptions,
  defaultBlockListOptions,
  defaultFileFeedOptions,
  type FileFeedOptions,
  validateAnnouncementsFeedOptions,
  validateFileFeedOptions
} from './options.ts'
