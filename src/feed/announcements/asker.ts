import type { Height, PeerIdText } from '../../model/index.ts'
import { backoffMs, type Clock, type Rng } from '../../util/index.ts'
import type { AnnouncementTransport } from '../announcement-transport.ts'
import type { FeedMetrics } from '../metrics.ts'
import type { AnnouncementsFeedOptions } from '../options.ts'

interface Request {
  readonly from: Height
  readonly to: Height
  deadline: number
  /** Highest height it brought something new for. */
  answeredTo: Height | undefined
}

interface Announcer {
  readonly peer: PeerIdText
  lowest: Height | undefined
  highest: Height | undefined
  request: Request | undefined
  /** It is asked about heights in rounds; this one has come so far. 0: the round has not begun. */
  next: Height
  /** Whether the round brought anything. */
  useful: boolean
  attempt: number
  notBefore: number
}

/** What the asker has to know about the heights of the window. */
export interface OpenHeights {
  readonly from: Height
  readonly to: Height
  /** Votes that a height lacks and that are worth asking for now. */
  missing(height: Height): number
  hasVoted(height: Height, peer: PeerIdText): boolean
}

/**
 * Asks execution nodes to send again what the window lacks: heights nobody announced to us, and votes for the quorum. Each
 * node has one request at a time and is asked in rounds from the lowest height up, with a pause after each round that grows
 * while the node brings nothing; a height is asked of no more nodes at once than it lacks votes.
 */
export class Asker {
  readonly #transport: AnnouncementTransport
  readonly #clock: Clock
  readonly #rng: Rng
  readonly #metrics: FeedMetrics
  readonly #options: AnnouncementsFeedOptions
  /** Connected ones. */
  readonly #announcers = new Map<PeerIdText, Announcer>()

  constructor(
    components: {
      readonly transport: AnnouncementTransport
      readonly clock: Clock
      readonly rng: Rng
      readonly metrics: FeedMetrics
    },
    options: AnnouncementsFeedOptions
  ) {
    this.#transport = components.transport
    this.#clock = components.clock
    this.#rng = components.rng
    this.#metrics = components.metrics
    this.#options = options
  }

  get lowestOffered(): Height | undefined {
    let lowest: Height | undefined
    for (const announcer of this.#announcers.values()) {
      if (announcer.lowest !== undefined && (lowest === undefined || announcer.lowest < lowest))
        lowest = announcer.lowest
    }
    return lowest
  }

  /**
   * A node is connected, or tells its offer again: it does so at the end of each replay, which ends the request under way.
   */
  connected(peer: PeerIdText, lowest: Height | undefined, highest: Height | undefined): void {
    const known = this.#announcers.get(peer)
    if (known !== undefined) {
      known.lowest = lowest
      known.highest = Math.max(known.highest ?? -1, highest ?? -1)
      this.#finish(known)
      return
    }
    this.#announcers.set(peer, {
      peer,
      lowest,
      highest,
      request: undefined,
      next: 0,
      useful: false,
      attempt: 0,
      notBefore: 0
    })
    this.#metrics.announcers.set(this.#announcers.size)
  }

  gone(peer: PeerIdText): void {
    this.#announcers.delete(peer)
    this.#metrics.announcers.set(this.#announcers.size)
  }

  /** An announcement came; `isNew` when it told something. */
  heard(peer: PeerIdText, height: Height, isNew: boolean): void {
    const announcer = this.#announcers.get(peer)
    if (announcer === undefined) return
    announcer.lowest ??= height
    if (announcer.highest === undefined || announcer.highest < height) announcer.highest = height
    const { request } = announcer
    if (!isNew || request === undefined || height < request.from || height > request.to) return
    request.answeredTo = Math.max(request.answeredTo ?? 0, height)
    request.deadline = this.#clock.now() + this.#options.requestIdleMs
    if (height === request.to) this.#finish(announcer)
  }

  /** Sends what requests are due. True while the nodes offer heights that are not settled. */
  ask(open: OpenHeights): boolean {
    const now = this.#clock.now()
    for (const announcer of this.#announcers.values()) {
      if (announcer.request !== undefined && announcer.request.deadline <= now) this.#finish(announcer)
    }
    const offered = [...this.#announcers.values()].reduce((most, { highest = -1 }) => Math.max(most, highest), -1)
    const to = Math.min(open.to, offered)
    if (to < open.from) return false
    const lacks = this.#lacks(open, to)
    for (const announcer of this.#inTurn()) {
      if (announcer.request === undefined && announcer.notBefore <= now) this.#askOne(announcer, { open, to, lacks })
    }
    return true
  }

  /** Those that have waited longest first, so that a hole goes from one to the next. */
  #inTurn(): Announcer[] {
    return [...this.#announcers.values()].sort((a, b) => a.notBefore - b.notBefore)
  }

  /** Votes to ask for by height, less those that requests under way may bring. */
  #lacks(open: OpenHeights, to: Height): Uint16Array {
    const lacks = Uint16Array.from({ length: to - open.from + 1 }, (_, at) => open.missing(open.from + at))
    for (const { peer, request } of this.#announcers.values()) {
      if (request === undefined) continue
      const last = Math.min(request.to, to)
      for (let height = Math.max(request.from, open.from); height <= last; height += 1) {
        const at = height - open.from
        if ((lacks[at] ?? 0) > 0 && !open.hasVoted(height, peer)) lacks[at] = (lacks[at] ?? 0) - 1
      }
    }
    return lacks
  }

  #askOne(
    announcer: Announcer,
    view: { readonly open: OpenHeights; readonly to: Height; readonly lacks: Uint16Array }
  ): void {
    const { open, lacks } = view
    const { peer, lowest = 0, highest = -1 } = announcer
    const end = Math.min(view.to, highest)
    const isWanted = (height: Height): boolean => (lacks[height - open.from] ?? 0) > 0 && !open.hasVoted(height, peer)
    let from = Math.max(announcer.next, open.from, lowest)
    while (from <= end && !isWanted(from)) from += 1
    if (from > end) return this.#endRound(announcer)
    let to = Math.min(end, from + this.#options.requestHeights - 1)
    while (!isWanted(to)) to -= 1
    for (let height = from; height <= to; height += 1) {
      const at = height - open.from
      if (isWanted(height)) lacks[at] = (lacks[at] ?? 0) - 1
    }
    this.#request(announcer, from, to)
  }

  #request(announcer: Announcer, from: Height, to: Height): void {
    const { requestGapMs, requestHeightsPerSecond, requestIdleMs } = this.#options
    const now = this.#clock.now()
    announcer.request = { from, to, deadline: now + requestIdleMs, answeredTo: undefined }
    announcer.notBefore = now + Math.max(requestGapMs, ((to - from + 1) * 1000) / requestHeightsPerSecond)
    this.#metrics.requestedHeights.inc(to - from + 1)
    this.#transport.request(announcer.peer, from, to)
  }

  #finish(announcer: Announcer): void {
    const { request } = announcer
    if (request === undefined) return
    const { answeredTo } = request
    this.#metrics.requests.inc({ outcome: answeredTo === undefined ? 'idle' : 'answered' })
    announcer.request = undefined
    // A node may answer a part of a long range only: the rest is asked for next.
    announcer.next = (answeredTo ?? request.to) + 1
    if (answeredTo === undefined) this.#pause(announcer)
    else announcer.useful = true
  }

  /** There is nothing more that this node could be asked for: it gets another round after a pause. */
  #endRound(announcer: Announcer): void {
    if (announcer.next === 0) return
    announcer.next = 0
    if (announcer.useful) announcer.attempt = 0
    announcer.useful = false
    this.#pause(announcer)
  }

  #pause(announcer: Announcer): void {
    const pause = backoffMs(announcer.attempt, this.#options.backoff, this.#rng)
    announcer.notBefore = Math.max(announcer.notBefore, this.#clock.now() + pause)
    announcer.attempt += 1
  }
}
