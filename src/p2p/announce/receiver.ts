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
import type { IdentityTable } from '../identity-table/table.ts'
import { TokenBucket } from '../token-bucket.ts'
import { decodeSignedBytes, splitSigned, verifyAnnouncement } from './codec.ts'
import type { AnnounceMetrics } from './metrics.ts'
import { type AnnounceOptions, BYTES_PER_TOKEN } from './options.ts'

export interface ReceiverComponents {
  readonly table: Pick<IdentityTable, 'mayAnnounce' | 'publicKeyOf'>
  readonly clock: Clock
  readonly metrics: Pick<AnnounceMetrics, 'repeats' | 'verifications' | 'overRate'>
}

export type Fault = 'wrong-role' | 'malformed' | 'bad-signature'

export type Verdict =
  | { readonly type: 'accept'; readonly announcement: SignedAnnouncement }
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
    if (!table.mayAnnounce(this.#peer)) return fault('wrong-role', 'not a staked execution node')
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
      if (!repeated && !this.#verify(parts)) return fault('bad-signature', 'the signature is not the sender’s')
      const announcement = { ...decodeSignedBytes(parts.signedBytes), ...parts }
      if (!repeated) this.#remembered.add(print)
      return { type: 'accept', announcement }
    } catch (error) {
      if (error instanceof P2pError) return fault('malformed', error.message)
      throw error
    }
  }

  /** Before the fields are read: building thousands of CIDs costs many times what the signature does. */
  #verify(parts: Pick<SignedAnnouncement, 'signedBytes' | 'signature'>): boolean {
    const { table, metrics } = this.#components
    const key = table.publicKeyOf(this.#peer)
    metrics.verifications.inc()
    return key !== undefined && verifyAnnouncement(key, parts)
  }
}

const fault = (kind: Fault, why: string): Verdict => ({ type: 'fault', fault: kind, why })

/** The last prints; the oldest goes first. */
class Remembered {
  readonly #capacity: number
  readonly #prints = new Set<string>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  has(print: string): boolean {
    return this.#prints.has(print)
  }

  add(print: string): void {
    if (this.#prints.size >= this.#capacity) {
      for (const oldest of this.#prints) {
        this.#prints.delete(oldest)
        break
      }
    }
    this.#prints.add(print)
  }
}
