import type { NodeIdentity, PeerIdText } from '../model/index.ts'
import type { Timer } from '../util/index.ts'
import type { Direction } from './metrics.ts'

/** What the peer manager keeps of each peer. */

/** One authenticated connection. */
export interface PeerLink {
  readonly id: string
  readonly peer: PeerIdText
  readonly direction: Direction
  close(why: string): void
}

export interface HeldLink {
  readonly link: PeerLink
  readonly openedAt: number
}

export interface PeerState {
  identity: NodeIdentity
  /** Whether this node dials without waiting for the other. */
  readonly ours: boolean
  /** Oldest first. */
  readonly links: HeldLink[]
  failures: number
  timer: Timer | undefined
  settle: Timer | undefined
  dial: AbortController | undefined
}

export class DialTimeout extends Error {
  constructor() {
    super('the dial took too long')
    this.name = 'DialTimeout'
  }
}
