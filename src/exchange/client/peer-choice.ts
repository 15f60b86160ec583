import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { PeerState } from './peer-state.ts'

/** The staked nodes that may be asked: not ejected, this node itself included. The same object while nothing changes. */
export interface PeerDirectory {
  readonly access: readonly PeerIdText[]
  readonly execution: readonly PeerIdText[]
}

/** What a choice looks at in a want. */
export interface ChoiceWant {
  readonly key: DigestKey
  readonly hot: boolean
  readonly origins: readonly PeerIdText[]
  /** Asked in this round, without success. */
  readonly tried: ReadonlySet<PeerIdText>
  /** Bytes it is taken to have. */
  readonly sizeEstimate: number
}

/**
 * - `ask`: send this peer a want-block. `patienceMs`: how long its DONT_HAVE may stand for "will push"; 0 means not at all.
 * - `busy`: all who could be asked have enough to do; again when one of them is done.
 * - `nobody`: the round is over.
 */
export type Choice =
  | { readonly kind: 'ask'; readonly peer: PeerIdText; readonly patienceMs: number }
  | { readonly kind: 'busy' }
  | { readonly kind: 'nobody' }

/** Who is asked for a blob next. Pure: the same want, peers and time give the same answer. */
export interface PeerChoice {
  /** Whether the peer is ever asked for anything. */
  knows(peer: PeerIdText): boolean
  next(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice
}
