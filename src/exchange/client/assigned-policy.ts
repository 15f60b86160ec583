import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Presence } from '../message/types.ts'
import type { ClientOptions } from '../options.ts'
import { LONGEST_STALL_MS } from './ack-clock.ts'
import { Asking } from './asking.ts'
import { AssignedChoice } from './assigned-choice.ts'
import { wantDelay } from './clocks.ts'
import type { ClientComponents } from './components.ts'
import type { PeerState } from './peer-state.ts'
import type { Policy } from './policy.ts'
import { Prober } from './prober.ts'
import type { Want } from './want.ts'
import type { WantTable } from './want-table.ts'

/**
 * One want-block outstanding per blob: `AssignedChoice` says at whom, `Asking` moves wants from one to the next, and what
 * peers say ends or prolongs their clocks.
 */
export class AssignedPolicy implements Policy {
  readonly #components: ClientComponents
  readonly #table: WantTable
  readonly #peers: ReadonlyMap<PeerIdText, PeerState>
  readonly #choice: AssignedChoice
  readonly #prober: Prober
  readonly #asking: Asking

  constructor(
    components: ClientComponents,
    options: ClientOptions,
    state: { readonly table: WantTable; readonly peers: ReadonlyMap<PeerIdText, PeerState> }
  ) {
    this.#components = components
    this.#table = state.table
    this.#peers = state.peers
    this.#choice = new AssignedChoice(components, options)
    this.#prober = new Prober(components, {
      ackMs: (peer) => this.#asking.ackMs(peer),
      unsentMs: options.unsentMs,
      silent: (peer, since) => this.#asking.silent(peer, since)
    })
    this.#asking = new Asking(components, options, { ...state, choice: this.#choice, prober: this.#prober })
  }

  wanted(want: Want): void {
    this.#asking.pumpSoon(want.hot)
  }

  connected(state: PeerState): void {
    for (const want of this.#table.values()) want.tried.delete(state.peer)
    for (const want of this.#table.resting()) this.#asking.setPending(want)
    if (this.#choice.knows(state.peer)) this.#prober.ask(state)
    this.#asking.pumpSoon(true)
  }

  disconnected(state: PeerState): void {
    for (const want of this.#asking.wantsOf(state)) this.#asking.moveOn(want, 'lost', false)
    this.#prober.gone(state.peer)
  }

  /** The acknowledgement clocks of these start. */
  wantsLeft(state: PeerState, keys: readonly DigestKey[]): void {
    for (const key of keys) {
      if (key === this.#prober.key) this.#prober.left(state.peer)
      const want = this.#table.get(key)
      if (want?.owner !== state.peer || want.state !== 'asked') continue
      this.#asking.enter(want, 'sent')
      want.sentAt = this.#components.clock.now()
    }
  }

  controlLost(state: PeerState): void {
    this.#prober.lost(state.peer)
    for (const want of this.#asking.wantsOf(state)) {
      this.#asking.enter(want, 'asked')
      want.askedAgain = true
      this.#components.link(state.peer)?.queueWant(want.key, want.wantEntry)
    }
  }

  /** A want whose answer is lost moves on when its clock says so; the question would stand for ever. */
  answersLost(state: PeerState): void {
    this.#prober.answerLost(state.peer)
  }

  presences(state: PeerState, presences: readonly Presence[]): void {
    for (const { key, have } of presences) {
      if (key === this.#prober.key) this.#probed(state)
      const want = this.#table.get(key)
      if (want?.owner === state.peer) this.#onAnswer(want, state, have)
    }
    this.#asking.pumpSoon(false)
  }

  windingDown(state: PeerState): void {
    for (const want of this.#asking.wantsOf(state)) {
      if (want.hot && want.ackedBy !== 'have') this.#asking.moveOn(want, 'undelivered', true)
    }
  }

  arriving(state: PeerState): void {
    const [only] = state.outstanding
    const want = only === undefined || state.outstanding.size > 1 ? undefined : this.#table.get(only)
    if (want?.owner === state.peer && want.state === 'sent') this.#sample(want, state)
  }

  delivered(want: Want, from: PeerState | undefined): void {
    if (want.hot && want.asks === 1) this.#asking.hotLimit.sample(this.#components.clock.now() - want.createdAt)
    for (const peer of want.passedOver) {
      const state = peer === from?.peer ? undefined : this.#peers.get(peer)
      if (state !== undefined) this.#asking.strike(state, 'undelivered')
    }
    this.#asking.release(want, 'delivered', want.owner !== from?.peer || want.askedAgain)
    this.#asking.pumpSoon(false)
  }

  abandoned(want: Want): void {
    this.#asking.release(want, 'aborted', true)
    this.#asking.pumpSoon(false)
  }

  /** All that this peer owes is asked elsewhere. */
  brokenOff(state: PeerState, blame: boolean): void {
    if (blame) this.#asking.strike(state, 'stalled')
    this.#lose(state)
  }

  wrong(state: PeerState): void {
    this.#asking.strike(state, 'wrong')
    this.#lose(state)
  }

  came(bytes: number, from: PeerState | undefined, ms: number): void {
    this.#asking.sized(bytes)
    if (from !== undefined) this.#choice.pace.sample(from, { bytes, ms, now: this.#components.clock.now() })
  }

  nextTryMs(want: Want): number | undefined {
    if (want.state === 'resting') return Math.max(0, want.since - this.#components.wheel.now())
    const peer = want.owner === undefined ? undefined : this.#peers.get(want.owner)
    return peer === undefined ? undefined : wantDelay(want, peer, this.#asking.limits())
  }

  attended(want: Want): boolean {
    return want.state === 'waiting' || want.state === 'pending' || want.timer !== undefined
  }

  stop(): void {
    this.#asking.stop()
  }

  #lose(state: PeerState): void {
    for (const want of this.#asking.wantsOf(state)) if (want.state !== 'asked') this.#asking.moveOn(want, 'lost', true)
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
