import type { DigestKey } from '../../model/index.ts'

/**
 * The CID forms that the exchange speaks: CIDv0 (Flow's) and CIDv1 raw. Inside, everything is keyed by the digest; an
 * answer carries the form that was asked for.
 */
export const CID_V0 = 0
export const CID_V1_RAW = 1
export type CidForm = typeof CID_V0 | typeof CID_V1_RAW

export interface WantEntry {
  readonly key: DigestKey
  readonly form: CidForm
  readonly wantType: 'block' | 'have'
  readonly cancel: boolean
  readonly sendDontHave: boolean
  /** The asker takes a HAVE as "queued" (field 15, which other implementations skip as unknown). */
  readonly ackQueued: boolean
}

export interface Presence {
  readonly key: DigestKey
  readonly have: boolean
}

/** What a message said besides its blocks, given when it has been read to its end. */
export interface MessageSummary {
  readonly entries: readonly WantEntry[]
  readonly presences: readonly Presence[]
  /** The list replaces all earlier wants of this peer. */
  readonly full: boolean
  /** The sender winds down: it serves what it has, and fetches nothing new (field 15 of the wantlist). Holds for the connection. */
  readonly windingDown?: true
  /** Entries and presences beyond the limit, or with a CID that is too long or of a kind the exchange does not speak. */
  readonly refused: number
}

/** A block whose bytes have all arrived, hashed on the way. Nothing says yet that anybody wants it. */
export interface ReceivedBlock {
  readonly key: DigestKey
  readonly digest: Uint8Array
  readonly length: number
  /** The bytes in one buffer of their own. Costs a copy: call it for a wanted block only, once, before returning. */
  assemble(): Uint8Array
}

/** Where the decoder reports to, in wire order. */
export interface DecoderSink {
  /** Asked before the body. `skip` lets the bytes pass unhashed and unkept. */
  blockStart(length: number): 'take' | 'skip'
  /** So many bytes of the present block were read. */
  blockBytes(count: number): void
  blockEnd(block: ReceivedBlock): void
  /** A block of `length` bytes was skipped to its end. */
  blockSkipped(length: number): void
  message(summary: MessageSummary): void
}

export interface DecoderLimits {
  readonly maxMessageBytes: number
  readonly maxBlockBytes: number
  readonly maxEntriesPerMessage: number
}
