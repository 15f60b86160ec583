import type { Logger } from '../log/logger.ts'
import type { Height, PeerIdText, SealedBlock, SignedAnnouncement } from '../model/index.ts'
import type { Clock, Rng, Timer } from '../util/index.ts'
import type { AnnouncementTransport } from './announcement-transport.ts'
import { Asker } from './announcements/asker.ts'
import { Claims } from './announcements/claims.ts'
import type { Candidate, HeightVotes } from './announcements/height-votes.ts'
import { Window } from './announcements/window.ts'
import { FeedError } from './errors.ts'
import type { SealedBlockFeed } from './feed.ts'
import type { AnnouncementResult, FeedMetrics } from './metrics.ts'
import { type AnnouncementsFeedOptions, defaultAnnouncementsFeedOptions } from './options.ts'
import { Waiters } from './waiters.ts'

export interface AnnouncementsFeedComponents {
  readonly transport: AnnouncementTransport
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: FeedMetrics
}

/** A look at all open heights costs up to the window's length; many announcements may come within this time, ms. */
const LOOK_GAP_MS = 50

/**
 * The feed by what execution nodes announce.
 *
 * The first announcement of a height is given out at once; the height is settled when a quorum of distinct nodes said the
 * same. A window of heights above the released ones is kept; what it lacks (holes, votes) is asked for again
 * (`announcements/asker.ts`); what lies beyond is forgotten but for the highest claim and asked for when the window moves.
 *
 * Invariants: each node has one vote a height, its first; a settled height stays as it is; a repeated announcement costs
 * two look-ups; memory is bounded by the window, the hint bytes and the number of staked execution nodes.
 *
 * `start` has to come before the network's: it listens to the transport. Heights more than `windowHeights` above the last
 * released one are not given out before more is released.
 */
export class AnnouncementsFeed implements SealedBlockFeed {
  readonly #components: AnnouncementsFeedComponents
  readonly #options: AnnouncementsFeedOptions
  readonly #asker: Asker
  readonly #claims: Claims
  readonly #arrivals = new Waiters<HeightVotes>()
  readonly #settlements = new Waiters<SealedBlock>()
  readonly #firstKnown = new Waiters<Height>()
  /** None before somebody reads the feed: till then there is no height from which on to keep. */
  #window: Window | undefined
  #released: Height | undefined
  #readers = 0
  #highest: Height | undefined
  #highestSettled: Height | undefined
  #trustFew = false
  /** Highest height announced live, and the heights skipped last, which get some time to come by themselves. */
  #liveHead: Height | undefined
  #skipped = { from: 0, until: 0 }
  #state: 'new' | 'started' | 'stopped' = 'new'
  #lookNotBefore = 0
  #tick: Timer | undefined
  #firstClaim: Timer | undefined

  constructor(components: AnnouncementsFeedComponents, options: Partial<AnnouncementsFeedOptions> = {}) {
    this.#components = components
    this.#options = { ...defaultAnnouncementsFeedOptions, ...options }
    this.#asker = new Asker(components, this.#options)
    this.#claims = new Claims(this.#options.suspiciousDistance)
  }

  async start(): Promise<void> {
    if (this.#state !== 'new') throw new FeedError('stopped', 'the feed can be started once')
    this.#state = 'started'
    this.#components.transport.listen({
      onAnnouncement: (from, announcement, live) => this.#onAnnouncement(from, announcement, live),
      onAnnouncer: (peer, offered) => this.#onAnnouncer(peer, offered),
      onAnnouncerGone: (peer) => this.#asker.gone(peer)
    })
  }

  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#tick?.cancel()
    this.#firstClaim?.cancel()
    const stopped = (): FeedError => stoppedError()
    for (const waiters of [this.#arrivals, this.#settlements, this.#firstKnown]) {
      waiters.rejectUpTo(Number.MAX_SAFE_INTEGER, stopped)
    }
  }

  get highest(): Height | undefined {
    return this.#highest
  }

  get lowestOffered(): Height | undefined {
    return this.#asker.lowestOffered
  }

  /** Rejects with the signal's reason or FeedError `stopped`. */
  async awaitHighest({ signal }: { readonly signal: AbortSignal }): Promise<Height> {
    signal.throwIfAborted()
    this.#assertNotStopped()
    return this.#highest ?? this.#firstKnown.wait(0, signal)
  }

  /** Throws the signal's reason, or FeedError `stopped` or `released`. */
  async *blocks(from: Height, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<SealedBlock> {
    signal.throwIfAborted()
    this.#assertNotStopped()
    if (this.#released !== undefined && from <= this.#released) this.#released = from - 1
    this.#need(from)
    this.#readers += 1
    try {
      for (let height = from; ; height += 1) {
        const votes = await this.#announced(height, signal)
        const { best } = votes
        if (best === undefined) continue
        yield votes.blockOf(best)
        // Its reader has the hint now; a second reader does without.
        this.#window?.dropHint(best)
        this.#publish()
      }
    } finally {
      this.#readers -= 1
    }
  }

  /** Rejects with the signal's reason, or FeedError `stopped` or `released`. */
  async settled(height: Height, { signal }: { readonly signal: AbortSignal }): Promise<SealedBlock> {
    signal.throwIfAborted()
    this.#assertNotStopped()
    if (this.#released !== undefined && height <= this.#released) throw releasedError(height)
    this.#need(height)
    const votes = this.#window?.get(height)
    return votes?.settled === undefined ? this.#settlements.wait(height, signal) : votes.blockOf(votes.settled)
  }

  release(upTo: Height): void {
    if (this.#released !== undefined && upTo <= this.#released) return
    this.#released = upTo
    if (this.#window !== undefined && upTo > this.#window.floor) this.#window.moveTo(upTo)
    this.#arrivals.rejectUpTo(upTo, releasedError)
    this.#settlements.rejectUpTo(upTo, releasedError)
    this.#look()
  }

  #onAnnouncer(
    peer: PeerIdText,
    { lowest, highest }: { readonly lowest: Height | undefined; readonly highest: Height | undefined }
  ): void {
    if (this.#state !== 'started') return
    this.#asker.connected(peer, lowest, highest)
    if (highest !== undefined) this.#noteClaim(peer, highest)
    this.#look()
  }

  #onAnnouncement(
    { peer, signer }: { readonly peer: PeerIdText; readonly signer: PeerIdText },
    announcement: SignedAnnouncement,
    live: boolean
  ): void {
    if (this.#state !== 'started') return
    const { height } = announcement
    const result = this.#take(signer, announcement, live)
    this.#components.metrics.announcements.inc({ result })
    const isNew = result === 'first' || result === 'vote' || result === 'conflict'
    this.#asker.heard(peer, height, isNew)
    this.#noteClaim(signer, height)
    if (live) this.#noteLive(height)
    if (!isNew) return
    this.#publish()
    this.#look()
  }

  #take(peer: PeerIdText, announcement: SignedAnnouncement, live: boolean): AnnouncementResult {
    const { height, hint } = announcement
    const window = this.#window
    if (window === undefined) return 'early'
    if (height <= window.floor) return 'old'
    if (height > window.top) return 'beyond'
    const votes = window.getOrCreate(height, this.#components.clock.now())
    const { vote, candidate } = votes.vote(peer, announcement, live)
    if (vote === 'repeat' || vote === 'equivocation') return vote
    if (candidate.hint === undefined && hint.length > 0 && votes.settled === undefined)
      this.#keepHint(window, candidate, hint)
    if (vote === 'conflict') this.#reportConflict(votes)
    if (votes.settled === undefined && candidate.announcers.length >= this.#quorum()) this.#settle(votes, candidate)
    if (vote === 'first') this.#arrivals.resolve(height, votes)
    // Within the window, and so near enough to what this node has reached.
    this.#raiseHighest(height)
    return vote
  }

  #settle(votes: HeightVotes, candidate: Candidate): void {
    const { clock, metrics } = this.#components
    votes.settled = candidate
    this.#highestSettled = Math.max(this.#highestSettled ?? 0, votes.height)
    metrics.settled.inc()
    if (candidate.live) metrics.settleSeconds.observe((clock.now() - votes.seenAt) / 1000)
    this.#settlements.resolve(votes.height, votes.blockOf(candidate))
  }

  #reportConflict({ height, candidates }: HeightVotes): void {
    // Once a height, whatever else is said about it.
    if (candidates.length !== 2) return
    const [first, second] = candidates.map(({ blockId, executionDataId, announcers }) => ({
      blockId,
      executionDataId,
      announcer: announcers[0]
    }))
    this.#components.metrics.conflicts.inc()
    this.#components.log.warn({ height, first, second }, 'execution nodes announced different data for one height')
  }

  #keepHint(window: Window, candidate: Candidate, hint: SignedAnnouncement['hint']): void {
    if (!window.keepHint(candidate, hint)) this.#components.metrics.hintsDropped.inc()
  }

  #noteClaim(peer: PeerIdText, height: Height): void {
    if (!this.#claims.note(peer, height)) return
    this.#updateHighest()
    if (this.#highest === undefined && this.#ownHead() === undefined) this.#waitForSecondClaim()
    else if (height > (this.#highest ?? -1)) this.#components.metrics.suspicious.inc()
  }

  /** With nothing to hold the first claim against, it is believed when no other comes. */
  #waitForSecondClaim(): void {
    this.#firstClaim ??= this.#components.clock.setTimer(
      this.#options.firstClaimGraceMs,
      () => {
        this.#trustFew = true
        this.#updateHighest()
      },
      { background: true }
    )
  }

  #updateHighest(): void {
    const known = this.#claims.highest({
      quorum: this.#quorum(),
      ownHead: this.#ownHead(),
      trustFew: this.#trustFew
    })
    if (known !== undefined) this.#raiseHighest(known)
  }

  #raiseHighest(height: Height): void {
    if (this.#highest !== undefined && height <= this.#highest) return
    this.#highest = height
    this.#components.metrics.sealedHeight.set(height)
    this.#firstKnown.resolve(0, height)
  }

  #noteLive(height: Height): void {
    const head = this.#liveHead
    if (head !== undefined && height <= head) return
    this.#liveHead = height
    const now = this.#components.clock.now()
    if (head === undefined || height === head + 1 || now < this.#skipped.until) return
    this.#skipped = { from: head + 1, until: now + this.#options.holeGraceMs }
  }

  /** What this node has reached: settled, or done with. */
  #ownHead(): Height | undefined {
    const floor = this.#window?.floor
    if (floor === undefined || floor < 0) return this.#highestSettled
    return Math.max(floor, this.#highestSettled ?? 0)
  }

  #quorum(): number {
    return Math.min(this.#options.quorum, Math.max(1, this.#components.transport.stakedAnnouncerCount()))
  }

  #createWindow(floor: Height): Window {
    const { windowHeights, maxHintBytes } = this.#options
    return new Window(floor, { capacity: windowHeights, maxHintBytes })
  }

  /** Somebody wants this height and those above: the window has to reach down to it, and up to it where nobody needs less. */
  #need(height: Height): void {
    const window = this.#window
    const isUnused = this.#readers === 0 && this.#settlements.size === 0
    if (window === undefined) this.#window = this.#createWindow(height - 1)
    else if (height <= window.floor || (height > window.top && isUnused)) window.moveTo(height - 1)
    else return
    this.#updateHighest()
    this.#look()
  }

  async #announced(height: Height, signal: AbortSignal): Promise<HeightVotes> {
    signal.throwIfAborted()
    this.#assertNotStopped()
    if (this.#released !== undefined && height <= this.#released) throw releasedError(height)
    return this.#window?.get(height) ?? this.#arrivals.wait(height, signal)
  }

  /** Asks for what is missing, and comes back while something is. */
  #look(): void {
    const window = this.#window
    if (this.#state !== 'started' || window === undefined) return
    const now = this.#components.clock.now()
    if (now < this.#lookNotBefore) return this.#lookLater()
    this.#lookNotBefore = now + LOOK_GAP_MS
    const from = window.firstOpen
    const isOpen = this.#asker.ask({
      from,
      to: window.top,
      missing: (height) => this.#missing(window, height),
      hasVoted: (height, peer) => window.get(height)?.hasVoted(peer) === true
    })
    this.#publish()
    if (isOpen) this.#lookLater()
  }

  #lookLater(): void {
    if (this.#tick !== undefined) return
    const onTick = (): void => {
      this.#tick = undefined
      this.#look()
    }
    this.#tick = this.#components.clock.setTimer(this.#options.tickMs, onTick, { background: true })
  }

  #missing(window: Window, height: Height): number {
    const now = this.#components.clock.now()
    const votes = window.get(height)
    if (votes === undefined) {
      const isOnItsWay = height >= this.#skipped.from && now < this.#skipped.until
      return isOnItsWay ? 0 : this.#quorum()
    }
    if (votes.settled !== undefined) return 0
    const isLive = votes.candidates[0]?.live === true
    if (isLive && now - votes.seenAt < this.#options.settleGraceMs) return 0
    return this.#quorum() - votes.mostVotes
  }

  #publish(): void {
    const window = this.#window
    if (window === undefined) return
    const { metrics } = this.#components
    metrics.windowHeights.set(window.size)
    metrics.hintBytes.set(window.hintBytes)
    metrics.openHeights.set(Math.max(0, Math.min(window.top, this.#highest ?? 0) - window.firstOpen + 1))
  }

  #assertNotStopped(): void {
    if (this.#state === 'stopped') throw stoppedError()
  }
}

function stoppedError(): FeedError {
  return new FeedError('stopped', 'the feed has been stopped')
}

function releasedError(height: Height): FeedError {
  return new FeedError('released', `height ${height} has been released`, { details: { height } })
}
