export { AnnounceClient, type AnnounceNetwork } from './client.ts'
export {
  decodeSigned,
  decodeSignedBytes,
  encodeSigned,
  MAX_SIGNED_ANNOUNCEMENT_BYTES,
  signAnnouncement,
  signedBytesOf,
  verifyAnnouncement
} from './codec.ts'
export { ANNOUNCE_PROTOCOL } from './frames.ts'
export { type AnnounceMetrics, createAnnounceMetrics } from './metrics.ts'
export { type AnnounceOptions, defaultAnnounceOptions, validateAnnounceOptions } from './options.ts'
export { type AnnounceComponents, createAnnounceClient, createAnnounceServer } from './over-host.ts'
export { type AnnouncementBroadcaster, type AnnouncementLog, AnnounceServer } from './server.ts'
export type { AnnounceStream, AnnounceStreamListener } from './stream.ts'
