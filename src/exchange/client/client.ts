import { type Blob, type BlobCid, blobFromHashed, type DigestKey, type PeerIdText } from '../../model/index.ts'
import { backoffMs, type Clock, type Rng } from '../../util/index.ts'
import type { TimerWheel } from '../../util/timer-wheel.ts'
import { ExchangeError } from '../errors.ts'
import type { WantState as WantReport } from '../exchange.ts'
import type { Presence, ReceivedBlock } from '../message/types.ts'
import type { ExchangeMetrics, WantOutcome } from '../metrics.ts'
import type { ExchangeOptions } from '../options.ts'
import { type ClockLimits, HotLimit, wantDelay } from './clocks.ts'
import type { Choice, PeerChoice } from './peer-choice.ts'
import { PeerState, type Strike } from './peer-state.ts'
import type { Want } from './want.ts'
import { WantTable } from './want-table.ts'

/** Wants in a row for which all peers were busy, after which the rest is not tried. */
const BUSY_IN_A_ROW = 16
/** A struck peer keeps wants that are younger: their answer may be on its way. */
const YOUNG_MS = 600

/** How words reach a connected peer. */
export interface ClientLink {
  queueWant(key: DigestKey, entry: Uint8Array): void
  queueCancel(key: DigestKey, entry: Uint8Array): void
}

export interface ClientComponents {
  readonly clock: Clock
  readonly rng: Rng
  readonly wheel: TimerWheel
  readonly metrics: ExchangeMetrics
  readonly choice: PeerChoice
  readonly link: (peer: PeerIdText) => ClientLink | undefined
  readonly penalise: (peer: PeerIdText, reason: string) => void
}

export interface FetchRequest {
  readonly cid: BlobCid
  readonly hot: boolean
  readonly origins: readonly PeerIdText[]
  readonly signal: AbortSignal
}

/**
 * The asking side: one want table, one want-block outstanding per blob.
 *
 * A fetch makes or joins a want. A pending want is given to the peer that the choice names; the want's clock then runs
 * until the block comes, the peer says it has not got it, or the time is up, and the want goes to the next peer, its
 * cancel with it. A round that finds nobody rests and starts over; a want ends only with its blob or its last waiter.
 *
 * Everything here is synchronous: events come in, words for peers go out through links. Invariant: every live want has
 * an owner or a timer, or is pending.
 */
export class ExchangeClient {
  readonly #components: ClientComponents
  readonly #options: ExchangeOptions
  readonly #table: WantTable
  readonly #peers = new Map<PeerIdText, PeerState>()
  readonly #hotLimit: HotLimit
  #sizeEstimate: number
  #pumpSet = false
  #stopped = false

  constructor(components: ClientComponents, options: ExchangeOptions) {
    this.#components = components
    this.#options = options
    this.#table = new WantTable(options.client.maxLiveWants)
    this.#hotLimit = new HotLimit(options.client)
    this.#sizeEstimate = options.client.firstSizeEstimateBytes
  }

  get liveWants(): number {
    return this.#table.live
  }

  get waitingFetches(): number {
    return this.#table.waiting
  }

  /** Every want, for invariants and reports. */
  wants(): IterableIterator<Want> {
    return this.#table.values()
  }

  isWanted(key: DigestKey): boolean {
    return this.#table.get(key) !== undefined
  }

  peer(peer: PeerIdText): PeerState | undefined {
    return this.#peers.get(peer)
  }

  peers(): IterableIterator<PeerState> {
    return this.#peers.values()
  }

  /** See `ExchangeSession.fetch`. */
  fetch(request: FetchRequest): Promise<Blob> {
    const { cid, signal } = request
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#stopped) return Promise.reject(stopped())
    return new Promise((resolve, reject) => {
      const want = this.#table.get(cid.key) ?? this.#table.add(cid, this.#components.clock.now())
      want.addOrigins(request.origins)
      if (request.hot) want.hot = true
      const onAbort = (): void => {
        this.#leave(want, waiter)
        reject(signal.reason)
      }
      const waiter = {
        deliver: (blob: Blob): void => {
          signal.removeEventListener('abort', onAbort)
          resolve(blob)
        },
        fail: (error: Error): void => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        }
      }
      want.waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#pumpSoon()
    })
  }

  wantState(cid: BlobCid): WantReport | undefined {
    const want = this.#table.get(cid.key)
    if (want === undefined) return undefined
    const now = this.#components.clock.now()
    const peer = want.owner === undefined ? undefined : this.#peers.get(want.owner)
    const at = this.#components.wheel.now()
    const next = peer === undefined ? undefined : wantDelay(want, peer, this.#limits())
    return {
      askedPeers: want.asks,
      lastAnswerMsAgo: want.lastAnswerAt === undefined ? undefined : now - want.lastAnswerAt,
      nextTryMs: want.state === 'resting' ? Math.max(0, want.since - at) : next
    }
  }

  connected(peer: PeerIdText): void {
    this.#peers.set(peer, new PeerState(peer, this.#options.client))
    for (const want of this.#table.values()) want.tried.delete(peer)
    for (const want of this.#table.resting()) this.#setPending(want)
    this.#pumpSoon()
  }

  disconnected(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    for (const want of this.#wantsOf(state)) this.#moveOn(want, 'lost', false)
    this.#peers.delete(peer)
  }

  /** The wants have left for the peer: their acknowledgement clocks start. */
  wantsLeft(peer: PeerIdText, keys: readonly DigestKey[]): void {
    const now = this.#components.clock.now()
    for (const key of keys) {
      const want = this.#table.get(key)
      if (want?.owner !== peer || want.state !== 'asked') continue
      this.#enter(want, 'sent')
      want.sentAt = now
    }
  }

  /** The control stream broke: what was on it is asked again on the next one. */
  controlLost(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    for (const want of this.#wantsOf(state)) {
      this.#enter(want, 'asked')
      this.#components.link(peer)?.queueWant(want.key, want.wantEntry)
    }
  }

  /** Any message of the peer, whatever it says. */
  heard(peer: PeerIdText): void {
    this.#peers.get(peer)?.heard()
  }

  presences(peer: PeerIdText, presences: readonly Presence[]): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    for (const presence of presences) {
      const want = this.#table.get(presence.key)
      if (want?.owner === peer) this.#onAnswer(want, state, presence.have)
    }
    this.#pumpSoon()
  }

  admit(peer: PeerIdText): 'take' | 'skip' {
    const state = this.#peers.get(peer)
    const now = this.#components.clock.now()
    if (state === undefined || !state.mayDeliver(now)) return 'skip'
    state.receivingSince = this.#components.wheel.now()
    const [only] = state.outstanding
    const want = only === undefined || state.outstanding.size > 1 ? undefined : this.#table.get(only)
    if (want?.owner === peer && want.state === 'sent') this.#sample(want, state)
    return 'take'
  }

  progress(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) state.lastDataAt = this.#components.wheel.now()
  }

  block(peer: PeerIdText, block: ReceivedBlock): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) state.receivingSince = -1
    const want = this.#table.get(block.key)
    if (want === undefined) {
      this.#unwanted(peer, block)
      return
    }
    const { totals } = this.#components.metrics
    totals.usefulBytes += block.length
    totals.usefulBlocks += 1
    const blob = blobFromHashed(block.digest, block.assemble())
    this.#sizeEstimate += (block.length - this.#sizeEstimate) / 16
    state?.delivered(block.length, this.#components.clock.now())
    state?.answered()
    this.#deliver(want, blob, peer)
  }

  /** The blob turned up by another way, the node's own work for one. */
  found(blob: Blob): void {
    const want = this.#table.get(blob.cid.key)
    if (want !== undefined) this.#deliver(want, blob, undefined)
  }

  /** Bytes of a block that nobody can have asked this peer for. */
  skipped(peer: PeerIdText, length: number): void {
    const { totals } = this.#components.metrics
    totals.duplicateBytes += length
    totals.duplicateBlocks += 1
    this.#charge(peer, length)
  }

  /** A block broke off; which one cannot be known, so all that this peer owes is asked elsewhere. */
  partial(peer: PeerIdText, bytes: number, blame: boolean): void {
    this.#components.metrics.totals.partialBytes += bytes
    const state = this.#peers.get(peer)
    if (state === undefined) return
    state.receivingSince = -1
    if (blame) this.#strike(state, 'stalled')
    for (const want of this.#wantsOf(state)) if (want.state !== 'asked') this.#moveOn(want, 'lost', true)
  }

  stop(): void {
    this.#stopped = true
    for (const want of [...this.#table.values()]) {
      const waiters = [...want.waiters]
      this.#end(want)
      for (const waiter of waiters) waiter.fail(stopped())
    }
  }

  #unwanted(peer: PeerIdText, block: ReceivedBlock): void {
    const { clock, metrics } = this.#components
    metrics.totals.duplicateBytes += block.length
    metrics.totals.duplicateBlocks += 1
    const state = this.#peers.get(peer)
    if (state === undefined || state.excuse(block.key, clock.now())) return
    metrics.totals.refusals.wrong += 1
    this.#strike(state, 'wrong')
    for (const want of this.#wantsOf(state)) if (want.state !== 'asked') this.#moveOn(want, 'lost', true)
    this.#charge(peer, block.length)
  }

  #charge(peer: PeerIdText, bytes: number): void {
    this.#components.metrics.totals.refusals.unsolicited += 1
    if (this.#peers.get(peer)?.unsolicited(bytes) === true) this.#components.penalise(peer, 'unsolicited blocks')
  }

  #deliver(want: Want, blob: Blob, from: PeerIdText | undefined): void {
    const { clock, metrics } = this.#components
    const waited = (clock.now() - want.createdAt) / 1000
    metrics.deliverySeconds.observe({ temperature: want.hot ? 'hot' : 'cold' }, waited)
    metrics.asksPerBlob.observe(want.asks)
    if (want.hot && want.asks === 1) this.#hotLimit.sample(waited * 1000)
    for (const peer of want.passedOver) {
      const state = peer === from ? undefined : this.#peers.get(peer)
      if (state !== undefined) this.#strike(state, 'undelivered')
    }
    const waiters = [...want.waiters]
    this.#release(want, 'delivered', want.owner !== from)
    this.#end(want)
    for (const waiter of waiters) waiter.deliver(blob)
    this.#pumpSoon()
  }

  #leave(want: Want, waiter: typeof want.waiters extends Set<infer W> ? W : never): void {
    want.waiters.delete(waiter)
    if (want.waiters.size > 0 || want.state === 'done') return
    this.#release(want, 'aborted', true)
    this.#end(want)
    this.#pumpSoon()
  }

  #end(want: Want): void {
    want.timer?.cancel()
    want.timer = undefined
    want.waiters.clear()
    this.#table.move(want, 'done')
  }

  #wantsOf(state: PeerState): Want[] {
    const wants: Want[] = []
    for (const key of state.outstanding) {
      const want = this.#table.get(key)
      if (want?.owner === state.peer) wants.push(want)
    }
    return wants
  }

  #pumpSoon(): void {
    if (this.#pumpSet || this.#stopped) return
    this.#pumpSet = true
    queueMicrotask(() => {
      this.#pumpSet = false
      this.#pump()
    })
  }

  #pump(): void {
    const now = this.#components.clock.now()
    let busy = 0
    for (const want of this.#table.pending()) {
      if (want.hot && now - want.createdAt > this.#options.client.hotForMs) want.hot = false
      want.sizeEstimate = this.#sizeEstimate
      const choice = this.#components.choice.next(want, this.#peers, now)
      busy = choice.kind === 'busy' ? busy + 1 : 0
      if (busy >= BUSY_IN_A_ROW) return
      this.#apply(want, choice)
    }
  }

  #apply(want: Want, choice: Choice): void {
    if (choice.kind === 'ask') this.#ask(want, choice.peer, choice.patienceMs)
    else if (choice.kind === 'nobody') this.#rest(want)
  }

  #ask(want: Want, peer: PeerIdText, patienceMs: number): void {
    const link = this.#components.link(peer)
    const state = this.#peers.get(peer)
    if (link === undefined || state === undefined) {
      want.tried.add(peer)
      return
    }
    want.owner = peer
    want.patienceMs = patienceMs
    want.ackedBy = 'none'
    want.charged = want.sizeEstimate
    want.asks += 1
    want.tried.add(peer)
    state.asked(want.key, want.charged, this.#components.clock.now())
    this.#components.metrics.totals.wantsSent += 1
    this.#enter(want, 'asked')
    link.queueWant(want.key, want.wantEntry)
  }

  #rest(want: Want): void {
    const { wheel, rng } = this.#components
    const delay = backoffMs(want.round, { ...this.#options.client.roundBackoffMs, jitter: 0.2 }, rng)
    want.round += 1
    want.tried.clear()
    want.timer?.cancel()
    this.#table.move(want, 'resting')
    want.since = wheel.now() + delay
    want.timer = wheel.schedule(delay, () => {
      this.#setPending(want)
      this.#pumpSoon()
    })
  }

  #setPending(want: Want): void {
    want.timer?.cancel()
    want.timer = undefined
    this.#table.move(want, 'pending')
  }

  /** Into a state with an owner; its clock starts. */
  #enter(want: Want, state: 'asked' | 'sent' | 'acked'): void {
    this.#table.move(want, state)
    want.since = this.#components.wheel.now()
    this.#watch(want)
  }

  #watch(want: Want): void {
    want.timer?.cancel()
    const { wheel } = this.#components
    const peer = want.owner === undefined ? undefined : this.#peers.get(want.owner)
    if (peer === undefined) return
    const delay = wantDelay(want, peer, this.#limits())
    want.timer = wheel.schedule(delay, () => {
      want.timer = undefined
      const rest = wantDelay(want, peer, this.#limits())
      if (rest > 0) this.#watch(want)
      else this.#timeUp(want, peer)
    })
  }

  #limits(): ClockLimits {
    return { at: this.#components.wheel.now(), options: this.#options.client, hotLimitMs: this.#hotLimit.ms }
  }

  #timeUp(want: Want, peer: PeerState): void {
    const outcome: WantOutcome = want.state === 'asked' ? 'unsent' : want.state === 'sent' ? 'silent' : 'undelivered'
    this.#components.metrics.totals.wantsTimedOut += 1
    if (outcome !== 'undelivered') this.#strike(peer, 'silent')
    else if (want.ackedBy === 'have') this.#strike(peer, 'undelivered')
    else want.passedOver.add(peer.peer)
    if (want.owner === peer.peer) this.#moveOn(want, outcome, true)
  }

  #onAnswer(want: Want, state: PeerState, have: boolean): void {
    want.lastAnswerAt = this.#components.clock.now()
    state.answered()
    if (want.state === 'sent') this.#sample(want, state)
    if (!have && (want.patienceMs === 0 || want.ackedBy === 'have')) {
      this.#moveOn(want, 'denied', true)
      return
    }
    // Only the first answer starts the hard limit: a peer cannot put it off by saying HAVE again and again.
    if (want.ackedBy !== 'none' && !(have && want.ackedBy === 'dont-have')) return
    const first = want.ackedBy === 'none'
    want.ackedBy = have ? 'have' : 'dont-have'
    if (first || want.state !== 'acked') this.#enter(want, 'acked')
    else this.#watch(want)
  }

  #sample(want: Want, state: PeerState): void {
    const elapsed = this.#components.clock.now() - want.sentAt
    state.sampleRtt(elapsed)
    this.#components.metrics.ackSeconds.observe(elapsed / 1000)
  }

  /** A peer that lied or stalled loses what it has held for a while. */
  #strike(state: PeerState, reason: Strike): void {
    state.strike(reason, this.#components.clock.now())
    if (reason === 'silent') return
    const at = this.#components.wheel.now()
    for (const want of this.#wantsOf(state)) {
      if (want.state === 'acked' && at - want.since > YOUNG_MS) this.#moveOn(want, 'undelivered', true)
    }
  }

  #moveOn(want: Want, outcome: WantOutcome, cancel: boolean): void {
    this.#release(want, outcome, cancel)
    this.#setPending(want)
    this.#pumpSoon()
  }

  #release(want: Want, outcome: WantOutcome, cancel: boolean): void {
    want.timer?.cancel()
    want.timer = undefined
    const owner = want.owner
    if (owner === undefined) return
    want.owner = undefined
    this.#components.metrics.totals.wants[outcome] += 1
    this.#peers.get(owner)?.settled(want.key, want.charged)
    if (cancel) this.#components.link(owner)?.queueCancel(want.key, want.cancelEntry)
  }
}

const stopped = (): ExchangeError => new ExchangeError('stopped', 'the exchange was stopped')
