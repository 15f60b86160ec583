import { P2pError } from '../errors.ts'
import { MAX_SIGNED_ANNOUNCEMENT_BYTES } from './codec.ts'

/** Bytes that count as one announcement in the rates: a hint of 64 CIDs takes as long to read as a signature to check. */
export const BYTES_PER_TOKEN = 2_048
const LARGEST_TOKENS = Math.ceil(MAX_SIGNED_ANNOUNCEMENT_BYTES / BYTES_PER_TOKEN)

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
  /**
   * Announcements of one peer whose signature is checked, per second, and at once: each costs some 0.1 ms. One of more than
   * 2 KiB counts once for each 2 KiB, since its hint takes longer to read than its signature to check.
   */
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
  verificationsBurst: 4_096,
  repeatsPerSecond: 512,
  repeatsBurst: 4_096,
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
  for (const option of ['verificationsBurst', 'repeatsBurst'] as const) {
    if (options[option] < LARGEST_TOKENS) fail(option, `below ${LARGEST_TOKENS} the largest announcement never passes`)
  }
  if (options.repeatsBurst < options.maxReplayHeights) {
    fail('repeatsBurst', 'below maxReplayHeights a repeated replay would be dropped in the middle')
  }
  if (options.reopenMaxMs < options.reopenInitialMs) fail('reopenMaxMs', 'must not be below reopenInitialMs')
}
