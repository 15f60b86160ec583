import type { PeerIdText } from '../model/index.ts'
import type { ExchangeStatus } from './exchange.ts'
import type { ExchangeTotals } from './metrics.ts'

/** The counts as `status` gives them. */
export function exchangeStatus(
  totals: ExchangeTotals,
  now: { readonly liveWants: number; readonly rttMs: ReadonlyMap<PeerIdText, number> }
): ExchangeStatus {
  return {
    payloadBytes: {
      received: totals.usefulBytes + totals.duplicateBytes + totals.partialBytes,
      useful: totals.usefulBytes,
      duplicate: totals.duplicateBytes,
      partial: totals.partialBytes,
      sent: totals.sentBytes
    },
    blobs: {
      received: totals.usefulBlocks + totals.duplicateBlocks,
      unique: totals.usefulBlocks,
      duplicate: totals.duplicateBlocks,
      sent: totals.sentBlocks
    },
    wants: {
      sent: totals.wantsSent,
      cancelled: totals.wantsCancelled,
      hedged: totals.wantsHedged,
      timedOut: totals.wantsTimedOut,
      live: now.liveWants
    },
    streams: {
      opened: totals.streamsInbound + totals.streamsOutbound,
      inbound: totals.streamsInbound,
      outbound: totals.streamsOutbound,
      open: totals.openInbound + totals.openOutbound,
      openMax: totals.openMax,
      refused: totals.streamsRefused
    },
    messages: { received: totals.messagesReceived, sent: totals.messagesSent },
    rttMs: now.rttMs
  }
}
