import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { Presence } from '../message/types.ts'
import type { WantOutcome } from '../metrics.ts'
import type { ClassicOptions, ClientOptions } from '../options.ts'
import { classicBroadcast, classicWantBlock, classicWantHave } from './classic-entries.ts'
import { ClassicLookups } from './classic-lookup.ts'
import { ClassicPeer, type Told } from './classic-peer.ts'
import { ClassicSession, type SharedWant } from './classic-session.ts'
import type { ClientComponents } from './components.ts'
import type { PeerState } from './peer-state.ts'
import type { Policy } from './policy.ts'
import type { SessionToken, Want } from './want.ts'
import type { WantTable } from './want-table.ts'

/**
 * boxo 0.42's way of asking (`bitswap/client/internal/{session,peermanager,messagequeue}`), as the baseline that
 * `assigned` is measured against: what is known of boxo's figures is reproduced, with its reasons.
 *
 * A session that knows no peer sends a want-have to everybody; the first HAVE gets the want-block. Once it knows peers,
 * each want goes as a want-block to one of them and as a want-have to the others. A want-block that is not answered within
 * twice the mean answer time counts as a DONT_HAVE: another peer is asked, and the first is not told. What has come is
 * cancelled with everybody. Sessions do not know of one another.
 *
 * One thing is not boxo's: a want that boxo would leave with a peer that said HAVE and fell silent (it is drawn again,
 * filtered as already asked, and no timer runs any more) is taken from it when the session next ticks, so that every want
 * moves on in the end. How messages travel then is boxo's too: see `classicExchangeOptions`.
 */
export class ClassicPolicy implements Policy {
  readonly #components: ClientComponents
  readonly #options: ClassicOptions
  readonly #table: WantTable
  readonly #peers = new Map<PeerIdText, ClassicPeer>()
  readonly #wants = new Map<DigestKey, SharedWant>()
  readonly #sessions = new WeakMap<SessionToken, ClassicSession>()
  readonly #holders: () => ReadonlySet<PeerIdText>
  readonly #lookups: ClassicLookups
  #pumpSet = false
  #stopped = false

  constructor(components: ClientComponents, options: ClientOptions, state: { readonly table: WantTable }) {
    this.#components = components
    this.#options = options.classic
    this.#table = state.table
    this.#lookups = new ClassicLookups(components, (want, id) => this.#onNamed(want, id))
    this.#holders = () => {
      const { access, execution } = components.peerDirectory()
      return new Set([...access, ...execution])
    }
  }

  /** At the end of this turn, so that a batch leaves as one message. */
  wanted(): void {
    if (this.#pumpSet || this.#stopped) return
    this.#pumpSet = true
    queueMicrotask(() => {
      this.#pumpSet = false
      if (!this.#stopped) this.#pump()
    })
  }

  connected(state: PeerState): void {
    if (!this.#holders().has(state.peer)) return
    const peer = new ClassicPeer(state, this.#options)
    this.#peers.set(state.peer, peer)
    for (const shared of this.#wants.values()) if (shared.broadcast) this.#broadcastTo(peer, shared)
  }

  disconnected({ peer }: PeerState): void {
    const gone = this.#peers.get(peer)
    if (gone === undefined) return
    this.#peers.delete(peer)
    for (const [key, { type }] of [...gone.told]) {
      this.#untell(gone, key, type === 'block' ? 'lost' : undefined)
      this.#wants.get(key)?.presence.delete(peer)
    }
    for (const { sessions } of this.#wants.values()) for (const session of sessions) session.members.delete(peer)
    for (const shared of this.#wants.values()) this.#passOver(shared, peer)
  }

  wantsLeft({ peer: id }: PeerState, keys: readonly DigestKey[]): void {
    const peer = this.#peers.get(id)
    if (peer === undefined) return
    for (const key of keys) {
      const told = peer.told.get(key)
      if (told === undefined) continue
      told.leftAt = this.#components.clock.now()
      if (told.type !== 'block') continue
      told.timer?.cancel()
      this.#watch(peer, key, told)
    }
  }

  controlLost({ peer: id }: PeerState): void {
    const peer = this.#peers.get(id)
    for (const [key, { entry }] of peer?.told ?? []) this.#components.link(id)?.queueWant(key, entry)
  }

  answersLost(): void {}

  presences(state: PeerState, presences: readonly Presence[]): void {
    const peer = this.#peers.get(state.peer)
    if (peer === undefined) return
    this.#answered(
      peer,
      presences.map(({ key }) => key)
    )
    for (const { key, have } of presences) {
      const shared = this.#wants.get(key)
      if (shared === undefined) continue
      shared.want.lastAnswerAt = this.#components.clock.now()
      if (have) this.#onHave(peer, shared)
      else this.#onDontHave(peer, shared)
    }
  }

  /** boxo knows of no such thing. */
  windingDown(): void {}

  arriving(): void {}

  delivered(want: Want, from: PeerState | undefined): void {
    const now = this.#components.clock.now()
    const deliverer = from === undefined ? undefined : this.#peers.get(from.peer)
    if (deliverer !== undefined) this.#answered(deliverer, [want.key])
    this.#lookups.ended(want, from?.peer)
    for (const session of this.#wants.get(want.key)?.sessions ?? []) session.delivered(want.key, from?.peer, now)
    this.#drop(want, (peer) => (peer === deliverer ? 'delivered' : 'undelivered'))
  }

  abandoned(want: Want): void {
    this.#lookups.ended(want, undefined)
    for (const session of this.#wants.get(want.key)?.sessions ?? []) session.delivered(want.key, undefined, 0)
    this.#drop(want, () => 'aborted')
  }

  /** boxo would wait for its next look, 30 s; what was asked there counts as refused instead, whatever the peer has said. */
  brokenOff({ peer: id }: PeerState): void {
    const peer = this.#peers.get(id)
    for (const [key, { type }] of [...(peer?.told ?? [])]) {
      const shared = this.#wants.get(key)
      if (peer === undefined || type !== 'block' || shared === undefined) continue
      this.#untell(peer, key, 'lost')
      shared.presence.set(id, false)
      this.#passOver(shared, id)
    }
  }

  wrong(): void {}

  came(): void {}

  nextTryMs(): undefined {
    return undefined
  }

  attended(want: Want): boolean {
    if (want.state === 'waiting' || want.state === 'pending') return true
    const sessions = this.#wants.get(want.key)?.sessions ?? []
    return [...sessions].some((session) => session.tick !== undefined)
  }

  stop(): void {
    this.#stopped = true
    this.#lookups.stop()
    for (const { sessions } of this.#wants.values()) for (const session of sessions) session.tick?.cancel()
    for (const peer of this.#peers.values()) for (const key of [...peer.told.keys()]) peer.forget(key)
  }

  #pump(): void {
    for (const want of [...this.#table.pending()]) {
      this.#table.move(want, 'shared')
      this.#wants.set(want.key, { want, sessions: new Set(), presence: new Map(), broadcast: false })
    }
    for (const shared of this.#wants.values()) {
      if (shared.sessions.size === shared.want.sessions.size) continue
      for (const token of shared.want.sessions) this.#join(shared, this.#session(token))
    }
  }

  #session(token: SessionToken): ClassicSession {
    const session = this.#sessions.get(token) ?? new ClassicSession(this.#options, this.#components.rng)
    this.#sessions.set(token, session)
    return session
  }

  #join(shared: SharedWant, session: ClassicSession): void {
    if (shared.sessions.has(session)) return
    shared.sessions.add(session)
    session.waiting.add(shared)
    this.#advance(session)
  }

  /** Starts what may start, and keeps the session ticking while it wants anything. */
  #advance(session: ClassicSession): void {
    for (const { shared } of session.promote(this.#components.clock.now())) {
      if (session.members.size === 0) this.#broadcast(shared)
      else this.#askBest(session, shared)
    }
    if (session.live.size === 0) {
      session.tick?.cancel()
      session.tick = undefined
    } else session.tick ??= this.#components.wheel.schedule(session.tickMs, () => this.#onTick(session))
  }

  #broadcast(shared: SharedWant): void {
    shared.broadcast = true
    for (const peer of this.#peers.values()) this.#broadcastTo(peer, shared)
  }

  #broadcastTo(peer: ClassicPeer, shared: SharedWant): void {
    if (!peer.told.has(shared.want.key)) this.#tell(peer, shared.want, 'broadcast')
  }

  /** One optimistic want-block, and a want-have to the other members. */
  #askBest(session: ClassicSession, shared: SharedWant): void {
    const live = session.live.get(shared.want.key)
    if (live === undefined || live.sentTo !== undefined) return
    const best = session.best(shared)
    if (best === undefined) return
    live.sentTo = best
    for (const id of session.members.keys()) {
      const peer = this.#peers.get(id)
      if (peer === undefined) continue
      if (id === best) this.#tell(peer, shared.want, 'block')
      else if (!peer.told.has(shared.want.key)) this.#tell(peer, shared.want, 'have')
    }
  }

  #tell(peer: ClassicPeer, want: Want, what: 'broadcast' | 'have' | 'block'): void {
    const known = peer.told.get(want.key)
    // What was sent is not sent again, by whichever session (`peermanager/peerwantmanager.go`).
    if (known?.type === 'block' || (known !== undefined && what !== 'block')) return
    const { clock, link, metrics } = this.#components
    const cid = want.cid.toBytes()
    const encode = { broadcast: classicBroadcast, have: classicWantHave, block: classicWantBlock }[what]
    const entry = encode(cid)
    const type = what === 'block' ? 'block' : 'have'
    peer.told.set(want.key, { type, entry, leftAt: -1, answered: false, timer: undefined })
    if (type === 'block') {
      metrics.totals.wantsSent += 1
      if (this.#askedElsewhere(want.key, peer)) metrics.totals.wantsHedged += 1
      want.asks += 1
      peer.state.asked(want.key, 0, clock.now())
    } else peer.state.told(want.key, clock.now())
    link(peer.state.peer)?.queueWant(want.key, entry)
  }

  #askedElsewhere(key: DigestKey, peer: ClassicPeer): boolean {
    return [...this.#peers.values()].some((other) => other !== peer && other.told.get(key)?.type === 'block')
  }

  /** Ends what a peer was told, with the outcome of a want-block. */
  #untell(peer: ClassicPeer, key: DigestKey, outcome: WantOutcome | undefined): void {
    const told = peer.forget(key)
    if (told?.type !== 'block') return
    peer.state.settled(key, 0)
    if (outcome !== undefined) this.#components.metrics.totals.wants[outcome] += 1
  }

  /** Cancels with everybody, the one who delivered too. */
  #drop(want: Want, outcome: (peer: ClassicPeer) => WantOutcome): void {
    const shared = this.#wants.get(want.key)
    this.#wants.delete(want.key)
    for (const peer of this.#peers.values()) {
      if (!peer.told.has(want.key)) continue
      this.#untell(peer, want.key, outcome(peer))
      this.#components.link(peer.state.peer)?.queueCancel(want.key, want.cancelEntry)
    }
    for (const session of shared?.sessions ?? []) {
      if (shared !== undefined) session.waiting.delete(shared)
      session.tick?.cancel()
      session.tick = undefined
      this.#advance(session)
    }
    this.wanted()
  }

  #answered(peer: ClassicPeer, keys: readonly DigestKey[]): void {
    const now = this.#components.clock.now()
    const before = peer.timeoutMs
    const elapsed = peer.answered(keys, now)
    if (elapsed === undefined) return
    for (const [key, told] of peer.timeoutMs < before ? peer.told : []) {
      if (told.timer === undefined) continue
      told.timer.cancel()
      this.#watch(peer, key, told)
    }
    peer.state.ack.sample(elapsed, now)
    this.#components.metrics.ackSeconds.observe(elapsed / 1000)
  }

  #onHave(peer: ClassicPeer, shared: SharedWant): void {
    const { peer: id } = peer.state
    shared.presence.set(id, true)
    for (const session of shared.sessions) {
      if (session.join(id)) {
        // A new member hears of all that the session wants.
        for (const { shared: other } of session.live.values())
          if (!peer.told.has(other.want.key)) this.#tell(peer, other.want, 'have')
      }
      this.#askBest(session, shared)
    }
  }

  /** A look-up says that the peer has it, which is as good as its word. True when it had not said so itself. */
  #onNamed(want: Want, id: PeerIdText): boolean {
    const peer = this.#peers.get(id)
    const shared = this.#wants.get(want.key)
    if (peer === undefined || shared === undefined || shared.presence.get(id) === true) return false
    this.#onHave(peer, shared)
    return true
  }

  #onDontHave(peer: ClassicPeer, shared: SharedWant): void {
    const { peer: id } = peer.state
    if (peer.told.get(shared.want.key)?.type === 'block') this.#components.metrics.totals.wants.denied += 1
    // A HAVE is not taken back by what may be older (`blockpresencemanager.go`).
    if (shared.presence.get(id) !== true) shared.presence.set(id, false)
    for (const session of shared.sessions) session.denied(id)
    this.#passOver(shared, id)
  }

  /** The time-out is what the peer's answers say now, not when it was asked (`donthavetimeoutmgr.go`, `checkForTimeouts`). */
  #watch(peer: ClassicPeer, key: DigestKey, told: Told): void {
    const { clock } = this.#components
    const left = told.leftAt + peer.timeoutMs - clock.now()
    // Not on the wheel, whose grace of 25 ms and more would hide half of what boxo's exact timers cost it.
    told.timer = clock.setTimer(Math.max(0, left), () => this.#onTimeout(peer, key))
  }

  /** A simulated DONT_HAVE. The peer is not told, and may yet deliver. */
  #onTimeout(peer: ClassicPeer, key: DigestKey): void {
    const told = peer.told.get(key)
    const shared = this.#wants.get(key)
    if (told === undefined || shared === undefined) return
    told.timer = undefined
    this.#components.metrics.totals.wantsTimedOut += 1
    this.#onDontHave(peer, shared)
  }

  /** Sessions that waited for this peer ask another. */
  #passOver(shared: SharedWant, peer: PeerIdText): void {
    for (const session of shared.sessions) {
      const live = session.live.get(shared.want.key)
      if (live?.sentTo !== peer) continue
      live.sentTo = undefined
      this.#askBest(session, shared)
    }
  }

  #onTick(session: ClassicSession): void {
    session.tick = undefined
    session.ticks += 1
    const now = this.#components.clock.now()
    const [first] = session.live.values()
    if (first !== undefined) this.#lookups.lookUp(first.shared.want)
    for (const live of [...session.live.values()]) {
      this.#broadcast(live.shared)
      this.#unstick(live.shared, now)
      live.sentTo = undefined
      this.#askBest(session, live.shared)
    }
    this.#advance(session)
  }

  /** What nobody answers is asked anew: want-blocks whose time is up, and after long enough everything. */
  #unstick({ want, presence }: SharedWant, now: number): void {
    for (const peer of this.#peers.values()) {
      const told = peer.told.get(want.key)
      if (told === undefined || told.leftAt < 0) continue
      const given = told.type === 'block' && told.timer === undefined
      if (given) presence.set(peer.state.peer, false)
      if (now - told.leftAt < this.#options.resendMs) continue
      presence.delete(peer.state.peer)
      this.#untell(peer, want.key, told.type === 'block' ? 'undelivered' : undefined)
      this.#tell(peer, want, 'broadcast')
    }
  }
}
