import type { DigestKey } from '../../model/index.ts'
import type { DigestQueue, LedgerWant, PeerLedger } from './ledger.ts'

/** Size taken for a block whose length the store has not told. */
const UNKNOWN_SIZE = 1_048_576
/** Small blocks in one message at most. */
const MOST_PER_MESSAGE = 512

export interface SchedulerLimits {
  readonly quantumBytes: number
  readonly packBytes: number
}

export interface Turn {
  readonly ledger: PeerLedger
  /** What to send in one message, in order. */
  readonly keys: readonly DigestKey[]
  readonly bytes: number
}

/**
 * Who is served next: deficit round robin in bytes (Shreedhar and Varghese) over the peers whose streams have room, hot
 * blobs of everybody before cold ones of anybody. A peer that wants much gets no more in a round than one that wants
 * little. Holds no bytes and knows no store.
 */
export class Scheduler {
  readonly #limits: SchedulerLimits
  /** Whose queues may hold something, next in turn first: a node has hundreds of peers, of which few want anything just now. */
  readonly #ring = new Set<PeerLedger>()

  constructor(limits: SchedulerLimits) {
    this.#limits = limits
  }

  add(ledger: PeerLedger): void {
    ledger.onQueued = () => this.#ring.add(ledger)
    this.#ring.add(ledger)
  }

  remove(ledger: PeerLedger): void {
    ledger.onQueued = () => {}
    this.#ring.delete(ledger)
  }

  /** False when nobody has anything queued. */
  get due(): boolean {
    for (const ledger of this.#ring) {
      if (isQueued(ledger)) return true
      this.#ring.delete(ledger)
    }
    return false
  }

  /** The next turn among peers that are `ready`, or `undefined` when none of them has anything queued. */
  next(ready: (ledger: PeerLedger) => boolean): Turn | undefined {
    return this.#pick((ledger) => ledger.hotQueue, ready) ?? this.#pick((ledger) => ledger.coldQueue, ready)
  }

  #pick(queueOf: (ledger: PeerLedger) => DigestQueue, ready: (ledger: PeerLedger) => boolean): Turn | undefined {
    const able: PeerLedger[] = []
    for (const ledger of this.#ring) {
      if (!isQueued(ledger)) this.#ring.delete(ledger)
      else if (queueOf(ledger).size > 0 && ready(ledger)) able.push(ledger)
    }
    let chosen: PeerLedger | undefined
    let rounds = Number.POSITIVE_INFINITY
    for (const ledger of able) {
      const size = sizeOf(ledger.wants.get(queueOf(ledger).peek() as DigestKey))
      const needed = Math.max(0, Math.ceil((size - ledger.deficit) / this.#limits.quantumBytes))
      if (needed >= rounds) continue
      rounds = needed
      chosen = ledger
    }
    if (chosen === undefined) return undefined
    // Whole rounds for all of them at once, until the first can pay for its block.
    for (const ledger of able) ledger.deficit += rounds * this.#limits.quantumBytes
    const turn = this.#fill(chosen, queueOf(chosen))
    chosen.deficit -= turn.bytes
    // To the end of the ring, so that ties go round.
    this.#ring.delete(chosen)
    this.#ring.add(chosen)
    return turn
  }

  /** The first block, and small ones behind it as long as they fit. */
  #fill(ledger: PeerLedger, queue: DigestQueue): Turn {
    const keys: DigestKey[] = []
    let bytes = 0
    for (const key of queue.values()) {
      const size = sizeOf(ledger.wants.get(key))
      if (keys.length > 0 && (bytes + size > this.#limits.packBytes || keys.length >= MOST_PER_MESSAGE)) break
      keys.push(key)
      bytes += size
    }
    for (const key of keys) queue.delete(key)
    if (queue.size === 0 && ledger.hotQueue.size + ledger.coldQueue.size === 0) ledger.deficit = bytes
    return { ledger, keys, bytes }
  }
}

const sizeOf = (want: LedgerWant | undefined): number => want?.size ?? UNKNOWN_SIZE

const isQueued = ({ hotQueue, coldQueue }: PeerLedger): boolean => hotQueue.size + coldQueue.size > 0
