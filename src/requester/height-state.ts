import type { Height, SealedBlock } from '../model/index.ts'
import { RequesterError } from './errors.ts'

/** Known from the feed; starts when it is due and its turn comes. */
export interface WaitingHeight {
  readonly kind: 'waiting'
  readonly block: SealedBlock
  /** How many tries have failed. */
  readonly attempt: number
  /** Not before, by the clock's `now`. */
  readonly dueAt: number
  readonly hot: boolean
  /** The last try failed because every peer said it has it no more. */
  readonly gone: boolean
}

/** One try is under way. */
export interface RunningHeight {
  readonly kind: 'running'
  readonly block: SealedBlock
  readonly attempt: number
  readonly hot: boolean
  readonly startedAt: number
  /** What it is expected to bring, bytes. */
  readonly reservedBytes: number
  readonly controller: AbortController
  /** The block to be fetched instead, as soon as this try has ended: two tries for one height never overlap. */
  readonly successor: SealedBlock | undefined
}

/** Verified, stored, tracked and decoded. */
export interface HeldHeight {
  readonly kind: 'held'
  readonly block: SealedBlock
  readonly bytes: number
}

/** Malformed: not asked for again unless the feed settles on another block. */
export interface HaltedHeight {
  readonly kind: 'halted'
  readonly block: SealedBlock
  readonly message: string
  readonly sinceMs: number
  /** The quorum agrees that this is the block: nothing but a restart tries it again. */
  readonly confirmed: boolean
}

/** What is known of one height above the consecutive one. A height that is in no state has not been given by the feed yet. */
export type HeightState = WaitingHeight | RunningHeight | HeldHeight | HaltedHeight

/** Where a height may go from each state; every change of a state passes here. */
const TRANSITIONS: Readonly<Record<HeightState['kind'] | 'unknown', readonly HeightState['kind'][]>> = {
  unknown: ['waiting'],
  // waiting → waiting: another block, or a better hint for the same one
  waiting: ['running', 'waiting'],
  // running → running: a successor is noted
  running: ['running', 'held', 'waiting', 'halted'],
  held: ['waiting'],
  // halted → halted: the quorum confirmed it
  halted: ['waiting', 'halted']
}

/** Throws RequesterError `illegal-transition`. */
export function checkTransition(height: Height, from: HeightState | undefined, to: HeightState): void {
  const kind = from?.kind ?? 'unknown'
  if (TRANSITIONS[kind].includes(to.kind)) return
  throw new RequesterError('illegal-transition', `height ${height} cannot go from ${kind} to ${to.kind}`, {
    details: { height, from: kind, to: to.kind }
  })
}

/** The block without its hint: what outlives the download holds no lists. */
export function withoutHint(block: SealedBlock): SealedBlock {
  const { hint: _hint, ...rest } = block
  return rest
}
