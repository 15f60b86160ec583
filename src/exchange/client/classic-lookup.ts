import type { DigestKey, PeerIdText } from '../../model/index.ts'
import type { ClientComponents } from './components.ts'
import type { Want } from './want.ts'

/** Look-ups under way at one time: each asks some ten peers. */
const MAX_LOOKUPS = 32

/**
 * Providers looked up for wants that stall, as boxo's sessions do (`session/session.go`, `findMorePeers`). Who is named is taken
 * for a peer that said HAVE. One look-up a want at a time; nothing without a router.
 */
export class ClassicLookups {
  readonly #components: ClientComponents
  /** A connected peer is said to have the blob. True when nobody knew that. */
  readonly #named: (want: Want, peer: PeerIdText) => boolean
  readonly #running = new Map<DigestKey, AbortController>()
  /** Peers that only a look-up named, by want. */
  readonly #found = new Map<DigestKey, Set<PeerIdText>>()

  constructor(components: ClientComponents, named: (want: Want, peer: PeerIdText) => boolean) {
    this.#components = components
    this.#named = named
  }

  lookUp(want: Want): void {
    const { router } = this.#components
    if (router === undefined || this.#running.has(want.key) || this.#running.size >= MAX_LOOKUPS) return
    void this.#run(want)
  }

  /** The want is answered, by this peer if by any: nothing is looked up for it any more. */
  ended({ key }: Want, from: PeerIdText | undefined): void {
    if (from !== undefined && this.#found.get(key)?.has(from) === true) {
      this.#components.metrics.totals.lookedUpBlocks += 1
    }
    this.#found.delete(key)
    this.#running.get(key)?.abort(new Error('the want has ended'))
  }

  stop(): void {
    for (const running of this.#running.values()) running.abort(new Error('the exchange stops'))
    this.#found.clear()
  }

  async #run(want: Want): Promise<void> {
    const { router, metrics } = this.#components
    const { totals } = metrics
    const control = new AbortController()
    const { signal } = control
    this.#running.set(want.key, control)
    let found = false
    try {
      for await (const peer of router?.findProviders(want.cid, { signal }) ?? []) {
        if (signal.aborted) break
        found = true
        if (this.#named(want, peer)) this.#note(want.key, peer)
      }
      if (found) totals.lookupsFound += 1
      else totals.lookupsEmpty += 1
    } catch {
      // A look-up that failed changes nothing: the session asks on without it.
      if (found) totals.lookupsFound += 1
      else if (signal.aborted) totals.lookupsEmpty += 1
      else totals.lookupsFailed += 1
    } finally {
      this.#running.delete(want.key)
    }
  }

  #note(key: DigestKey, peer: PeerIdText): void {
    const peers = this.#found.get(key)
    if (peers === undefined) this.#found.set(key, new Set([peer]))
    else peers.add(peer)
  }
}
