import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { ClientOptions } from '../options.ts'
import { GivingPace } from './giving-pace.ts'
import { HotTree, type TreePlace } from './hot-tree.ts'
import type { Choice, ChoiceWant, PeerChoice, PeerDirectory } from './peer-choice.ts'
import type { PeerState } from './peer-state.ts'

/** Places kept: 200 hashes each are not computed again while a want moves on. More are not hot at one time. */
const PLACES = 1024

export interface AssignedComponents {
  readonly selfPeer: PeerIdText
  readonly peerDirectory: () => PeerDirectory
  readonly busyMs: (peer: PeerIdText) => number
}

/**
 * One asker per blob. Hot: the nearest ancestor in the blob's tree that is connected and in good standing. Cold: of all
 * connected nodes the one that would be done first, within a window of bytes each.
 *
 * Peers in cooldown are asked only when nobody else is left, and so are, for what is hot, those that wind down, those that are slow to
 * take what they are sent, and those that give far more slowly than the others.
 */
export class AssignedChoice implements PeerChoice {
  readonly #components: AssignedComponents
  readonly #options: ClientOptions
  readonly #tree: HotTree
  readonly pace: GivingPace
  readonly #places = new Map<DigestKey, TreePlace>()
  #placesOf: PeerDirectory | undefined
  #known: { readonly directory: PeerDirectory; readonly peers: ReadonlySet<PeerIdText> } | undefined

  constructor(components: AssignedComponents, options: ClientOptions) {
    this.#components = components
    this.#options = options
    this.#tree = new HotTree(components.selfPeer, options.treeWidth)
    this.pace = new GivingPace({ slowMs: options.ladenMs })
  }

  knows(peer: PeerIdText): boolean {
    return this.#holders().has(peer)
  }

  next(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice {
    return want.hot ? this.#hot(want, peers, now) : this.#cold(want, peers, now)
  }

  /** The nearest above it; then whoever may have the blob; then, in the same order, who is in cooldown. */
  #hot(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice {
    const directory = this.#components.peerDirectory()
    const place = this.#place(want.key, directory)
    const standing = (peer: PeerIdText): boolean => {
      const state = peers.get(peer)
      if (state === undefined || state.windingDown || state.coolingDown(now)) return false
      return !this.#laden(state) && !this.pace.isSlow(state, now)
    }
    const able = (peer: PeerIdText): boolean => {
      const state = peers.get(peer)
      return state !== undefined && !want.tried.has(peer) && state.outstanding.size < this.#options.maxWantsPerPeer
    }
    // Without any root the tree has nothing to give: a silent one is then worth a wait.
    const rootless = !place.roots.some(standing)
    const usable = (peer: PeerIdText): boolean =>
      standing(peer) || (rootless && place.roots.includes(peer) && peers.has(peer))
    const parent = this.#tree.above(place, usable).find(able)
    if (parent !== undefined) return { kind: 'ask', peer: parent, patienceMs: this.#patience(want, parent, directory) }
    const others = [...want.origins, ...place.roots, ...place.before, ...place.after].filter(able)
    const peer = others.find(standing) ?? others[0]
    return peer === undefined ? { kind: 'nobody' } : { kind: 'ask', peer, patienceMs: 0 }
  }

  /** A word to it would come late: it waits behind what is on its way there, and then takes what an answer takes. */
  #laden(state: PeerState): boolean {
    const busyMs = this.#components.busyMs(state.peer)
    return busyMs > 0 && busyMs + (state.rttMs ?? 0) >= this.#options.ladenMs
  }

  /** A root that did not announce the blob may not have made it yet; the others push as soon as they have it. */
  #patience(want: ChoiceWant, peer: PeerIdText, directory: PeerDirectory): number {
    const { hardLimitMs, nonOriginPatienceMs } = this.#options
    if (want.origins.length === 0 || want.origins.includes(peer)) return hardLimitMs
    return directory.execution.includes(peer) ? nonOriginPatienceMs : hardLimitMs
  }

  #place(key: DigestKey, directory: PeerDirectory): TreePlace {
    if (this.#placesOf !== directory) {
      this.#placesOf = directory
      this.#places.clear()
    }
    const known = this.#places.get(key)
    if (known !== undefined) return known
    const place = this.#tree.place(key, directory)
    this.#places.set(key, place)
    if (this.#places.size > PLACES) {
      const oldest = this.#places.keys().next().value
      if (oldest !== undefined) this.#places.delete(oldest)
    }
    return place
  }

  #cold(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice {
    const known = this.#holders()
    let best: PeerState | undefined
    let bestAt = Number.POSITIVE_INFINITY
    let fallback: PeerState | undefined
    let busy = false
    for (const state of peers.values()) {
      if (want.tried.has(state.peer)) continue
      if (!known.has(state.peer) && !want.origins.includes(state.peer)) continue
      if (state.coolingDown(now) || state.doubted(now)) {
        fallback = better(fallback, state, now)
        continue
      }
      if (this.#full(state, want.sizeEstimate)) {
        busy = true
        continue
      }
      const finish = (state.inFlightBytes + want.sizeEstimate) / state.rate + (state.rttMs ?? 10) / 1000
      if (finish < bestAt) {
        bestAt = finish
        best = state
      }
    }
    if (best !== undefined) return { kind: 'ask', peer: best.peer, patienceMs: 0 }
    if (busy) return { kind: 'busy' }
    if (fallback === undefined) return { kind: 'nobody' }
    return this.#full(fallback, want.sizeEstimate)
      ? { kind: 'busy' }
      : { kind: 'ask', peer: fallback.peer, patienceMs: 0 }
  }

  #full(state: PeerState, size: number): boolean {
    if (state.outstanding.size >= this.#options.maxWantsPerPeer) return true
    return state.outstanding.size > 0 && state.inFlightBytes + size > state.windowBytes
  }

  #holders(): ReadonlySet<PeerIdText> {
    const directory = this.#components.peerDirectory()
    if (this.#known?.directory !== directory) {
      const peers = new Set([...directory.access, ...directory.execution])
      peers.delete(this.#components.selfPeer)
      this.#known = { directory, peers }
    }
    return this.#known.peers
  }
}

/** Who lacks the data is a better last resort than who broke the rules. */
function better(a: PeerState | undefined, b: PeerState, now: number): PeerState {
  return a === undefined || (a.coolingDown(now) && !b.coolingDown(now)) ? b : a
}
