/**
 * Decides what an announcement that came from a peer is worth, cheapest question first: is the sender a staked execution
 * node, was it said before, is it within the sender's rate, is it signed by the sender, is it well formed.
 *
 * What was verified once is remembered by a hash of its bytes, so saying it again costs that hash and no signature. A
 * repeated live announcement goes no further; a replay is handed on again, since the feed may have asked twice on purpose.
 */
import { hash } from 'node:crypto'
import type { PeerIdText, SignedAnnouncement } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'
import { P2pError } from '../errors.ts'
import type { P256PublicKey } from '../identity-keys/p256.ts'
import { TokenBucket } from '../token-bucket.ts'
import { decodeSignedBytes, splitSigned, verifyAnnouncement } from './codec.ts'
import type { AnnounceMetrics } from './metrics.ts'
import { type AnnounceOptions, BYTES_PER_TOKEN } from './options.ts'

/** Whose announcements count, and who signed them. */
export interface AnnouncerTable {
  /** May send announcements: a staked execution node, or who relays theirs. */
  mayAnnounce(peer: PeerIdText): boolean
  /** Who may have signed what this peer sends: itself, or any execution node where it relays. */
  signersOf(peer: PeerIdText): readonly PeerIdText[]
  publicKeyOf(signer: PeerIdText): P256PublicKey | undefined
}

export interface ReceiverComponents {
  readonly table: AnnouncerTable
  readonly clock: Clock
  readonly metrics: Pick<AnnounceMetrics, 'repeats' | 'verifications' | 'overRate'>
}

export type Fault = 'wrong-role' | 'malformed' | 'bad-signature'

export type Verdict =
  | { readonly type: 'accept'; readonly announcement: SignedAnnouncement; readonly signer: PeerIdText }
  /** Nothing wrong and nothing to hand on: said before, or too much at once. */
  | { readonly type: 'drop' }
  | { readonly type: 'fault'; readonly fault: Fault; readonly why: string }

const DROP: Verdict = Object.freeze({ type: 'drop' })

/** One for each announcing peer; outlives its streams, so that reconnecting does not refill its rates. */
export class AnnouncementReceiver {
  readonly #peer: PeerIdText
  readonly #components: ReceiverComponents
  readonly #remembered: Remembered
  readonly #verifications: TokenBucket
  readonly #repeats: TokenBucket
  #lastSigner: PeerIdText | undefined

  constructor(peer: PeerIdText, components: ReceiverComponents, options: AnnounceOptions) {
    const { clock } = components
    this.#peer = peer
    this.#components = components
    this.#remembered = new Remembered(options.rememberedPerPeer)
    this.#verifications = new TokenBucket(clock, {
      perSecond: options.verificationsPerSecond,
      burst: options.verificationsBurst
    })
    this.#repeats = new TokenBucket(clock, { perSecond: options.repeatsPerSecond, burst: options.repeatsBurst })
  }

  receive(body: Uint8Array, live: boolean): Verdict {
    const { table, metrics } = this.#components
    if (!table.mayAnnounce(this.#peer)) return fault('wrong-role', 'neither a staked execution node nor a relay')
    const print = hash('sha256', body, 'base64')
    const repeated = this.#remembered.has(print)
    if (repeated) metrics.repeats.inc()
    if (repeated && live) return DROP
    const tokens = Math.ceil(body.length / BYTES_PER_TOKEN)
    if (!(repeated ? this.#repeats : this.#verifications).take(tokens)) {
      metrics.overRate.inc({ kind: repeated ? 'repeat' : 'announcement' })
      return DROP
    }
    try {
      const parts = splitSigned(body)
      const signer = this.#remembered.get(print) ?? this.#signer(parts)
      if (signer === undefined)
        return fault('bad-signature', 'the signature is of no execution node that it could be of')
      const announcement = { ...decodeSignedBytes(parts.signedBytes), ...parts }
      if (!repeated) this.#remembered.add(print, signer)
      return { type: 'accept', announcement, signer }
    } catch (error) {
      if (error instanceof P2pError) return fault('malformed', error.message)
      throw error
    }
  }

  /**
   * Before the fields are read: building thousands of CIDs costs many times what the signature does. A relay does not say whose it is;
   * the few execution nodes are tried in turn, the one that was right last first.
   */
  #signer(parts: Pick<SignedAnnouncement, 'signedBytes' | 'signature'>): PeerIdText | undefined {
    const { table, metrics } = this.#components
    const signers = table.signersOf(this.#peer)
    const last = this.#lastSigner
    const order =
      last !== undefined && signers.includes(last) ? [last, ...signers.filter((one) => one !== last)] : signers
    for (const signer of order) {
      const key = table.publicKeyOf(signer)
      metrics.verifications.inc()
      if (key === undefined || !verifyAnnouncement(key, parts)) continue
      this.#lastSigner = signer
      return signer
    }
    return undefined
  }
}

const fault = (kind: Fault, why: string): Verdict => ({ type: 'fault', fault: kind, why })

/** The last prints; the oldest goes first. */
class Remembered {
  readonly #capacity: number
  readonly #prints = new Map<string, PeerIdText>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  has(print: string): boolean {
    return this.#prints.has(print)
  }

  /** Who had signed it. */
  get(print: string): PeerIdText | undefined {
    return this.#prints.get(print)
  }

  add(print: string, signer: PeerIdText): void {
    if (this.#prints.size >= this.#capacity) {
      for (const oldest of this.#prints.keys()) {
        this.#prints.delete(oldest)
        break
      }
    }
    this.#prints.set(print, signer)
  }
}
