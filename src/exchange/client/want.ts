import type { Blob, BlobCid, DigestKey, PeerIdText } from '../../model/index.ts'
import { encodeCancel, encodeWantBlock } from '../message/encoder.ts'
import type { ChoiceWant } from './peer-choice.ts'

/**
 * - `waiting`: the table is full; its turn comes.
 * - `pending`: nobody is asked; somebody is chosen as soon as possible.
 * - `resting`: a round found nobody; the timer starts the next one.
 * - `asked`: a want-block waits to leave for the owner.
 * - `sent`: it has left; the acknowledgement clock runs.
 * - `acked`: the owner answered and owes the block; the hard limit runs.
 * - `shared`: several peers are asked at once (`classic`).
 * - `done`: delivered, or given up by all who waited.
 */
export type WantState = 'waiting' | 'pending' | 'resting' | 'asked' | 'sent' | 'acked' | 'shared' | 'done'

/** Tells sessions apart, and carries nothing. */
export type SessionToken = object

export interface Waiter {
  deliver(blob: Blob): void
  fail(error: Error): void
}

/** One blob that is wanted, by however many. Invariant: `asked`, `sent` and `acked` have an owner, all others have none. */
export class Want implements ChoiceWant {
  readonly cid: BlobCid
  readonly key: DigestKey
  readonly wantEntry: Uint8Array
  readonly cancelEntry: Uint8Array
  readonly waiters = new Set<Waiter>()
  readonly tried = new Set<PeerIdText>()
  /** Sessions that want it, or did while it was wanted. */
  readonly sessions = new Set<SessionToken>()
  /** Asked at any time; no more than there are peers in the table. */
  readonly asked = new Set<PeerIdText>()
  /** The owner was sent the want more than once: an answer to the first leaves the second in its ledger. */
  askedAgain = false
  /** Acknowledged, and did not deliver in time. */
  readonly passedOver = new Set<PeerIdText>()
  origins: readonly PeerIdText[] = []
  hot = false
  state: WantState = 'waiting'
  owner: PeerIdText | undefined
  sizeEstimate = 0
  /** What the owner was charged with. */
  charged = 0
  patienceMs = 0
  ackedBy: 'none' | 'have' | 'dont-have' = 'none'
  /** Attended time of the last change of state. */
  since = 0
  /** The clock's time. */
  readonly createdAt: number
  sentAt = 0
  lastAnswerAt: number | undefined
  asks = 0
  round = 0
  timer: { cancel(): void } | undefined

  constructor(cid: BlobCid, now: number) {
    const bytes = cid.toBytes()
    this.cid = cid
    this.key = cid.key
    this.createdAt = now
    this.wantEntry = encodeWantBlock(bytes)
    this.cancelEntry = encodeCancel(bytes)
  }

  addOrigins(origins: readonly PeerIdText[]): void {
    const fresh = origins.filter((origin) => !this.origins.includes(origin))
    if (fresh.length > 0) this.origins = [...this.origins, ...fresh].slice(0, MAX_ORIGINS)
  }
}

/** Announcers remembered for a want; more would not find it sooner. */
const MAX_ORIGINS = 16
