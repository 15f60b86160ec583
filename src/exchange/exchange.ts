import type { Blob, BlobCid, PeerIdText } from '../model/index.ts'
import type { Service } from '../util/index.ts'

/**
 * Gets blobs from peers and serves them to peers. All sessions share one want table keyed by digest: a blob that two sessions
 * want is fetched once.
 */
export interface Exchange extends Service {
  createSession(options: ExchangeSessionOptions): ExchangeSession
  /** The node now has these blobs (the store answers for them): peers that registered a want get them at once. */
  notifyNewBlobs(cids: readonly BlobCid[]): void
  /** Tells all peers, now and as they connect, that this node serves what it has and fetches nothing new; they ask others for it. */
  windDown(): void
  status(): ExchangeStatus
  /** What is known about a want that has not been answered, for stall reports. */
  wantState(cid: BlobCid): WantState | undefined
}

export interface ExchangeSessionOptions {
  /** Nodes known to hold the blobs (the announcers), best first. */
  readonly origins?: readonly PeerIdText[]
  /** `hot`: just announced, only its makers hold it yet; `cold`: old, every node should hold it. */
  readonly temperature: 'hot' | 'cold'
}

export interface ExchangeSession {
  /**
   * Resolves with the verified blob. Asks peers in turn for as long as it takes; rejects only with the signal's reason, or with
   * ExchangeError `stopped`. Any number may wait for the same blob; the last waiter that aborts cancels the want.
   */
  fetch(cid: BlobCid, options: { readonly signal: AbortSignal }): Promise<Blob>
  /**
   * As `fetch`, but gives the blob to `take` in the turn in which it was verified, and resolves with what that returns; rejects with
   * what it throws.
   *
   * For whoever gets many: a promise that was waited for is old, and what it was resolved with stays in memory until V8's next full
   * collection, for which 64 MiB of such blobs are the cause. Given in this way, a blob that is not kept goes with the young generation.
   */
  fetchInto<T>(
    cid: BlobCid,
    options: { readonly signal: AbortSignal; readonly take: (blob: Blob) => T | PromiseLike<T> }
  ): Promise<T>
}

/** Says who has a blob, for wants that nobody answers, and is told what this node has. A network without look-ups has none. */
export interface ProviderRouter {
  /** This node has these now. Returns at once. */
  provide(cids: readonly BlobCid[]): void
  /** Peers that are said to have the blob, as they become known. Ends by itself; throws when the look-up fails. */
  findProviders(cid: BlobCid, options: { readonly signal: AbortSignal }): AsyncIterable<PeerIdText>
}

export interface WantState {
  readonly askedPeers: number
  readonly lastAnswerMsAgo: number | undefined
  readonly nextTryMs: number | undefined
}

/** Counts since start, taken where a message is read or written. */
export interface ExchangeStatus {
  readonly payloadBytes: {
    readonly received: number
    readonly useful: number
    readonly duplicate: number
    readonly partial: number
    readonly sent: number
  }
  readonly blobs: {
    readonly received: number
    readonly unique: number
    readonly duplicate: number
    readonly sent: number
  }
  readonly wants: {
    readonly sent: number
    readonly cancelled: number
    readonly hedged: number
    readonly timedOut: number
    readonly live: number
  }
  readonly streams: {
    readonly opened: number
    readonly inbound: number
    readonly outbound: number
    readonly open: number
    readonly openMax: number
    readonly refused: number
  }
  readonly messages: { readonly received: number; readonly sent: number }
  /** Round-trip time by peer, ms, where it has been measured. */
  readonly rttMs: ReadonlyMap<PeerIdText, number>
}
