import type { BlobCid, DigestKey } from '../../model/index.ts'
import { Want, type WantState } from './want.ts'

/**
 * All wants of the node, keyed by digest, so that any number of sessions share one. At most `maxLive` of them are worked
 * on; the others wait in order. Only the node's own sessions make wants, peers cannot.
 */
export class WantTable {
  readonly #maxLive: number
  readonly #all = new Map<DigestKey, Want>()
  readonly #waiting = new Set<Want>()
  readonly #pending = new Set<Want>()
  readonly #resting = new Set<Want>()

  constructor(maxLive: number) {
    this.#maxLive = maxLive
  }

  get live(): number {
    return this.#all.size - this.#waiting.size
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** The oldest want that is younger than this share of them all; wants are kept in the order in which they were made. */
  oldest(share: number): Want | undefined {
    let skip = Math.floor(this.#all.size * share)
    for (const want of this.#all.values()) {
      if (skip === 0) return want
      skip -= 1
    }
    return undefined
  }

  get(key: DigestKey): Want | undefined {
    return this.#all.get(key)
  }

  values(): IterableIterator<Want> {
    return this.#all.values()
  }

  /** Those for whom somebody is to be chosen, oldest first. */
  pending(): IterableIterator<Want> {
    return this.#pending.values()
  }

  resting(): readonly Want[] {
    return [...this.#resting]
  }

  add(cid: BlobCid, now: number): Want {
    const want = new Want(cid, now)
    this.#all.set(want.key, want)
    this.move(want, this.live <= this.#maxLive ? 'pending' : 'waiting')
    return want
  }

  /** The one way in which a want changes its state. */
  move(want: Want, state: WantState): void {
    this.#waiting.delete(want)
    this.#pending.delete(want)
    this.#resting.delete(want)
    want.state = state
    if (state === 'pending') this.#pending.add(want)
    else if (state === 'resting') this.#resting.add(want)
    else if (state === 'waiting') this.#waiting.add(want)
    else if (state === 'done') {
      this.#all.delete(want.key)
      this.#promote()
    }
  }

  #promote(): void {
    for (const want of this.#waiting) {
      if (this.live >= this.#maxLive) return
      this.move(want, 'pending')
    }
  }
}
