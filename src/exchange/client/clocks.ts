import type { ClientOptions } from '../options.ts'
import type { PeerState } from './peer-state.ts'
import type { Want } from './want.ts'

/** Most that a peer's queue may lengthen a hard limit, ms: a hot blob is waited for by others in turn. */
const HOT_ALLOWANCE_MS = 1000
const COLD_ALLOWANCE_MS = 10_000
/** How soon to look again while a block is arriving that may be the one. */
const RECEIVING_LOOK_MS = 100

/**
 * When a want moves on from its owner, in attended time. Three clocks, none of which mixes block sizes into a round trip:
 *
 * - acknowledgement: from the want's leaving, or from the last byte the peer delivered, a few round trips. A silent peer
 *   cannot have data on its way, so moving on then costs no duplicate.
 * - progress: the inbound reader's; it resets a stream whose block stalls, and the want moves on with it.
 * - hard limit: from the acknowledgement, plus the time for what the peer was asked before. It must lie above nearly
 *   every honest delivery.
 */
export function wantDeadline(want: Want, peer: PeerState, options: ClientOptions): number {
  if (want.state === 'asked') return want.since + options.unsentMs
  const most = want.hot ? HOT_ALLOWANCE_MS : COLD_ALLOWANCE_MS
  const allowance = Math.min(most, peer.queueAllowanceMs(options.minRateBytes))
  if (want.state === 'sent') {
    const quiet = Math.max(want.since, peer.lastDataAt) + peer.ackMs
    return Math.min(quiet, want.since + options.hardLimitMs + allowance)
  }
  return want.ackedBy === 'have'
    ? want.since + options.hardLimitMs + allowance
    : want.since + Math.max(want.patienceMs, 0) + Math.min(allowance, want.patienceMs)
}

/** Milliseconds until the want is to be looked at again; 0 when its time is up. */
export function wantDelay(
  want: Want,
  peer: PeerState,
  now: { readonly at: number; readonly options: ClientOptions }
): number {
  const deadline = wantDeadline(want, peer, now.options)
  if (now.at < deadline) return deadline - now.at
  const arriving = want.state !== 'asked' && peer.receivingSince >= 0 && peer.receivingSince <= deadline
  return arriving ? RECEIVING_LOOK_MS : 0
}
