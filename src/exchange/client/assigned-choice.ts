import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { ClientOptions } from '../options.ts'
import { HotTree, type TreePath } from './hot-tree.ts'
import type { Choice, ChoiceWant, PeerChoice, PeerDirectory } from './peer-choice.ts'
import type { PeerState } from './peer-state.ts'

/** Paths kept: 200 hashes each are not computed again while a want moves on. */
const PATHS = 4096

export interface AssignedComponents {
  readonly selfPeer: PeerIdText
  readonly peerDirectory: () => PeerDirectory
}

/**
 * One asker per blob. Hot: the nearest ancestor in the blob's tree that is connected and in good standing. Cold: of all
 * connected nodes the one that would be done first, within a window of bytes each.
 *
 * Peers in cooldown are asked only when nobody else is left.
 */
export class AssignedChoice implements PeerChoice {
  readonly #components: AssignedComponents
  readonly #options: ClientOptions
  readonly #tree: HotTree
  readonly #paths = new Map<DigestKey, TreePath>()
  #pathsOf: PeerDirectory | undefined
  #known: { readonly directory: PeerDirectory; readonly peers: ReadonlySet<PeerIdText> } | undefined

  constructor(components: AssignedComponents, options: ClientOptions) {
    this.#components = components
    this.#options = options
    this.#tree = new HotTree(components.selfPeer, options.treeWidth)
  }

  next(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice {
    return want.hot ? this.#hot(want, peers, now) : this.#cold(want, peers, now)
  }

  #hot(want: ChoiceWant, peers: ReadonlyMap<PeerIdText, PeerState>, now: number): Choice {
    const directory = this.#components.peerDirectory()
    const { above, others } = this.#path(want.key, directory)
    const usable = (peer: PeerIdText): PeerState | undefined => {
      const state = peers.get(peer)
      if (state === undefined || want.tried.has(peer)) return undefined
      return state.outstanding.size < this.#options.maxWantsPerPeer ? state : undefined
    }
    const first = (list: readonly PeerIdText[]): PeerState | undefined => {
      const able = list.map(usable).filter((state) => state !== undefined)
      return able.find((state) => !state.coolingDown(now)) ?? able[0]
    }
    const parent = first(above)
    const backup = first([...want.origins, ...others])
    const chosen =
      parent === undefined || (parent.coolingDown(now) && backup?.coolingDown(now) === false) ? backup : parent
    if (chosen === undefined) return { kind: 'nobody' }
    const patienceMs = chosen === parent ? this.#patience(want, chosen.peer, directory) : 0
    return { kind: 'ask', peer: chosen.peer, patienceMs }
  }

  /** A root that did not announce the blob may not have made it yet; the others push as soon as they have it. */
  #patience(want: ChoiceWant, peer: PeerIdText, directory: PeerDirectory): number {
    const { hardLimitMs, nonOriginPatienceMs } = this.#options
    if (want.origins.length === 0 || want.origins.includes(peer)) return hardLimitMs
    return directory.execution.includes(peer) ? nonOriginPatienceMs : hardLimitMs
  }

  #path(key: DigestKey, directory: PeerDirectory): TreePath {
    if (this.#pathsOf !== directory) {
      this.#pathsOf = directory
      this.#paths.clear()
    }
    const known = this.#paths.get(key)
    if (known !== undefined) return known
    const path = this.#tree.path(key, directory)
    this.#paths.set(key, path)
    if (this.#paths.size > PATHS) {
      const oldest = this.#paths.keys().next().value
      if (oldest !== undefined) this.#paths.delete(oldest)
    }
    return path
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
