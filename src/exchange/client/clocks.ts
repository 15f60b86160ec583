import type { ClientOptions } from '../options.ts'
import type { PeerState } from './peer-state.ts'
import type { Want } from './want.ts'

/** Most that a peer's queue may lengthen a hard limit, ms: a hot blob is waited for by others in turn. */
const HOT_ALLOWANCE_MS = 1000
const COLD_ALLOWANCE_MS = 10_000
/** How soon to look again while a block is arriving that may be the one. */
const RECEIVING_LOOK_MS = 100

export interface ClockLimits {
  /** Attended time now, and the clock's. */
  readonly at: number
  readonly now: number
  /** The least acknowledgement time, from `AckFloor`. */
  readonly ackFloorMs: number
  readonly options: ClientOptions
  /** The hard limit of hot wants, from `HotLimit`. */
  readonly hotLimitMs: number
}

/**
 * The hard limit of hot wants, learned: far above what deliveries take here and now, and no higher than the option. A
 * fixed one would have to allow for the slowest network, and every parent that acknowledges and does not deliver would
 * cost all of it. Only first asks count (Karn's rule): a late delivery of a moved want says nothing about its first peer.
 */
export class HotLimit {
  readonly #options: ClientOptions
  #mean = 0
  #deviation = 0

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** A hot blob came `ms` after it was wanted, from the first peer asked. */
  sample(ms: number): void {
    if (this.#mean === 0) {
      this.#mean = ms
      this.#deviation = ms / 2
      return
    }
    this.#deviation += (Math.abs(ms - this.#mean) - this.#deviation) / 16
    this.#mean += (ms - this.#mean) / 16
  }

  get ms(): number {
    const { hotLimitFloorMs, hardLimitMs } = this.#options
    if (this.#mean === 0) return hardLimitMs
    return Math.min(hardLimitMs, Math.max(hotLimitFloorMs, this.#mean + 8 * this.#deviation))
  }
}

/**
 * When a want moves on from its owner, in attended time. Three clocks, none of which mixes block sizes into a round trip:
 *
 * - acknowledgement: from the want's leaving, or from the last word or byte of the peer, see `AckClock`. A silent peer
 *   cannot have data on its way, so moving on then costs no duplicate.
 * - progress: the inbound reader's; it resets a stream whose block stalls, and the want moves on with it.
 * - hard limit: from the acknowledgement, plus the time for what the peer was asked before. It must lie above nearly
 *   every honest delivery.
 */
function wantDeadline(want: Want, peer: PeerState, limits: ClockLimits): number {
  const { options } = limits
  if (want.state === 'asked') return want.since + options.unsentMs
  const most = want.hot ? HOT_ALLOWANCE_MS : COLD_ALLOWANCE_MS
  const allowance = Math.min(most, peer.queueAllowanceMs(options.minRateBytes))
  const hard = want.hot ? limits.hotLimitMs : options.hardLimitMs
  if (want.state === 'sent') {
    const quiet = Math.max(want.since, peer.lastWordAt) + peer.ack.ms(limits.now, limits.ackFloorMs, options)
    return Math.min(quiet, want.since + hard + allowance)
  }
  if (want.ackedBy === 'have') return want.since + hard + allowance
  const patience = Math.min(want.patienceMs, hard)
  return want.since + patience + Math.min(allowance, patience)
}

/** Milliseconds until the want is to be looked at again; 0 when its time is up. */
export function wantDelay(want: Want, peer: PeerState, now: ClockLimits): number {
  const deadline = wantDeadline(want, peer, now)
  if (now.at < deadline) return deadline - now.at
  const arriving = want.state !== 'asked' && peer.receivingSince >= 0 && peer.receivingSince <= deadline
  return arriving ? RECEIVING_LOOK_MS : 0
}
