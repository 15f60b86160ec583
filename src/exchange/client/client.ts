import { type Blob, BlobCid, blobFromHashed, type DigestKey, type PeerIdText } from '../../model/index.ts'
import { ExchangeError } from '../errors.ts'
import type { WantState as WantReport } from '../exchange.ts'
import { encodeCancel } from '../message/encoder.ts'
import type { Presence, ReceivedBlock } from '../message/types.ts'
import { type StrikeCount, temperatureOf } from '../metrics.ts'
import type { ExchangeOptions } from '../options.ts'
import { AssignedPolicy } from './assigned-policy.ts'
import { ClassicPolicy } from './classic-policy.ts'
import type { ClientComponents } from './components.ts'
import { PeerState } from './peer-state.ts'
import type { Policy } from './policy.ts'
import type { SessionToken, Want } from './want.ts'
import { WantTable } from './want-table.ts'

/** What a block that nobody asked for is charged at least, bytes. */
const LEAST_CHARGE_BYTES = 256

export interface FetchRequest<T> {
  readonly cid: BlobCid
  readonly hot: boolean
  readonly origins: readonly PeerIdText[]
  readonly session: SessionToken
  readonly signal: AbortSignal
  readonly take: (blob: Blob) => T | PromiseLike<T>
}

/**
 * The asking side: one want table for all sessions, one copy of a block wanted at a time.
 *
 * A fetch makes or joins a want. The policy asks peers for it, and others when those do not deliver; the first valid copy
 * goes to all who wait, whoever sent it, and everything else that comes is counted as waste. A want ends only with its
 * blob or its last waiter.
 *
 * Everything here is synchronous: events come in, words for peers go out through links. Invariant: every live want has
 * an owner or a timer, or is pending.
 */
export class ExchangeClient {
  readonly #components: ClientComponents
  readonly #options: ExchangeOptions
  readonly #table: WantTable
  readonly #peers = new Map<PeerIdText, PeerState>()
  readonly #policy: Policy
  #stopped = false

  constructor(components: ClientComponents, options: ExchangeOptions) {
    this.#components = components
    this.#options = options
    this.#table = new WantTable(options.client.maxLiveWants)
    const state = { table: this.#table, peers: this.#peers }
    this.#policy =
      options.policy === 'classic'
        ? new ClassicPolicy(components, options.client, state)
        : new AssignedPolicy(components, options.client, state)
  }

  get liveWants(): number {
    return this.#table.live
  }

  get waitingFetches(): number {
    return this.#table.waiting
  }

  /** See `ExchangeLevels.wantAgeSeconds`. */
  wantAgeSeconds(): { oldest: number; p99: number } {
    const now = this.#components.clock.now()
    const age = (want: Want | undefined): number => (want === undefined ? 0 : (now - want.createdAt) / 1000)
    return { oldest: age(this.#table.oldest(0)), p99: age(this.#table.oldest(0.01)) }
  }

  /** See `ExchangeLevels.peerWindowBytes`. */
  peerWindowBytes(): { min: number; mean: number; max: number } {
    const windows = [...this.#peers.values()].map(({ windowBytes }) => windowBytes)
    if (windows.length === 0) return { min: 0, mean: 0, max: 0 }
    const sum = windows.reduce((total, bytes) => total + bytes, 0)
    return { min: Math.min(...windows), mean: sum / windows.length, max: Math.max(...windows) }
  }

  /** See `ExchangeLevels.peersByStrikes`. */
  peersByStrikes(): Record<StrikeCount, number> {
    const counts = { '0': 0, '1': 0, '2-3': 0, '4+': 0 }
    for (const { strikes } of this.#peers.values()) {
      counts[strikes === 0 ? '0' : strikes === 1 ? '1' : strikes < 4 ? '2-3' : '4+'] += 1
    }
    return counts
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

  /** See `ExchangeSession.fetchInto`. */
  fetch<T>(request: FetchRequest<T>): Promise<T> {
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
          try {
            resolve(request.take(blob))
          } catch (error) {
            reject(error)
          }
        },
        fail: (error: Error): void => {
          signal.removeEventListener('abort', onAbort)
          reject(error)
        }
      }
      want.waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
      want.sessions.add(request.session)
      this.#policy.wanted(want, request.session)
    })
  }

  wantState(cid: BlobCid): WantReport | undefined {
    const want = this.#table.get(cid.key)
    if (want === undefined) return undefined
    const now = this.#components.clock.now()
    return {
      askedPeers: want.asks,
      lastAnswerMsAgo: want.lastAnswerAt === undefined ? undefined : now - want.lastAnswerAt,
      nextTryMs: this.#policy.nextTryMs(want)
    }
  }

  /** See `Policy.attended`. */
  attended(want: Want): boolean {
    return this.#policy.attended(want)
  }

  connected(peer: PeerIdText): void {
    const state = new PeerState(peer, this.#options.client)
    this.#peers.set(peer, state)
    this.#policy.connected(state)
  }

  disconnected(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    this.#policy.disconnected(state)
    this.#peers.delete(peer)
  }

  wantsLeft(peer: PeerIdText, keys: readonly DigestKey[]): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) this.#policy.wantsLeft(state, keys)
  }

  /**
   * The control stream broke. Cancels may have been on it, and the peer would send what it still holds a want for: they go
   * out once more, then what is wanted.
   */
  controlLost(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    const link = this.#components.link(peer)
    for (const key of state.formerlyAsked(this.#components.clock.now())) {
      link?.queueCancel(key, encodeCancel(BlobCid.fromKey(key).toBytes()))
    }
    this.#policy.controlLost(state)
  }

  /** A stream of the peer broke: answers may have been on it. */
  answersLost(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) this.#policy.answersLost(state)
  }

  /** Any message of the peer, whatever it says. */
  heard(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined) return
    state.lastWordAt = this.#components.wheel.now()
    state.heard(this.#components.clock.now())
  }

  /** The peer said that it winds down. */
  windingDown(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state === undefined || state.windingDown) return
    state.windingDown = true
    this.#policy.windingDown(state)
  }

  presences(peer: PeerIdText, presences: readonly Presence[]): void {
    const { presencesReceived } = this.#components.metrics.totals
    for (const { have } of presences) presencesReceived[have ? 'have' : 'dont-have'] += 1
    const state = this.#peers.get(peer)
    if (state !== undefined) this.#policy.presences(state, presences)
  }

  admit(peer: PeerIdText): 'take' | 'skip' {
    const state = this.#peers.get(peer)
    if (state === undefined || !state.mayDeliver(this.#components.clock.now())) return 'skip'
    state.receivingSince = this.#components.wheel.now()
    this.#policy.arriving(state)
    return 'take'
  }

  progress(peer: PeerIdText): void {
    const state = this.#peers.get(peer)
    if (state !== undefined) state.lastWordAt = this.#components.wheel.now()
  }

  block(peer: PeerIdText, block: ReceivedBlock): void {
    const state = this.#peers.get(peer)
    const ms = state === undefined || state.receivingSince < 0 ? 0 : this.#components.wheel.now() - state.receivingSince
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
    this.#policy.came(block.length, state, ms)
    state?.delivered(block.length, this.#components.clock.now())
    state?.answered()
    this.#deliver(want, blob, state)
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

  /** A block broke off after so many bytes. One that nobody can have asked for counts against the peer as a whole one would. */
  partial(
    peer: PeerIdText,
    block: { readonly bytes: number; readonly blame: boolean; readonly admitted: boolean }
  ): void {
    this.#components.metrics.totals.partialBytes += block.bytes
    const state = this.#peers.get(peer)
    if (state === undefined) return
    if (!block.admitted) {
      this.#charge(peer, block.bytes)
      return
    }
    state.receivingSince = -1
    this.#policy.brokenOff(state, block.blame)
  }

  stop(): void {
    this.#stopped = true
    this.#policy.stop()
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
    this.#policy.wrong(state)
    this.#charge(peer, block.length)
  }

  #charge(peer: PeerIdText, bytes: number): void {
    this.#components.metrics.totals.refusals.unsolicited += 1
    // Empty ones cost something too.
    if (this.#peers.get(peer)?.unsolicited(Math.max(bytes, LEAST_CHARGE_BYTES)) === true)
      this.#components.penalise(peer, 'unsolicited blocks')
  }

  #deliver(want: Want, blob: Blob, from: PeerState | undefined): void {
    const { clock, metrics } = this.#components
    const waited = (clock.now() - want.createdAt) / 1000
    metrics.deliverySeconds.observe({ temperature: temperatureOf(want.hot) }, waited)
    metrics.asksPerBlob.observe(want.asks)
    const waiters = [...want.waiters]
    this.#policy.delivered(want, from)
    this.#end(want)
    for (const waiter of waiters) waiter.deliver(blob)
  }

  #leave(want: Want, waiter: typeof want.waiters extends Set<infer W> ? W : never): void {
    want.waiters.delete(waiter)
    if (want.waiters.size > 0 || want.state === 'done') return
    this.#policy.abandoned(want)
    this.#end(want)
  }

  #end(want: Want): void {
    want.timer?.cancel()
    want.timer = undefined
    want.waiters.clear()
    this.#table.move(want, 'done')
  }
}

const stopped = (): ExchangeError => new ExchangeError('stopped', 'the exchange was stopped')
