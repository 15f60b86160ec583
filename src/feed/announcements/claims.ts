import type { Height, PeerIdText } from '../../model/index.ts'

/**
 * How high the chain is, by what each execution node claims. One node alone is believed only near what a quorum claims or
 * this node has reached: otherwise it could make every node believe it is hopelessly behind.
 * As many entries as execution nodes in the identity table, or hosts of the Access API in the settings.
 */
export class Claims<Key extends string = PeerIdText> {
  readonly #byPeer = new Map<Key, Height>()
  readonly #distance: number

  constructor(distance: number) {
    this.#distance = distance
  }

  get size(): number {
    return this.#byPeer.size
  }

  of(peer: Key): Height | undefined {
    return this.#byPeer.get(peer)
  }

  /** True when this is higher than what the node claimed before. */
  note(peer: Key, height: Height): boolean {
    const before = this.#byPeer.get(peer)
    if (before !== undefined && before >= height) return false
    this.#byPeer.set(peer, height)
    return true
  }

  /**
   * The highest claim to be believed; `undefined` while there is nothing to hold a claim against. `trustFew` says that
   * fewer than a quorum will have to do for that.
   */
  highest({
    quorum,
    ownHead,
    trustFew
  }: {
    readonly quorum: number
    readonly ownHead: Height | undefined
    readonly trustFew: boolean
  }): Height | undefined {
    const claims = [...this.#byPeer.values()].sort((a, b) => b - a)
    const few = trustFew && ownHead === undefined ? (claims[1] ?? claims[0]) : undefined
    const known = [claims[quorum - 1] ?? few, ownHead].filter((height) => height !== undefined)
    if (known.length === 0) return undefined
    const limit = Math.max(...known) + this.#distance
    return claims.find((claim) => claim <= limit)
  }
}
