import type { Height, PeerIdText, SignedAnnouncement } from '../model/index.ts'

/**
 * How announcements reach the feed. Implemented by `p2p/announce` over libp2p. What comes through `onAnnouncement` is authentic:
 * decoded within bounds, its signature checked against the network key of the staked execution node that signed it.
 */
export interface AnnouncementTransport {
  /** To be called once, before the network starts. */
  listen(handlers: AnnouncementHandlers): void
  /** Connected execution nodes. */
  announcers(): readonly PeerIdText[]
  /** Execution nodes of the identity table that are not ejected, connected or not: what a quorum is counted against. */
  stakedAnnouncerCount(): number
  /** Asks one of them to send again what it has in [from, to]. Bounded at the other side; never throws, a lost request is simply repeated. */
  request(peer: PeerIdText, from: Height, to: Height): void
}

export interface AnnouncementHandlers {
  /**
   * `live` is false for what was sent in answer to a request. `signer` is the execution node whose word it is; `peer` sent it, the same
   * one unless it was relayed.
   */
  onAnnouncement(
    from: { readonly peer: PeerIdText; readonly signer: PeerIdText },
    announcement: SignedAnnouncement,
    live: boolean
  ): void
  /** An execution node is connected and tells which heights it offers (both undefined while it has none). */
  onAnnouncer(
    peer: PeerIdText,
    offered: { readonly lowest: Height | undefined; readonly highest: Height | undefined }
  ): void
  onAnnouncerGone(peer: PeerIdText): void
}
