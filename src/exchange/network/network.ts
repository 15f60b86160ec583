import type { PeerIdText } from '../../model/index.ts'

/**
 * A stream of bytes to or from a peer. Calls never wait; what happens comes through the events.
 */
export interface ExchangeStream {
  /** Bytes given to `send` that the transport has not taken yet. */
  readonly unsentBytes: number
  /** Must be called once, at once: bytes that arrive before are not lost, those after are delivered from here on. */
  listen(events: StreamEvents): void
  /** Queues the parts in order, uncopied: they must not change any more. Throws ExchangeError `stream-closed`. */
  send(parts: readonly Uint8Array[]): void
  /** Ends our half once all that was sent has left. Nothing may be sent after it. */
  finish(): void
  /** Stops reading, so that the peer's window fills. */
  pause(): void
  resume(): void
  /** Ends both directions at once; what is unsent is lost. */
  abort(reason: string): void
}

export interface StreamEvents {
  /** Owned by the receiver from now on. */
  data(chunk: Uint8Array): void
  /** The transport has taken bytes: `unsentBytes` is less than it was. */
  drain(): void
  /** Once, last: the stream ended, whoever ended it. */
  closed(): void
  /** The other side sends nothing more. */
  ended(): void
}

export interface NetworkEvents {
  /** The first connection to a peer is up. */
  connected(peer: PeerIdText): void
  /** The last connection to a peer is gone. */
  disconnected(peer: PeerIdText): void
  inbound(peer: PeerIdText, stream: ExchangeStream): void
}

/** The exchange's view of the network: peers come and go, streams are opened and arrive. */
export interface ExchangeNetwork {
  /** Called once. Peers that are connected already are reported at once. */
  start(events: NetworkEvents): void
  /** No more events after this. Streams that are open stay open; the exchange aborts its own. */
  stop(): void
  /** Rejects with the signal's reason, with ExchangeError `peer-gone` or `unsupported`, or with what the transport says. */
  open(
    peer: PeerIdText,
    options: {
      readonly signal: AbortSignal
      /** Do not wait until the peer has agreed to the protocol: for a stream that is written once and never read. */
      readonly lazy?: boolean
    }
  ): Promise<ExchangeStream>
  /** The peer broke a rule often enough: its connections are closed. */
  penalise(peer: PeerIdText, reason: string): void
}

/** Where connection events come from, when not from libp2p itself. */
export interface PeerEventSource {
  /** Calls back for every change, and at once for every peer that is connected already. Gives a function that ends it. */
  onPeer(listener: { connected(peer: PeerIdText): void; disconnected(peer: PeerIdText): void }): () => void
}
