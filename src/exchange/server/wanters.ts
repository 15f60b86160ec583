import type { DigestKey } from '../../model/index.ts'
import type { PeerLedger } from './ledger.ts'

/**
 * Who wants a digest: the reverse of the ledgers. One wanter, which is what nearly every digest has, costs no set of its own:
 * a flood of wants would be made of little else.
 */
export class Wanters {
  readonly #byKey = new Map<DigestKey, PeerLedger | Set<PeerLedger>>()

  /** Digests that somebody wants. */
  get size(): number {
    return this.#byKey.size
  }

  of(key: DigestKey): Iterable<PeerLedger> {
    const found = this.#byKey.get(key)
    if (found === undefined) return []
    return found instanceof Set ? found : [found]
  }

  add(key: DigestKey, ledger: PeerLedger): void {
    const found = this.#byKey.get(key)
    if (found === undefined) this.#byKey.set(key, ledger)
    else if (found instanceof Set) found.add(ledger)
    else if (found !== ledger) this.#byKey.set(key, new Set([found, ledger]))
  }

  remove(key: DigestKey, ledger: PeerLedger): void {
    const found = this.#byKey.get(key)
    if (found === ledger) this.#byKey.delete(key)
    else if (found instanceof Set && found.delete(ledger) && found.size === 0) this.#byKey.delete(key)
  }
}
