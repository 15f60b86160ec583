import { P2pError } from '../errors.ts'

export interface AnnounceOptions {
  /** Heights that one request may bring; the asker asks again for the rest. Bounds the reads that a peer can order at once. */
  readonly maxReplayHeights: number
  /** Requests of one peer that wait while another is served. Further ones are answered as not served. */
  readonly maxQueuedRequests: number
  /** Requests of one peer per second, and at once. Each costs a scan of the log. */
  readonly requestsPerSecond: number
  readonly requestsBurst: number
  /**
   * Live announcements that wait for one slow peer; the oldest is dropped beyond, and the peer asks for its range. The
   * bytes are shared by all peers.
   */
  readonly maxQueuedLive: number
  /** Announcements of one peer whose signature is checked, per second, and at once: each costs some 0.1 ms. */
  readonly verificationsPerSecond: number
  readonly verificationsBurst: number
  /** Repeated announcements of one peer that are looked at, per second, and at once. */
  readonly repeatsPerSecond: number
  readonly repeatsBurst: number
  /** Verified announcements remembered for each peer, so that a repeated one is not verified again: 32 bytes each. */
  readonly rememberedPerPeer: number
  /** Faults of one peer within `faultWindowMs` before it is disconnected for a cooldown. */
  readonly maxFaults: number
  readonly faultWindowMs: number
  /** Opening a stream with its negotiation that takes longer, ms, has failed. */
  readonly openTimeoutMs: number
  /** First and longest pause, ms, before the stream to a connected peer is opened again. */
  readonly reopenInitialMs: number
  readonly reopenMaxMs: number
}

export const defaultAnnounceOptions: AnnounceOptions = Object.freeze({
  maxReplayHeights: 512,
  maxQueuedRequests: 4,
  requestsPerSecond: 8,
  requestsBurst: 16,
  maxQueuedLive: 64,
  verificationsPerSecond: 1_000,
  verificationsBurst: 2_048,
  repeatsPerSecond: 512,
  repeatsBurst: 2_048,
  rememberedPerPeer: 2_048,
  maxFaults: 3,
  faultWindowMs: 600_000,
  openTimeoutMs: 10_000,
  reopenInitialMs: 200,
  reopenMaxMs: 30_000
})

/** Throws P2pError `option-invalid` (details: `option`) and says what would break. */
export function validateAnnounceOptions(options: AnnounceOptions): void {
  const fail = (option: string, why: string): never => {
    throw new P2pError('option-invalid', `announce.${option}: ${why}`, { details: { option } })
  }
  for (const [option, value] of Object.entries(options)) {
    if (!Number.isFinite(value) || value <= 0) fail(option, 'must be more than 0')
  }
  if (options.verificationsBurst < options.maxReplayHeights) {
    fail('verificationsBurst', 'below maxReplayHeights a replay would be dropped in the middle')
  }
  if (options.repeatsBurst < options.maxReplayHeights) {
    fail('repeatsBurst', 'below maxReplayHeights a repeated replay would be dropped in the middle')
  }
  if (options.reopenMaxMs < options.reopenInitialMs) fail('reopenMaxMs', 'must not be below reopenInitialMs')
}
