import type { Logger } from '../log/logger.ts'
import type { Height, SealedBlock } from '../model/index.ts'
import { type Clock, deadline, messageOf, type Rng, sleep, type Timer } from '../util/index.ts'
import { Claims } from './announcements/claims.ts'
import { FeedError } from './errors.ts'
import type { SealedBlockFeed } from './feed.ts'
import type { AccessHost, SealedHeader } from './flow-access/access-host.ts'
import { HeightEntry } from './flow-access/height-entry.ts'
import { HostState } from './flow-access/host-state.ts'
import type { FeedMetrics } from './metrics.ts'
import { defaultFlowAccessOptions, type FlowAccessOptions, validateFlowAccessOptions } from './options.ts'
import { Waiters } from './waiters.ts'

export interface FlowAccessFeedComponents {
  /** At least one; closed by `stop`. */
  readonly hosts: readonly AccessHost[]
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: FeedMetrics
}

/** Between two looks at what is open, ms, while nothing else brings one about. */
const TICK_MS = 100

/**
 * The feed by Flow's own Access API.
 *
 * Each host is asked for its latest sealed block again and again: that tells how high the chain is. Of every height in the window above the
 * released ones the header is asked for, then the execution data id of the block's result: of as many hosts as the quorum needs, in
 * turn, and of the next one where a host fails, stalls, contradicts the others or does not have it. The first valid answer is given
 * out, the height is settled when a quorum said the same.
 *
 * Invariants: a settled height stays as it is, and what is settled next to it must name it as its parent; memory is bounded by the
 * window and the number of hosts; a host that fails is left alone for a growing pause; `highest` never falls, whatever a host says.
 */
export class FlowAccessFeed implements SealedBlockFeed {
  readonly #components: FlowAccessFeedComponents
  readonly #options: FlowAccessOptions
  readonly #hosts: readonly HostState[]
  readonly #quorum: number
  readonly #claims: Claims<string>
  readonly #entries = new Map<Height, HeightEntry>()
  readonly #arrivals = new Waiters<SealedBlock>()
  readonly #settlements = new Waiters<SealedBlock>()
  readonly #firstKnown = new Waiters<Height>()
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #isStarted = false
  /** Heights up to here are done with; `undefined` before somebody reads. */
  #floor: Height | undefined
  #calls = 0
  #highest: Height | undefined
  #highestSettled: Height | undefined
  #trustFew = false
  #firstClaim: Timer | undefined
  #tick: Timer | undefined

  /** Throws FeedError `not-offered` without hosts, RangeError for options that cannot be. */
  constructor(components: FlowAccessFeedComponents, options: Partial<FlowAccessOptions> = {}) {
    this.#components = components
    this.#options = { ...defaultFlowAccessOptions, ...options }
    const faults = validateFlowAccessOptions(this.#options)
    if (components.hosts.length === 0) faults.push('there is no host to follow')
    if (faults.length > 0) throw new RangeError(faults.join('; '))
    this.#hosts = components.hosts.map((host) => new HostState(host, this.#options.backoff, components.rng))
    this.#quorum = Math.min(this.#options.quorum, this.#hosts.length)
    this.#claims = new Claims(this.#options.suspiciousDistance)
  }

  async start(): Promise<void> {
    if (this.#isStarted || this.#stopping.signal.aborted) throw stoppedError()
    this.#isStarted = true
    for (const host of this.#hosts) this.#run(this.#follow(host))
  }

  async stop(): Promise<void> {
    this.#stopping.abort(stoppedError())
    this.#tick?.cancel()
    this.#firstClaim?.cancel()
    for (const waiters of [this.#arrivals, this.#settlements, this.#firstKnown]) {
      waiters.rejectUpTo(Number.MAX_SAFE_INTEGER, stoppedError)
    }
    for (const { access } of this.#hosts) access.close()
    await Promise.all(this.#running)
  }

  get highest(): Height | undefined {
    return this.#highest
  }

  /** Not told by the API. */
  get lowestOffered(): undefined {
    return undefined
  }

  /** Rejects with the signal's reason or FeedError `stopped`. */
  async awaitHighest({ signal }: { readonly signal: AbortSignal }): Promise<Height> {
    this.#assertRuns(signal)
    return this.#highest ?? this.#firstKnown.wait(0, signal)
  }

  /** Throws the signal's reason, or FeedError `stopped` or `released`. */
  async *blocks(from: Height, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<SealedBlock> {
    this.#assertRuns(signal)
    if (this.#floor === undefined || from <= this.#floor) this.#floor = from - 1
    for (let height = from; ; height += 1) {
      this.#assertRuns(signal)
      if (height <= this.#floor) throw releasedError(height)
      this.#look()
      yield this.#entries.get(height)?.first ?? (await this.#arrivals.wait(height, signal))
    }
  }

  /** Rejects with the signal's reason, or FeedError `stopped` or `released`. */
  async settled(height: Height, { signal }: { readonly signal: AbortSignal }): Promise<SealedBlock> {
    this.#assertRuns(signal)
    this.#floor ??= height - 1
    if (height <= this.#floor) throw releasedError(height)
    this.#look()
    return this.#entries.get(height)?.settled ?? this.#settlements.wait(height, signal)
  }

  release(upTo: Height): void {
    if (this.#floor !== undefined && upTo <= this.#floor) return
    this.#floor = upTo
    // the block just below the window is kept, for its successor names it as its parent
    for (const height of this.#entries.keys()) if (height < upTo) this.#entries.delete(height)
    this.#arrivals.rejectUpTo(upTo, releasedError)
    this.#settlements.rejectUpTo(upTo, releasedError)
    this.#look()
  }

  #run(work: Promise<void>): void {
    this.#running.add(work)
    void work.finally(() => this.#running.delete(work))
  }

  /** Asks one host for its latest sealed block until the feed stops. */
  async #follow(host: HostState): Promise<void> {
    const { clock } = this.#components
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const header = await this.#call(host, (call) => host.access.latestSealed(call))
      if (header !== undefined) this.#noteLatest(host, header)
      const pause = Math.max(this.#options.pollMs, host.notBefore - clock.now())
      await sleep(clock, pause, signal).catch(() => undefined)
    }
  }

  #noteLatest(host: HostState, { height }: SealedHeader): void {
    const { metrics, log } = this.#components
    const { name } = host.access
    if (host.latest !== undefined && height < host.latest) {
      metrics.hostCalls.inc({ outcome: 'backwards' })
      log.warn({ host: name, height, before: host.latest }, 'a host of the access API went back in height')
    }
    host.latest = height
    this.#claims.note(name, height)
    this.#updateHighest()
    if (this.#highest === undefined) this.#waitForSecondClaim()
    else if (height > this.#highest) metrics.suspicious.inc()
    this.#look()
  }

  #waitForSecondClaim(): void {
    const trust = (): void => {
      this.#trustFew = true
      this.#updateHighest()
      this.#look()
    }
    this.#firstClaim ??= this.#components.clock.setTimer(this.#options.firstClaimGraceMs, trust, { background: true })
  }

  #updateHighest(): void {
    const known = this.#claims.highest({
      quorum: this.#quorum,
      ownHead: this.#highestSettled,
      trustFew: this.#trustFew
    })
    if (known === undefined || known <= (this.#highest ?? -1)) return
    this.#highest = known
    this.#components.metrics.sealedHeight.set(known)
    this.#firstKnown.resolve(0, known)
  }

  /** Asks for what is open, and comes back while something is. */
  #look(): void {
    const floor = this.#floor
    const highest = this.#highest
    if (!this.#isStarted || this.#stopping.signal.aborted || floor === undefined || highest === undefined) return
    const top = Math.min(highest, floor + this.#options.windowHeights)
    let isOpen = false
    for (let height = floor + 1; height <= top && this.#calls < this.#options.maxParallelCalls; height += 1) {
      const entry = this.#entries.get(height) ?? new HeightEntry(height)
      this.#entries.set(height, entry)
      if (entry.settled !== undefined) continue
      isOpen = true
      this.#askFor(entry)
    }
    this.#publish(floor, top)
    if (isOpen || this.#calls > 0) this.#lookLater()
  }

  #lookLater(): void {
    if (this.#tick !== undefined) return
    const onTick = (): void => {
      this.#tick = undefined
      this.#look()
    }
    this.#tick = this.#components.clock.setTimer(TICK_MS, onTick, { background: true })
  }

  #askFor(entry: HeightEntry): void {
    const now = this.#components.clock.now()
    const { hedgeMs, reaskMs, maxParallelCalls } = this.#options
    if (entry.votes.size === this.#hosts.length) {
      entry.contradictedAt ??= now
      if (now - entry.contradictedAt < reaskMs) return
      entry.votes.clear()
      entry.contradictedAt = undefined
    }
    let expected = 0
    for (const since of entry.asked.values()) if (now - since < hedgeMs) expected += 1
    let missing = this.#quorum - entry.mostVotes - expected
    for (const host of this.#inTurn(entry, now)) {
      if (missing <= 0 || this.#calls >= maxParallelCalls) return
      missing -= 1
      this.#calls += 1
      entry.asked.set(host, now)
      this.#run(this.#ask(entry, host))
    }
  }

  /** Hosts that may be asked for a height: the healthy ones first, beginning with another one for each height. */
  #inTurn(entry: HeightEntry, now: number): HostState[] {
    const count = this.#hosts.length
    const turned = this.#hosts.map((_, i) => this.#hosts[(i + entry.height) % count] as HostState)
    return turned
      .filter((host) => {
        if (entry.votes.has(host) || entry.asked.has(host) || !host.isUsable(now)) return false
        return now >= (entry.later.get(host)?.at ?? 0) && (host.latest ?? -1) >= entry.height
      })
      .sort((a, b) => a.failures - b.failures)
  }

  async #ask(entry: HeightEntry, host: HostState): Promise<void> {
    const { height } = entry
    const block = await this.#call(host, async (call): Promise<SealedBlock> => {
      const header = await host.access.headerAt(height, call)
      const below = this.#entries.get(height - 1)?.settled
      if (below !== undefined && below.blockId !== header.parentId) {
        throw new FeedError(
          'answer-malformed',
          `${host.access.name}: the parent of height ${height} is not the block below`
        )
      }
      const executionDataId = await host.access.executionDataIdOf(header.blockId, call)
      return { height, blockId: header.blockId, executionDataId }
    })
    this.#calls -= 1
    entry.asked.delete(host)
    if (this.#stopping.signal.aborted) return
    if (block !== undefined) this.#take(entry, host, block)
    else {
      const attempt = (entry.later.get(host)?.attempt ?? -1) + 1
      entry.later.set(host, { attempt, at: this.#components.clock.now() + host.pause(attempt) })
    }
    this.#look()
  }

  #take(entry: HeightEntry, host: HostState, block: SealedBlock): void {
    const { height } = entry
    const { metrics, log } = this.#components
    if (height <= (this.#floor ?? -1) || entry.settled !== undefined) return
    const { conflict } = entry.vote(host, block, this.#quorum)
    if (conflict) {
      metrics.conflicts.inc()
      const said = [...entry.votes].map(([{ access }, { blockId, executionDataId }]) => ({
        host: access.name,
        blockId,
        executionDataId
      }))
      log.warn({ height, said }, 'hosts of the access API give different data for one height')
    }
    if (entry.votes.size === 1) this.#arrivals.resolve(height, block)
    if (entry.settled === undefined) return
    metrics.settled.inc()
    this.#highestSettled = Math.max(this.#highestSettled ?? 0, height)
    this.#updateHighest()
    this.#settlements.resolve(height, entry.settled)
  }

  /** One call with its deadline; `undefined` when it failed, which is counted and, unless it is to be expected, logged. */
  async #call<T>(host: HostState, run: (call: { readonly signal: AbortSignal }) => Promise<T>): Promise<T | undefined> {
    const { clock, metrics, log } = this.#components
    const stopping = this.#stopping.signal
    const limit = deadline(clock, this.#options.callTimeoutMs, stopping)
    try {
      const answer = await run(limit)
      metrics.hostCalls.inc({ outcome: 'ok' })
      host.succeeded()
      return answer
    } catch (error) {
      if (stopping.aborted) return undefined
      const late = limit.signal.aborted
      const outcome = late ? 'host-timeout' : error instanceof FeedError ? error.code : 'host-refused'
      metrics.hostCalls.inc({ outcome })
      // that it does not have a block yet says nothing against a host
      if (outcome === 'not-found') host.succeeded()
      else {
        if (host.failures === 0) {
          const reason = late ? `no answer within ${this.#options.callTimeoutMs} ms` : messageOf(error)
          log.warn({ host: host.access.name, outcome, reason }, 'a host of the access API failed; others are asked')
        }
        host.failed(clock.now())
      }
      return undefined
    } finally {
      limit.end()
    }
  }

  #publish(floor: Height, top: Height): void {
    const { metrics, clock } = this.#components
    metrics.windowHeights.set(this.#entries.size)
    metrics.openHeights.set(Math.max(0, top - Math.max(floor, this.#highestSettled ?? 0)))
    metrics.hostsUsable.set(
      this.#hosts.filter((host) => host.latest !== undefined && host.isUsable(clock.now())).length
    )
  }

  #assertRuns(signal: AbortSignal): void {
    signal.throwIfAborted()
    if (this.#stopping.signal.aborted) throw stoppedError()
  }
}

function stoppedError(): FeedError {
  return new FeedError('stopped', 'the feed has been stopped')
}

function releasedError(height: Height): FeedError {
  return new FeedError('released', `height ${height} has been released`, { details: { height } })
}
