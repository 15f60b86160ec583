import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { ClientOptions } from '../options.ts'
import { AckClock, LONGEST_STALL_MS } from './ack-clock.ts'

/** Asked digests a peer is remembered for, so that a copy that crossed our cancel is not held against it. */
const HISTORY = 2048
const HISTORY_MS = 60_000
/** Cold wants denied in a row that show a peer to be without the data, and for how long that is believed. */
const DENIALS = 16
const DOUBT_MS = 10_000

/** Silences in a row, with no want answered in between, after which words are not enough. */
const SILENCES = 4

/**
 * A strike's reason. Every one costs a cooldown; that of `silent` ends with the peer's next word, that of `undelivered` lasts twice as long: who
 * says that the block comes, and sends none, costs each child its hard limit.
 */
export type Strike = 'silent' | 'undelivered' | 'stalled' | 'wrong'

/**
 * What the asking side knows about a connected peer: how fast it answers and delivers, what is outstanding there, and
 * whether it is to be trusted with a want just now. Times are the clock's, except where attended time is said.
 */
export class PeerState {
  readonly peer: PeerIdText
  readonly #options: ClientOptions
  /** Digests this peer is asked for now. */
  readonly outstanding = new Set<DigestKey>()
  readonly ack = new AckClock()
  /** Bytes a second once a block has begun to come, 0 before the first that tells, and when the last block came: see `GivingPace`. */
  givesPerSecond = 0
  gaveAt = 0
  /** Attended time of the last word or block byte, and of the start of the block that is arriving; -1: none. */
  lastWordAt = -1
  receivingSince = -1
  /** It said that it fetches nothing new: what is new is asked of others first. */
  windingDown = false
  /** Cold bytes outstanding, estimated. */
  inFlightBytes = 0
  windowBytes: number
  usefulBytes = 0
  unsolicitedBytes = 0
  readonly #history = new Map<DigestKey, number>()
  #rate = 0
  #busySince = 0
  #lastAskedAt = Number.NEGATIVE_INFINITY
  #strikes = 0
  #silences = 0
  #cooldownUntil = 0
  #denials = 0
  #doubtedUntil = 0
  /** When the want left that it did not answer; since then it has not said a word. */
  #muteSince: number | undefined

  constructor(peer: PeerIdText, options: ClientOptions) {
    this.peer = peer
    this.#options = options
    this.windowBytes = options.peerWindowBytes.initial
  }

  /** Faults since it last delivered. */
  get strikes(): number {
    return this.#strikes
  }

  get rttMs(): number | undefined {
    return this.ack.rttMs
  }

  /** Bytes a second; a guess of 16 MiB/s before anything was delivered. */
  get rate(): number {
    return this.#rate === 0 ? 16_777_216 : this.#rate
  }

  /** Time for what is outstanding at a rate four times worse than usual, ms. */
  queueAllowanceMs(minRate: number): number {
    return (this.inFlightBytes * 1000) / Math.max(minRate, this.rate / 4)
  }

  asked(key: DigestKey, bytes: number, now: number): void {
    if (this.outstanding.size === 0) this.#busySince = now
    this.outstanding.add(key)
    this.inFlightBytes += bytes
    this.#remember(key, now)
  }

  /** The peer knows that the blob is wanted, and may send it unasked: others answer a want-have for little with all of it. */
  told(key: DigestKey, now: number): void {
    this.#remember(key, now)
  }

  /** The digest is not asked of this peer any more. */
  settled(key: DigestKey, bytes: number): void {
    if (!this.outstanding.delete(key)) return
    this.inFlightBytes = this.outstanding.size === 0 ? 0 : Math.max(0, this.inFlightBytes - bytes)
  }

  delivered(bytes: number, now: number): void {
    this.usefulBytes += bytes
    this.#strikes = 0
    this.#silences = 0
    this.#cooldownUntil = 0
    this.#denials = 0
    this.#doubtedUntil = 0
    const { min, max } = this.#options.peerWindowBytes
    this.windowBytes = Math.min(max, this.windowBytes + Math.max(bytes, min / 16) / 4)
    const elapsed = Math.max(0.5, now - this.#busySince)
    const weight = Math.min(0.5, 0.05 + bytes / 4_194_304)
    const sample = (bytes * 1000) / elapsed
    this.#rate = this.#rate === 0 ? sample : this.#rate + (sample - this.#rate) * weight
    this.#busySince = now
  }

  /** `since`: when the want left that was not answered. */
  strike(reason: Strike, now: number, since = now): void {
    const { initialMs, maxMs } = this.#options.cooldownMs
    this.windowBytes = Math.max(this.#options.peerWindowBytes.min, this.windowBytes / 2)
    if (reason === 'silent') {
      this.#silences += 1
      this.#muteSince ??= since
      if (this.#silences < SILENCES) return
    }
    const doublings = Math.min(20, this.#strikes + (reason === 'undelivered' ? 1 : 0))
    const lasts = Math.min(maxMs, initialMs * 2 ** doublings)
    this.#strikes += 1
    this.#cooldownUntil = Math.max(this.#cooldownUntil, now + lasts)
  }

  /** Said nothing since a want went unanswered. */
  get mute(): boolean {
    return this.#muteSince !== undefined
  }

  /** A message came: the peer is not dead. */
  heard(now: number): void {
    if (this.#muteSince === undefined) return
    const quiet = now - this.#muteSince
    this.#muteSince = undefined
    if (quiet <= LONGEST_STALL_MS) this.ack.late(quiet, now)
  }

  /** Somebody answered a want: not mute towards us. */
  answered(): void {
    this.#silences = 0
  }

  /** It has not got a cold blob: after several in a row it is asked only when nobody else is left. */
  denied(now: number): void {
    this.#denials += 1
    if (this.#denials >= DENIALS) this.#doubtedUntil = now + DOUBT_MS
  }

  /** Probably a node that is catching up itself. */
  doubted(now: number): boolean {
    return this.#doubtedUntil > now
  }

  coolingDown(now: number): boolean {
    return this.mute || this.#cooldownUntil > now
  }

  /** True once for a digest that was asked of this peer within the last minute: its copy is nobody's fault. */
  excuse(key: DigestKey, now: number): boolean {
    const at = this.#history.get(key)
    if (at === undefined) return false
    this.#history.delete(key)
    return now - at < HISTORY_MS
  }

  /** What it was asked for or told of in the last minute and does not owe now. */
  *formerlyAsked(now: number): Generator<DigestKey> {
    for (const [key, at] of this.#history) if (now - at < HISTORY_MS && !this.outstanding.has(key)) yield key
  }

  /** Whether a block from this peer can be one that was asked for. */
  mayDeliver(now: number): boolean {
    if (this.outstanding.size > 0) return true
    return now - this.#lastAskedAt < HISTORY_MS
  }

  /** Counts bytes nobody asked for; true when the peer has used up what is forgiven. */
  unsolicited(bytes: number): boolean {
    this.unsolicitedBytes += bytes
    return this.unsolicitedBytes > this.#options.unsolicitedBytes + this.usefulBytes * this.#options.unsolicitedShare
  }

  #remember(key: DigestKey, now: number): void {
    this.#lastAskedAt = now
    this.#history.delete(key)
    this.#history.set(key, now)
    if (this.#history.size <= HISTORY) return
    const oldest = this.#history.keys().next().value
    if (oldest !== undefined) this.#history.delete(oldest)
  }
}
