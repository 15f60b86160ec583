import type { PeerIdText } from '../../model/index.ts'
import { backoffMs, type Timer } from '../../util/index.ts'
import type { HaveOutcome, WantOutcome } from '../metrics.ts'
import type { ClientOptions } from '../options.ts'
import { AckFloor } from './ack-clock.ts'
import { type ClockLimits, HotLimit, wantDelay } from './clocks.ts'
import type { ClientComponents } from './components.ts'
import { Deadline } from './deadline.ts'
import type { Choice, PeerChoice } from './peer-choice.ts'
import type { PeerState, Strike } from './peer-state.ts'
import type { Prober } from './prober.ts'
import type { Want } from './want.ts'
import type { WantTable } from './want-table.ts'

/** Wants in a row for which all peers were busy, after which the rest is not tried. */
const BUSY_IN_A_ROW = 16
/** What became of a HAVE, where the way in which the ask ended says it. */
const HAVE_OUTCOMES: Partial<Readonly<Record<WantOutcome, HaveOutcome>>> = {
  delivered: 'kept',
  undelivered: 'broken',
  denied: 'broken'
}
/** Quiet peers are found out with this share of `aliveEveryMs` at the most beside it. */
const LOOKS_PER_QUESTION = 4
/** Cold wants are gathered while so many are under way: with fewer, a peer could run dry meanwhile. */
const GATHER_FROM = 32
/** A want of more than this is worth a message of its own, bytes. */
const LARGE_BYTES = 65_536
/** A struck peer keeps wants that are younger: their answer may be on its way. */
const YOUNG_MS = 600

/**
 * Who is asked for which want, and when a want moves on: pending → asked → sent → acked, and back to pending when its time
 * is up. Invariant: whatever leaves an owner is first uncharged there and cancelled.
 */
export class Asking {
  readonly #components: ClientComponents
  readonly #options: ClientOptions
  readonly #table: WantTable
  readonly #peers: ReadonlyMap<PeerIdText, PeerState>
  readonly #choice: PeerChoice
  readonly #prober: Prober
  readonly hotLimit: HotLimit
  readonly #ackFloor = new AckFloor()
  /** Mean length of the blocks that came, bytes: what a blob is taken to have before it comes. */
  sizeEstimate: number
  /** The share of blocks above `LARGE_BYTES`, of those that came lately. */
  #largeShare = 1
  #pumpSet = false
  #pumpedAt = Number.NEGATIVE_INFINITY
  #gathering: Timer | undefined
  #stopped = false

  constructor(
    components: ClientComponents,
    options: ClientOptions,
    state: {
      readonly table: WantTable
      readonly peers: ReadonlyMap<PeerIdText, PeerState>
      readonly choice: PeerChoice
      readonly prober: Prober
    }
  ) {
    this.#components = components
    this.#options = options
    this.#table = state.table
    this.#peers = state.peers
    this.#choice = state.choice
    this.#prober = state.prober
    this.hotLimit = new HotLimit(options)
    this.sizeEstimate = options.firstSizeEstimateBytes
  }

  /** Nobody is asked any more. */
  stop(): void {
    this.#stopped = true
    this.#gathering?.cancel()
  }

  /** The wants that a peer owes an answer to. */
  wantsOf(state: PeerState): Want[] {
    const wants: Want[] = []
    for (const key of state.outstanding) {
      const want = this.#table.get(key)
      if (want?.owner === state.peer) wants.push(want)
    }
    return wants
  }

  /** The length of a block that came, bytes. */
  sized(bytes: number): void {
    this.sizeEstimate += (bytes - this.sizeEstimate) / 16
    this.#largeShare += ((bytes > LARGE_BYTES ? 1 : 0) - this.#largeShare) / 16
  }

  /**
   * Chooses peers for the pending wants at the end of this turn, all of a batch in order. Where many small blobs are caught up, cold wants
   * wait for one another: what is wanted, sent and stored together costs far less than one by one.
   */
  pumpSoon(hot: boolean): void {
    if (this.#pumpSet || this.#stopped) return
    const { clock } = this.#components
    const gathers = !hot && this.#largeShare < 0.5 && this.#table.live >= GATHER_FROM
    const left = gathers ? this.#pumpedAt + this.#options.gatherMs - clock.now() : 0
    if (left > 0) {
      this.#gathering ??= clock.setTimer(left, () => this.#pump())
      return
    }
    this.#pumpSet = true
    queueMicrotask(() => {
      this.#pumpSet = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#stopped) return
    const now = this.#components.clock.now()
    this.#gathering?.cancel()
    this.#gathering = undefined
    this.#pumpedAt = now
    let busy = 0
    for (const want of this.#table.pending()) {
      if (want.hot && now - want.createdAt > this.#options.hotForMs) want.hot = false
      want.sizeEstimate = this.sizeEstimate
      const choice = this.#choice.next(want, this.#peers, now)
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
    want.askedAgain = want.asked.has(peer)
    want.asked.add(peer)
    state.asked(want.key, want.charged, this.#components.clock.now())
    this.#components.metrics.totals.wantsSent += 1
    this.enter(want, 'asked')
    link.queueWant(want.key, want.wantEntry)
  }

  #rest(want: Want): void {
    const { wheel, rng } = this.#components
    const delay = backoffMs(want.round, { ...this.#options.roundBackoffMs, jitter: 0.2 }, rng)
    want.round += 1
    want.tried.clear()
    want.timer?.cancel()
    this.#table.move(want, 'resting')
    want.since = wheel.now() + delay
    want.timer = wheel.schedule(delay, () => {
      this.setPending(want)
      this.pumpSoon(want.hot)
    })
  }

  /** Nobody is asked for it now; somebody will be. */
  setPending(want: Want): void {
    want.timer?.cancel()
    want.timer = undefined
    this.#table.move(want, 'pending')
  }

  /** Into a state with an owner; its clock starts. */
  enter(want: Want, state: 'asked' | 'sent' | 'acked'): void {
    this.#table.move(want, state)
    want.since = this.#components.wheel.now()
    this.watch(want)
  }

  /** Sets the want's timer to when it is to be looked at next. */
  watch(want: Want): void {
    want.timer?.cancel()
    const peer = want.owner === undefined ? undefined : this.#peers.get(want.owner)
    if (peer === undefined) return
    const { wheel } = this.#components
    const { aliveEveryMs } = this.#options
    want.timer = new Deadline(this.#components, {
      left: () => wantDelay(want, peer, this.limits()),
      // Who owes a block and is quiet is asked whether it is there: a peer can fall silent after its acknowledgement, and
      // in the midst of a block.
      look: () => {
        const owes = want.state === 'acked' || peer.receivingSince >= 0
        if (owes && wheel.now() - peer.lastWordAt >= aliveEveryMs) this.#prober.ask(peer)
      },
      everyMs: aliveEveryMs / LOOKS_PER_QUESTION,
      passed: () => this.#timeUp(want, peer)
    })
  }

  /** How long the peer may take to acknowledge now. */
  ackMs(peer: PeerState): number {
    const { now, ackFloorMs } = this.limits()
    return peer.ack.ms(now, ackFloorMs, this.#options)
  }

  /** What deadlines are reckoned from now. */
  limits(): ClockLimits {
    const now = this.#components.clock.now()
    const ackFloorMs = this.#ackFloor.ms(now, () => this.#ackClocks())
    return { at: this.#components.wheel.now(), now, ackFloorMs, options: this.#options, hotLimitMs: this.hotLimit.ms }
  }

  *#ackClocks(): Generator<PeerState['ack']> {
    for (const { ack } of this.#peers.values()) yield ack
  }

  #timeUp(want: Want, peer: PeerState): void {
    if (want.state !== 'acked') {
      const now = this.#components.clock.now()
      this.silent(peer, want.state === 'sent' ? want.sentAt : now)
      return
    }
    if (want.ackedBy === 'have') this.strike(peer, 'undelivered')
    else want.passedOver.add(peer.peer)
    if (want.owner === peer.peer) this.#late(want, 'undelivered')
  }

  #late(want: Want, outcome: WantOutcome): void {
    this.#components.metrics.totals.wantsTimedOut += 1
    this.moveOn(want, outcome, true)
  }

  /** A peer has answered nothing since `since`: what it owes is asked of others, and it is asked to say when it is back. */
  silent(peer: PeerState, since: number): void {
    peer.strike('silent', this.#components.clock.now(), since)
    this.#prober.ask(peer)
    for (const want of this.wantsOf(peer)) this.#late(want, want.state === 'asked' ? 'unsent' : 'silent')
    // What it had begun to send is asked of another now. The reset leaves before the cancels.
    this.#components.dropReceiving(peer.peer)
  }

  /** A peer that lied or stalled loses what it has held for a while. */
  strike(state: PeerState, reason: Exclude<Strike, 'silent'>): void {
    state.strike(reason, this.#components.clock.now())
    const at = this.#components.wheel.now()
    for (const want of this.wantsOf(state)) {
      if (want.state === 'acked' && at - want.since > YOUNG_MS) this.moveOn(want, 'undelivered', true)
    }
  }

  /** Takes the want from its owner, its cancel first, and gives it to the next. */
  moveOn(want: Want, outcome: WantOutcome, cancel: boolean): void {
    this.release(want, outcome, cancel)
    this.setPending(want)
    this.pumpSoon(want.hot)
  }

  /** Ends the ask, if there is one, with an outcome. */
  release(want: Want, outcome: WantOutcome, cancel: boolean): void {
    want.timer?.cancel()
    want.timer = undefined
    const owner = want.owner
    if (owner === undefined) return
    want.owner = undefined
    const { totals } = this.#components.metrics
    totals.wants[outcome] += 1
    if (want.ackedBy === 'have' && HAVE_OUTCOMES[outcome] !== undefined) totals.haves[HAVE_OUTCOMES[outcome]] += 1
    this.#peers.get(owner)?.settled(want.key, want.charged)
    if (cancel) this.#components.link(owner)?.queueCancel(want.key, want.cancelEntry)
  }
}
