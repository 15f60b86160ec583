import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Rng, WheelTimer } from '../../util/index.ts'
import type { ClassicOptions } from '../options.ts'
import type { Want } from './want.ts'

/** A peer is left out of a session after so many DONT_HAVEs in a row (`session/sessionwantsender.go`). */
const MOST_DENIALS = 16

/** A want that several sessions may have, each for itself. */
export interface SharedWant {
  readonly want: Want
  readonly sessions: Set<ClassicSession>
  /** HAVE or DONT_HAVE, by peer. Said by one session's peer, known to all. */
  readonly presence: Map<PeerIdText, boolean>
  /** Connected peers are told of it, and those that connect later. */
  broadcast: boolean
}

interface Live {
  readonly shared: SharedWant
  /** Who was asked last for the block, as this session sees it. */
  sentTo: PeerIdText | undefined
  readonly startedAt: number
}

interface Member {
  /** Blocks that it was first to deliver here, and one. */
  weight: number
  denials: number
}

/**
 * A session as boxo's `session` package has it: the peers that have delivered or said HAVE here, and for each of its
 * wants the one that it has asked for the block. Chooses for itself, without knowing what other sessions ask.
 */
export class ClassicSession {
  readonly members = new Map<PeerIdText, Member>()
  readonly live = new Map<DigestKey, Live>()
  readonly waiting = new Set<SharedWant>()
  readonly #options: ClassicOptions
  readonly #rng: Rng
  tick: WheelTimer | undefined
  /** Ticks in a row without a block. */
  ticks = 0
  #deliveries = 0
  #deliveryMs = 0

  constructor(options: ClassicOptions, rng: Rng) {
    this.#options = options
    this.#rng = rng
  }

  /** Wants whose turn it is now, at most so many at a time. */
  promote(now: number): Live[] {
    const started: Live[] = []
    for (const shared of this.waiting) {
      if (this.live.size >= this.#options.maxLiveWants) break
      this.waiting.delete(shared)
      const live = { shared, sentTo: undefined, startedAt: now }
      this.live.set(shared.want.key, live)
      started.push(live)
    }
    return started
  }

  /** True when the peer was not a member before. */
  join(peer: PeerIdText): boolean {
    const member = this.members.get(peer)
    if (member !== undefined) {
      member.denials = 0
      return false
    }
    this.members.set(peer, { weight: 1, denials: 0 })
    return true
  }

  /** Whom to ask for a block: of those that said HAVE one, else of those that said nothing, by what they have delivered. */
  best({ presence }: SharedWant): PeerIdText | undefined {
    const of = (has: boolean | undefined): PeerIdText[] =>
      [...this.members.keys()].filter((peer) => presence.get(peer) === has)
    const having = of(true)
    const candidates = having.length > 0 ? having : of(undefined)
    let lot = this.#rng.next() * candidates.reduce((sum, peer) => sum + this.#weight(peer), 0)
    for (const peer of candidates) {
      lot -= this.#weight(peer)
      if (lot <= 0) return peer
    }
    return candidates.at(-1)
  }

  denied(peer: PeerIdText): void {
    const member = this.members.get(peer)
    if (member === undefined) return
    member.denials += 1
    const needed = [...this.live.values()].some(({ shared }) => shared.presence.get(peer) === true)
    if (member.denials >= MOST_DENIALS && !needed) this.members.delete(peer)
  }

  delivered(key: DigestKey, from: PeerIdText | undefined, now: number): void {
    const live = this.live.get(key)
    if (from !== undefined && live !== undefined) {
      this.join(from)
      const member = this.members.get(from)
      if (member !== undefined) member.weight += 1
      this.#deliveries += 1
      this.#deliveryMs += now - live.startedAt
      this.ticks = 0
    }
    this.live.delete(key)
  }

  /** Pause before the wants are gone through again. */
  get tickMs(): number {
    const { first, later } = this.#options.tickMs
    const base = this.#deliveries === 0 ? first : later + (3 * this.#deliveryMs) / this.#deliveries
    return base * (1 + this.ticks)
  }

  #weight(peer: PeerIdText): number {
    return this.members.get(peer)?.weight ?? 0
  }
}
