import type { DigestKey } from '../../model/index.ts'
import type { Presence } from '../message/types.ts'
import type { PeerState } from './peer-state.ts'
import type { SessionToken, Want } from './want.ts'

/**
 * Who is asked for a blob, and when another: the part of the client in which `assigned` and `classic` differ. Told of
 * everything in the turn in which it happens; speaks to peers through their links.
 */
export interface Policy {
  /** The want is new, or has a new waiter, of this session. */
  wanted(want: Want, session: SessionToken): void
  connected(state: PeerState): void
  /** Called while the state is still among the peers. */
  disconnected(state: PeerState): void
  /** These entries have left for the peer. */
  wantsLeft(state: PeerState, keys: readonly DigestKey[]): void
  /** The peer's control stream broke: what was on it may be lost. */
  controlLost(state: PeerState): void
  /** A stream of the peer broke: what it has said on it may be lost. */
  answersLost(state: PeerState): void
  /** A message of the peer: these it has, or has not. */
  presences(state: PeerState, presences: readonly Presence[]): void
  /** The peer fetches nothing new from here on: what is new and was asked of it is to come from another. */
  windingDown(state: PeerState): void
  /** A block begins to arrive that may be one that it was asked for. */
  arriving(state: PeerState): void
  /** The blob is here, from a peer or by another way: nobody else is to send it. */
  delivered(want: Want, from: PeerState | undefined): void
  /** Nobody waits for it any more. */
  abandoned(want: Want): void
  /** A block of the peer broke off, by its own fault when `blame`; which one cannot be known. */
  brokenOff(state: PeerState, blame: boolean): void
  /** The peer sent a block that it cannot have been asked for. */
  wrong(state: PeerState): void
  /** A wanted block of `bytes` came, from a peer that is still there within `ms` of its first byte. */
  came(bytes: number, from: PeerState | undefined, ms: number): void
  /** Milliseconds until somebody else is asked, when that is known. */
  nextTryMs(want: Want): number | undefined
  /** Whether an owner, a timer or its turn will move the want on. Always true; for invariants. */
  attended(want: Want): boolean
  stop(): void
}
