/**
 * Keeps a connection to every staked peer of the wanted roles: a full mesh, with no discovery.
 *
 * Of a pair the peer with the lower id (by text) dials; the other one dials only when nothing came in for a grace period.
 * A failed dial is repeated after a growing, jittered pause; a connection that lasted ends the back-off. Two connections of
 * one pair are reduced to one after both sides have had time to see both: kept is the one that the lower id opened, of
 * several such the newest (an older one is then the remains of a peer that restarted). Both sides apply the same rule, so
 * whichever closes first closes the same one. What leaves the table is disconnected, what moves is dialled anew.
 *
 * Invariants: at most one dial per peer runs, at most `maxParallelDials` in all; a peer has a timer or a dial or a
 * connection or a place in the ready list, never none while the manager runs; states, lists and timers are bounded by the
 * table.
 */
import type { NodeIdentity, PeerIdText, Role } from '../model/index.ts'
import type { Logger } from '../log/logger.ts'
import { type BackoffOptions, backoffMs, type Clock, messageOf, type Rng, type Service } from '../util/index.ts'
import type { Cooldowns } from './cooldowns.ts'
import type { IdentityTable, TableChange } from './identity-table/table.ts'
import type { Direction, P2pMetrics } from './metrics.ts'
import type { PeerManagerOptions } from './options.ts'
import { DialTimeout, type HeldLink, type PeerLink, type PeerState } from './peer-state.ts'

/** Opens a connection to the table's address of a peer. Rejects with an error whose outcome `dialOutcome` can name. */
export type Dial = (identity: NodeIdentity, options: { readonly signal: AbortSignal }) => Promise<void>

export interface PeerManagerComponents {
  readonly self: PeerIdText
  readonly table: Pick<IdentityTable, 'all' | 'byPeerId' | 'isAdmitted' | 'onChange'>
  readonly cooldowns: Cooldowns
  readonly dial: Dial
  /** The label under which a failed dial is counted. */
  readonly dialOutcome: (error: unknown) => string
  readonly clock: Clock
  readonly rng: Rng
  readonly log: Logger
  readonly metrics: Pick<
    P2pMetrics,
    | 'dials'
    | 'dialSeconds'
    | 'backoffPeers'
    | 'connectedPeers'
    | 'wantedPeers'
    | 'duplicatesClosed'
    | 'cooldowns'
    | 'inboundConnections'
    | 'outboundConnections'
    | 'beforeScrape'
  >
}

export interface PeerEvent {
  readonly type: 'connected' | 'disconnected'
  readonly peer: PeerIdText
  readonly role: Role
}

export interface PeerStatus {
  readonly peerId: PeerIdText
  readonly role: Role
  readonly connected: boolean
  readonly connections: number
  /** Dials in a row that failed. */
  readonly failures: number
}

/** More links of one peer than this are reduced at once: only a peer out of its mind opens them. */
const MAX_LINKS_PER_PEER = 3

export class PeerManager implements Service {
  readonly #components: PeerManagerComponents
  readonly #options: PeerManagerOptions
  readonly #backoff: BackoffOptions
  readonly #states = new Map<PeerIdText, PeerState>()
  readonly #ready = new Set<PeerIdText>()
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  #dialling = 0
  #running = false
  #stopped = false
  #stopWatching: (() => void) | undefined

  constructor(components: PeerManagerComponents, options: PeerManagerOptions) {
    this.#components = components
    this.#options = options
    components.metrics.beforeScrape(() => this.#measure())
    this.#backoff = { initialMs: options.initialBackoffMs, maxMs: options.maxBackoffMs, jitter: options.jitter }
  }

  async start(): Promise<void> {
    this.#running = true
    this.#stopWatching = this.#components.table.onChange((change) => this.#tableChanged(change))
    this.#addWanted()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#stopped = true
    this.#stopWatching?.()
    for (const state of this.#states.values()) this.#quiet(state)
    this.#ready.clear()
  }

  /** Calls `listener` on every change from now on; gives the function that ends it. */
  onPeer(listener: (event: PeerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  isConnected(peer: PeerIdText): boolean {
    return (this.#states.get(peer)?.links.length ?? 0) > 0
  }

  /** Connected peers. */
  connected(): PeerIdText[] {
    return [...this.#states].filter(([, state]) => state.links.length > 0).map(([peer]) => peer)
  }

  /** The id of the link that stays when there are several: streams belong on this one. */
  linkOf(peer: PeerIdText): string | undefined {
    const state = this.#states.get(peer)
    return state === undefined ? undefined : this.#keeper(state)?.link.id
  }

  /** Every peer of the table that is wanted or connected. */
  statuses(): PeerStatus[] {
    return [...this.#states].map(([peerId, state]) => ({
      peerId,
      role: state.identity.role,
      connected: state.links.length > 0,
      connections: state.links.length,
      failures: state.failures
    }))
  }

  /** Disconnects a peer that misbehaved and leaves it alone for `cooldownMs`; then it is dialled again. */
  coolDown(peer: PeerIdText, reason: string): void {
    const state = this.#states.get(peer)
    this.#components.cooldowns.put(peer, this.#options.cooldownMs)
    this.#components.metrics.cooldowns.inc({ reason })
    this.#components.log.warn({ peer, reason, ms: this.#options.cooldownMs }, 'peer misbehaved; disconnecting it')
    if (state === undefined) return
    state.dial?.abort(new Error('peer is in cooldown'))
    for (const { link } of [...state.links]) link.close(`misbehaved: ${reason}`)
  }

  /** To be told of every new connection, from before `start` on. One that must not be is closed here. */
  linkOpened(link: PeerLink): void {
    const identity = this.#components.table.byPeerId(link.peer)
    if (this.#stopped || identity === undefined || !this.#admits(link.peer)) return link.close('not admitted')
    const state = this.#stateOf(identity)
    state.links.push({ link, openedAt: this.#components.clock.now() })
    this.#unschedule(state)
    // Ours would be the extra one then. The peer whose turn it is finishes its dial: that one is kept.
    if (!state.ours && link.direction === 'inbound') state.dial?.abort(new Error('the peer connected first'))
    if (state.links.length === 1) this.#emit('connected', state)
    else if (state.links.length > MAX_LINKS_PER_PEER) this.#reduce(state)
    else state.settle ??= this.#components.clock.setTimer(this.#options.duplicateSettleMs, () => this.#reduce(state))
  }

  /** To be told when a connection has closed, by whichever side. Unknown ones are ignored. */
  linkClosed(link: Pick<PeerLink, 'id' | 'peer'>): void {
    const state = this.#states.get(link.peer)
    const at = state?.links.findIndex((held) => held.link.id === link.id) ?? -1
    const held = state?.links[at]
    if (state === undefined || held === undefined) return
    state.links.splice(at, 1)
    if (state.links.length === 0) {
      const lasted = this.#components.clock.now() - held.openedAt
      state.failures = lasted >= this.#options.stableMs ? 0 : state.failures + 1
      this.#emit('disconnected', state)
      this.#settleState(state)
    }
  }

  #tableChanged({ removed, moved }: TableChange): void {
    for (const state of [...this.#states.values()]) {
      const identity = this.#components.table.byPeerId(state.identity.peerId)
      if (identity !== undefined) state.identity = identity
    }
    for (const { peerId } of removed) {
      const state = this.#states.get(peerId)
      if (state === undefined) continue
      this.#quiet(state)
      if (state.links.length === 0) this.#forget(state)
      for (const { link } of [...state.links]) link.close('no longer admitted')
    }
    for (const { peerId } of moved) this.#startOver(peerId)
    this.#addWanted()
  }

  /** A peer at another address, or in another role: what stands belongs to the old one. */
  #startOver(peer: PeerIdText): void {
    const state = this.#states.get(peer)
    if (state === undefined) return
    this.#unschedule(state)
    state.dial?.abort(new Error('the peer has moved'))
    state.failures = 0
    for (const { link } of [...state.links]) link.close('moved')
    if (state.links.length === 0 && state.dial === undefined) this.#settleState(state)
  }

  #settleState(state: PeerState): void {
    if (this.#isWanted(state.identity)) this.#schedule(state)
    else this.#forget(state)
  }

  #addWanted(): void {
    for (const identity of this.#components.table.all) {
      if (!this.#isWanted(identity)) continue
      const state = this.#stateOf(identity)
      if (state.links.length === 0 && state.dial === undefined && state.timer === undefined) this.#schedule(state)
    }
  }

  #isWanted(identity: NodeIdentity): boolean {
    return (
      this.#running &&
      identity.peerId !== this.#components.self &&
      this.#components.table.isAdmitted(identity.peerId) &&
      this.#options.roles.includes(identity.role)
    )
  }

  #admits(peer: PeerIdText): boolean {
    return (
      peer !== this.#components.self &&
      this.#components.table.isAdmitted(peer) &&
      this.#components.cooldowns.remainingMs(peer) === 0
    )
  }

  #stateOf(identity: NodeIdentity): PeerState {
    const known = this.#states.get(identity.peerId)
    if (known !== undefined) return known
    const state: PeerState = {
      identity,
      ours: this.#components.self < identity.peerId,
      links: [],
      failures: 0,
      timer: undefined,
      settle: undefined,
      dial: undefined
    }
    this.#states.set(identity.peerId, state)
    return state
  }

  /** Sets the timer for the next dial. */
  #schedule(state: PeerState): void {
    if (!this.#running) return
    this.#unschedule(state)
    const { clock, rng, cooldowns } = this.#components
    const pause =
      state.failures === 0
        ? this.#options.initialBackoffMs * rng.next()
        : backoffMs(state.failures - 1, this.#backoff, rng)
    const grace = state.ours ? 0 : this.#options.graceMs
    const delay = Math.max(pause + grace, cooldowns.remainingMs(state.identity.peerId))
    state.timer = clock.setTimer(delay, () => {
      state.timer = undefined
      this.#ready.add(state.identity.peerId)
      this.#dialReady()
    })
  }

  #unschedule(state: PeerState): void {
    state.timer?.cancel()
    state.timer = undefined
    this.#ready.delete(state.identity.peerId)
  }

  #dialReady(): void {
    for (const peer of this.#ready) {
      if (this.#dialling >= this.#options.maxParallelDials) break
      this.#ready.delete(peer)
      const state = this.#states.get(peer)
      // While an earlier dial still ends it sets the timer itself.
      if (state?.dial === undefined && state !== undefined && this.#isWanted(state.identity)) void this.#dial(state)
    }
  }

  async #dial(state: PeerState): Promise<void> {
    const { clock, dial, dialOutcome, log, metrics } = this.#components
    const controller = new AbortController()
    const timeout = clock.setTimer(this.#options.dialTimeoutMs, () => controller.abort(new DialTimeout()))
    const startedAt = clock.now()
    const took = (success: 'true' | 'false'): void =>
      metrics.dialSeconds.observe({ success }, (clock.now() - startedAt) / 1000)
    state.dial = controller
    this.#dialling += 1
    try {
      await dial(state.identity, { signal: controller.signal })
      metrics.dials.inc({ outcome: 'ok' })
      took('true')
    } catch (error) {
      const outcome = controller.signal.reason instanceof DialTimeout ? 'timeout' : dialOutcome(error)
      metrics.dials.inc({ outcome })
      took('false')
      if (state.links.length === 0) state.failures += 1
      const { peerId, role } = state.identity
      log.debug({ peer: peerId, role, outcome, failures: state.failures, error: messageOf(error) }, 'dial failed')
    } finally {
      timeout.cancel()
      this.#dialling -= 1
      state.dial = undefined
    }
    // A dial may succeed and its connection be gone already; then too the peer needs a timer.
    if (state.links.length === 0 && state.timer === undefined && this.#isWanted(state.identity)) this.#schedule(state)
    this.#dialReady()
  }

  #keeper(state: PeerState): HeldLink | undefined {
    const direction: Direction = state.ours ? 'outbound' : 'inbound'
    return state.links.findLast((held) => held.link.direction === direction) ?? state.links.at(-1)
  }

  #reduce(state: PeerState): void {
    state.settle?.cancel()
    state.settle = undefined
    const keeper = this.#keeper(state)
    for (const held of [...state.links]) {
      if (held === keeper) continue
      this.#components.metrics.duplicatesClosed.inc()
      held.link.close('duplicate')
    }
  }

  #quiet(state: PeerState): void {
    this.#unschedule(state)
    state.settle?.cancel()
    state.settle = undefined
    state.dial?.abort(new Error('no longer wanted'))
  }

  #forget(state: PeerState): void {
    this.#quiet(state)
    this.#states.delete(state.identity.peerId)
  }

  #emit(type: PeerEvent['type'], state: PeerState): void {
    const { peerId: peer, role } = state.identity
    this.#components.log.debug({ peer, role }, type === 'connected' ? 'peer connected' : 'peer disconnected')
    for (const listener of [...this.#listeners]) listener({ type, peer, role })
  }

  #measure(): void {
    const { metrics } = this.#components
    const count = { inbound: 0, outbound: 0, backoff: 0 }
    const connected = new Map<Role, number>()
    const wanted = new Map<Role, number>()
    for (const { identity, links, failures, timer } of this.#states.values()) {
      for (const { link } of links) count[link.direction] += 1
      if (failures > 0 && timer !== undefined) count.backoff += 1
      connected.set(identity.role, (connected.get(identity.role) ?? 0) + Math.min(1, links.length))
      if (this.#isWanted(identity)) wanted.set(identity.role, (wanted.get(identity.role) ?? 0) + 1)
    }
    metrics.inboundConnections.set(count.inbound)
    metrics.outboundConnections.set(count.outbound)
    metrics.backoffPeers.set(count.backoff)
    metrics.connectedPeers.reset()
    metrics.wantedPeers.reset()
    for (const [role, value] of connected) metrics.connectedPeers.set({ role }, value)
    for (const [role, value] of wanted) metrics.wantedPeers.set({ role }, value)
  }
}
