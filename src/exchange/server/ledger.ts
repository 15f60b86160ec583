import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Clock } from '../../util/index.ts'
import type { CidForm, WantEntry } from '../message/types.ts'
import type { ServerOptions } from '../options.ts'
import { TokenBucket } from '../token-bucket.ts'
import { RecentlySent } from './recently-sent.ts'

/** Blocks remembered as sent, per peer; older ones may be had again for nothing. */
const RECENT = 4096
const RECENT_MS = 60_000

/** Queued wants that are added up for each one that comes; with more of them it may be said that a block is here. */
const FEW = 64

/**
 * - `looking`: the store is being asked whether the block is there.
 * - `waiting`: it is not; the want stays and is answered when the block appears.
 * - `queued`: it is, and waits for the peer's stream to have room.
 * - `loading`: its bytes are being read.
 */
export type LedgerWantState = 'looking' | 'waiting' | 'queued' | 'loading'

export interface LedgerWant {
  readonly key: DigestKey
  form: CidForm
  type: 'block' | 'have'
  sendDontHave: boolean
  ackQueued: boolean
  /** Changed by the ledger alone. */
  state: LedgerWantState
  hot: boolean
  /** Bytes, once the store has said. */
  size: number | undefined
  /** When it was first queued; the clock's time. */
  queuedAt: number | undefined
}

/** A want and the time since it was queued, seconds. */
interface Waited {
  readonly hot: boolean
  readonly seconds: number
}

/** A want whose block was given to its peer's stream. */
export interface Served extends Waited {
  readonly peer: PeerIdText
  /** It was sent already within the last minute. */
  readonly repeated: boolean
}

/** A first-in first-out queue of digests from which any may be taken out. */
export class DigestQueue {
  readonly #keys = new Set<DigestKey>()

  get size(): number {
    return this.#keys.size
  }

  push(key: DigestKey): void {
    this.#keys.add(key)
  }

  delete(key: DigestKey): void {
    this.#keys.delete(key)
  }

  peek(): DigestKey | undefined {
    return this.#keys.values().next().value
  }

  values(): IterableIterator<DigestKey> {
    return this.#keys.values()
  }

  clear(): void {
    this.#keys.clear()
  }
}

/**
 * What one peer wants of us: digests, never bytes. The whole of it goes when the peer's last connection does.
 */
export class PeerLedger {
  readonly peer: PeerIdText
  readonly wants = new Map<DigestKey, LedgerWant>()
  readonly hotQueue = new DigestQueue()
  readonly coldQueue = new DigestQueue()
  /** What cannot be served, oldest first. */
  readonly #waiting = new DigestQueue()
  readonly entryBucket: TokenBucket
  readonly #clock: Clock
  readonly #options: ServerOptions
  readonly #recent = new RecentlySent({ forMs: RECENT_MS, most: RECENT })
  readonly #repeatBucket: TokenBucket
  /** Deficit round robin's account, bytes. */
  deficit = 0
  /** A load or write is under way for this peer. */
  busy = false
  gone = false
  /** Called whenever something is queued. */
  onQueued: () => void = () => {}
  /** Streams lost for not being read since one was last read to its end. */
  writeStalls = 0

  constructor(peer: PeerIdText, clock: Clock, options: ServerOptions) {
    this.peer = peer
    this.#clock = clock
    this.#options = options
    this.entryBucket = new TokenBucket(clock, { capacity: options.entryBurst, perSecond: options.entriesPerSecond })
    this.#repeatBucket = new TokenBucket(clock, {
      capacity: options.repeatBucketBytes,
      perSecond: options.repeatBytesPerSecond
    })
  }

  /** A new want, in no queue yet. */
  add({ key, form, wantType, sendDontHave, ackQueued }: WantEntry): LedgerWant {
    const want: LedgerWant = {
      key,
      form,
      type: wantType,
      sendDontHave,
      ackQueued,
      state: 'waiting',
      hot: false,
      size: undefined,
      queuedAt: undefined
    }
    this.wants.set(key, want)
    return want
  }

  /** The queue a want stands in. */
  queueOf(want: LedgerWant): DigestQueue {
    return want.hot ? this.hotQueue : this.coldQueue
  }

  enqueue(want: LedgerWant, hot: boolean): void {
    this.#unlist(want.key)
    want.hot = hot
    want.queuedAt ??= this.#clock.now()
    want.state = 'queued'
    this.queueOf(want).push(want.key)
    this.onQueued()
  }

  /** Whether few are queued, of no more than so many bytes together. */
  queuesAtMost(bytes: number): boolean {
    if (this.hotQueue.size + this.coldQueue.size > FEW) return false
    let left = bytes
    for (const queue of [this.hotQueue, this.coldQueue]) {
      for (const key of queue.values()) {
        left -= this.wants.get(key)?.size ?? bytes + 1
        if (left < 0) return false
      }
    }
    return true
  }

  /** How long the heads of the two queues have waited, the longer of both, seconds; 0 when nothing is queued. */
  queuedSeconds(): number {
    return Math.max(this.#waited(this.hotQueue.peek()).seconds, this.#waited(this.coldQueue.peek()).seconds)
  }

  /** The block is not here: the want stays until it is. */
  wait(want: LedgerWant): void {
    this.#unlist(want.key)
    want.state = 'waiting'
    this.#waiting.push(want.key)
  }

  /** The store is asked, or the bytes are read: the want stands in no queue meanwhile. */
  begin(want: LedgerWant, state: 'looking' | 'loading'): void {
    this.#unlist(want.key)
    want.state = state
  }

  remove(key: DigestKey): void {
    this.wants.delete(key)
    this.#unlist(key)
  }

  /** The want that has been found unservable for longest, to make room for a newer one. */
  unservable(): DigestKey | undefined {
    return this.#waiting.peek()
  }

  #unlist(key: DigestKey): void {
    this.hotQueue.delete(key)
    this.coldQueue.delete(key)
    this.#waiting.delete(key)
  }

  /** To be called while the want is still there. */
  noteSent(key: DigestKey): Served {
    const now = this.#clock.now()
    const repeated = this.#recent.at(key, now) !== undefined
    this.#recent.note(key, now)
    return { ...this.#waited(key), peer: this.peer, repeated }
  }

  /** The stream broke: what was sent may never have come, so it may be asked for again. */
  forgetSent(): void {
    this.#recent.clear()
  }

  /**
   * What a want for something already sent deserves: `fresh` (it was not), `crossing` (ignore: the block is on its way),
   * `paid` or `refused` (asked again later, and the bucket did or did not hold its bytes).
   */
  repeat(key: DigestKey, bytes: number, rttMs: number | undefined): 'fresh' | 'crossing' | 'paid' | 'refused' {
    const now = this.#clock.now()
    const at = this.#recent.at(key, now)
    if (at === undefined) return 'fresh'
    const age = now - at
    if (age < Math.max(this.#options.repeatWindowMs, 4 * (rttMs ?? 0))) return 'crossing'
    return this.#repeatBucket.tryTake(bytes) ? 'paid' : 'refused'
  }

  #waited(key: DigestKey | undefined): Waited {
    const want = key === undefined ? undefined : this.wants.get(key)
    const now = this.#clock.now()
    return { hot: want?.hot === true, seconds: (now - (want?.queuedAt ?? now)) / 1000 }
  }
}
