/** The network: who the nodes are, the libp2p host that connects them, the wire of announcements. */
export {
  ANNOUNCE_PROTOCOL,
  type AnnounceClient,
  type AnnounceComponents,
  type AnnounceMetrics,
  type AnnounceOptions,
  type AnnounceServer,
  type AnnouncementBroadcaster,
  type AnnouncementLog,
  createAnnounceClient,
  createAnnounceMetrics,
  createAnnounceServer,
  decodeSigned,
  decodeSignedBytes,
  defaultAnnounceOptions,
  encodeSigned,
  MAX_SIGNED_ANNOUNCEMENT_BYTES,
  signAnnouncement,
  signedBytesOf,
  validateAnnounceOptions,
  verifyAnnouncement
} from './announce/index.ts'
export { P2pError, type P2pErrorCode } from './errors.ts'
export {
  createHost,
  Host,
  type HostComponents,
  type HostPeer
} from './host.ts'
export { P256PrivateKey, P256PublicKey } from './identity-keys/p256.ts'
export { IDENTITY_KEY_REDIRECTS } from './identity-keys/redirects.ts'
export {
  formatHostPort,
  type HostPort,
  type IdentityEntry,
  IdentityTable,
  identityEntryFor,
  MAX_IDENTITIES,
  MAX_IDENTITY_FILE_BYTES,
  parseHostPort,
  parseIdentities,
  readIdentities,
  type StakedSet,
  type TableChange,
  toMultiaddrText
} from './identity-table/index.ts'
export { createP2pMetrics, type P2pMetrics } from './metrics.ts'
export {
  generateNetworkKey,
  importNetworkKey,
  type NetworkKey,
  networkKeyFromScalar,
  networkPublicKey,
  peerIdOf,
  readNetworkKey,
  verifySignature,
  writeNetworkKey
} from './network-key.ts'
export {
  defaultHostOptions,
  defaultPeerManagerOptions,
  type HostOptions,
  type PeerManagerOptions,
  type Security,
  validateHostOptions
} from './options.ts'
export type { PeerEvent, PeerManager, PeerStatus } from './peer-manager.ts'
export type { StreamCount } from './stream-counter.ts'
