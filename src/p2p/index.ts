/** The network: who the nodes are, the libp2p host that connects them, the wire of announcements. */
export type { AnnounceClient } from './announce/client.ts'
export {
  decodeSigned,
  decodeSignedBytes,
  encodeSigned,
  MAX_SIGNED_ANNOUNCEMENT_BYTES,
  signAnnouncement,
  signedBytesOf,
  verifyAnnouncement
} from './announce/codec.ts'
export type { AnnouncerTable } from './announce/receiver.ts'
export { type AnnounceMetrics, createAnnounceMetrics } from './announce/metrics.ts'
export { type AnnounceOptions, defaultAnnounceOptions, validateAnnounceOptions } from './announce/options.ts'
export { type AnnounceComponents, createAnnounceClient, createAnnounceServer } from './announce/over-host.ts'
export type { AnnounceServer, AnnouncementBroadcaster, AnnouncementLog } from './announce/server.ts'
export { P2pError, type P2pErrorCode } from './errors.ts'
export {
  createHost,
  Host,
  type HostComponents,
  type HostPeer
} from './host.ts'
export type { P256PublicKey } from './identity-keys/p256.ts'
export { type HostPort, parseHostPort, toMultiaddrText } from './identity-table/address.ts'
export {
  type IdentityEntry,
  identityEntryFor,
  MAX_IDENTITY_FILE_BYTES,
  parseIdentities,
  readIdentities
} from './identity-table/parse.ts'
export { type IdentityFile, IdentityWatch, identityFile } from './identity-table/watch.ts'
export { IdentityTable, type StakedSet, type TableChange } from './identity-table/table.ts'
export type { HostTable } from './host-table.ts'
export { createP2pMetrics, type P2pMetrics } from './metrics.ts'
export { createGuestMetrics, createPublicP2pMetrics } from './public/metrics.ts'
export {
  defaultGuestOptions,
  GuestGater,
  type GuestOptions,
  GuestTable
} from './public/guests.ts'
export {
  generateNetworkKey,
  importNetworkKey,
  importObserverKey,
  type NetworkKey,
  networkKeyFromScalar,
  networkPublicKey,
  peerIdOf,
  readNetworkKey,
  readObserverKey,
  writeNetworkKey
} from './network-key.ts'
export { generateObserverKey, type ObserverKey } from './observer-key.ts'
export {
  defaultHostOptions,
  defaultPeerManagerOptions,
  type HostOptions,
  type PeerManagerOptions,
  type Security,
  validateHostOptions
} from './options.ts'
export type { PeerEvent, PeerManager, PeerStatus } from './peer-manager.ts'
export { type Dht, type DhtComponents, loadDht } from './routing/dht.ts'
export { createDhtMetrics } from './routing/metrics.ts'
export { defaultDhtOptions, type DhtOptions } from './routing/options.ts'
export { MemoryRecords, StoredRecords } from './routing/record-table.ts'
export type { StreamCount } from './stream-counter.ts'
