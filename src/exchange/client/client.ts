import { type Blob, type BlobCid, blobFromHashed, type DigestKey, type PeerIdText } from '../../model/index.ts'
import { ExchangeError } from '../errors.ts'
import type { WantState as WantReport } from '../exchange.ts'
import type { Presence, ReceivedBlock } from '../message/types.ts'
import type { ExchangeOptions } from '../options.ts'
import { LONGEST_STALL_MS } from './ack-clock.ts'
import { Asking } from './asking.ts'
import type { ClientComponents } from './components.ts'
import { wantDelay } from './clocks.ts'
import { PeerState } from './peer-state.ts'
import { Prober } from './prober.ts'
import type { Want } from './want.ts'
import { WantTable } from './want-table.ts'

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
  readonly #prober: Prober
  readonly #asking: Asking
  #stopped = false

  constructor(components: ClientComponents, options: ExchangeOptions) {
    this.#components = components
    this.#options = options
    this.#table = new WantTable(options.client.maxLiveWants)
    this.#prober = new Prober(components, {
      ackMs: (state) => this.#asking.ackMs(state),
      unsentMs: options.client.unsentMs,
      silent: (state, since) => this.#asking.silent(state, since)
    })
    this.#asking = new Asking(components, options.client, {
      table: this.#table,
      peers: this.#peers,
      prober: this.#prober
    })
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
      this.#asking.pumpSoon()
    })
  }

  wantState(cid: BlobCid): WantReport | undefined {
    const want = this.#table.get(cid.key)
    if (want === undefined) return undefined
    const now = this.#components.clock.now()
    const peer = want.owner === undefined ? undefined : this.#peers.get(want.owner)
    const at = this.#components.wheel.now()
    const next = peer === undefined ? undefined : wantDelay(want, peer, this.#asking.limits())
    return {
      askedPeers: want.asks,
      lastAnswerMsAgo: want.lastAnswerAt === undefined ? undefined : now - want.lastAnswerAt,
      nextTryMs: want.state === 'resting' ? Math.max(0, want.since - at) : next
    }
  }

  connected(peer: PeerIdText): void {
    const state = new PeerState(peer, this.#options.client)
    this.#peers.set(peer, state)
    for (const want of this.#table.values()) want.tried.delete(peer)
    for (const want of this.#table.resting()) this.#asking.setPending(want)
    if (this.#components.choice.knows(peer)) this.#prober.ask(state)
    this.#asking.pumpSoon()
  }

  disconnected(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    for (const want of this.#asking.wantsOf(state)) this.#asking.moveOn(want, 'lost', false)
    this.#peers.delete(peer)
    this.#prober.gone(peer)
  }

  /** The wants have left for the peer: their acknowledgement clocks start. */
  wantsLeft(peer: PeerIdText, keys: readonly DigestKey[]): void {
    const now = this.#components.clock.now()
    for (const key of keys) {
      if (key === this.#prober.key) this.#prober.left(peer)
      const want = this.#table.get(key)
      if (want?.owner !== peer || want.state !== 'asked') continue
      this.#asking.enter(want, 'sent')
      want.sentAt = now
    }
  }

  /** The control stream broke: what was on it is asked again on the next one. */
  controlLost(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    this.#prober.lost(peer)
    for (const want of this.#asking.wantsOf(state)) {
      this.#asking.enter(want, 'asked')
      this.#components.link(peer)?.queueWant(want.key, want.wantEntry)
    }
  }

  /** Any message of the peer, whatever it says. */
  heard(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    state.lastWordAt = this.#components.wheel.now()
    state.heard(this.#components.clock.now())
  }

  presences(peer: PeerIdText, presences: readonly Presence[]): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    for (const presence of presences) {
      if (presence.key === this.#prober.key) this.#probed(state)
      const want = this.#table.get(presence.key)
      if (want?.owner === peer) this.#onAnswer(want, state, presence.have)
    }
    this.#asking.pumpSoon()
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
    if (state !== undefined) state.lastWordAt = this.#components.wheel.now()
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
    this.#asking.sizeEstimate += (block.length - this.#asking.sizeEstimate) / 16
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
    if (blame) this.#asking.strike(state, 'stalled')
    for (const want of this.#asking.wantsOf(state)) if (want.state !== 'asked') this.#asking.moveOn(want, 'lost', true)
  }

  stop(): void {
    this.#stopped = true
    this.#asking.stop()
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
    this.#asking.strike(state, 'wrong')
    for (const want of this.#asking.wantsOf(state)) if (want.state !== 'asked') this.#asking.moveOn(want, 'lost', true)
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
    if (want.hot && want.asks === 1) this.#asking.hotLimit.sample(waited * 1000)
    for (const peer of want.passedOver) {
      const state = peer === from ? undefined : this.#peers.get(peer)
      if (state !== undefined) this.#asking.strike(state, 'undelivered')
    }
    const waiters = [...want.waiters]
    this.#asking.release(want, 'delivered', want.owner !== from)
    this.#end(want)
    for (const waiter of waiters) waiter.deliver(blob)
    this.#asking.pumpSoon()
  }

  #leave(want: Want, waiter: typeof want.waiters extends Set<infer W> ? W : never): void {
    want.waiters.delete(waiter)
    if (want.waiters.size > 0 || want.state === 'done') return
    this.#asking.release(want, 'aborted', true)
    this.#end(want)
    this.#asking.pumpSoon()
  }

  #end(want: Want): void {
    want.timer?.cancel()
    want.timer = undefined
    want.waiters.clear()
    this.#table.move(want, 'done')
  }

  #onAnswer(want: Want, state: PeerState, have: boolean): void {
    want.lastAnswerAt = this.#components.clock.now()
    state.answered()
    if (want.state === 'sent') this.#sample(want, state)
    if (!have && (want.patienceMs === 0 || want.ackedBy === 'have')) {
      if (!want.hot) state.denied(this.#components.clock.now())
      this.#asking.moveOn(want, 'denied', true)
      return
    }
    // Only the first answer starts the hard limit: a peer cannot put it off by saying HAVE again and again.
    if (want.ackedBy !== 'none' && !(have && want.ackedBy === 'dont-have')) return
    const first = want.ackedBy === 'none'
    want.ackedBy = have ? 'have' : 'dont-have'
    if (first || want.state !== 'acked') this.#asking.enter(want, 'acked')
    else this.#asking.watch(want)
  }

  #sample(want: Want, state: PeerState): void {
    const now = this.#components.clock.now()
    state.ack.sample(now - want.sentAt, now)
    this.#components.metrics.ackSeconds.observe((now - want.sentAt) / 1000)
  }

  #probed(state: PeerState): void {
    const elapsed = this.#prober.answered(state.peer)
    // After a silence the question has waited for the peer to wake, which `heard` has reckoned with.
    if (elapsed !== undefined && elapsed <= LONGEST_STALL_MS) state.ack.sample(elapsed, this.#components.clock.now())
  }
}

const stopped = (): ExchangeError => new ExchangeError('stopped', 'the exchange was stopped')
