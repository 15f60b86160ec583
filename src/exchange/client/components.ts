import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Clock, Rng, TimerWheel } from '../../util/index.ts'
import type { ProviderRouter } from '../exchange.ts'
import type { ExchangeMetrics } from '../metrics.ts'
import type { PeerDirectory } from './peer-choice.ts'

/** How words reach a connected peer. */
export interface ClientLink {
  queueWant(key: DigestKey, entry: Uint8Array): void
  queueCancel(key: DigestKey, entry: Uint8Array): void
}

export interface ClientComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly wheel: TimerWheel
  readonly metrics: ExchangeMetrics
  readonly selfPeer: PeerIdText
  readonly peerDirectory: () => PeerDirectory
  readonly link: (peer: PeerIdText) => ClientLink | undefined
  /** Resets the streams on which a block of this peer has begun to arrive. */
  readonly dropReceiving: (peer: PeerIdText) => void
  /** How long blocks of ours have been on their way to the peer without a break, ms: a word to it waits behind them. */
  readonly busyMs: (peer: PeerIdText) => number
  readonly penalise: (peer: PeerIdText, reason: string) => void
  /** Of the policy `classic` alone: asked for wants that stall. */
  readonly router?: Pick<ProviderRouter, 'findProviders'>
}
