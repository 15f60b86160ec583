import type { DigestKey } from '../../model/index.ts'
import type { Location } from './index-space.ts'

/**
 * Answers kept: a blob on its way in or out is asked for two or three times within a second (is it here, how long is it, where are its
 * bytes), of some thousand blobs. An entry takes some 150 bytes.
 */
const MAX_ANSWERS = 8_192

/**
 * What the index answered lately, also that it has nothing: a read of Level costs a job in another thread. Right only as long as
 * the index is changed by its owner alone, who says so here.
 */
export class Answers {
  readonly #known = new Map<DigestKey, Location | undefined>()
  #writes = 0

  /** Grows with each change of the index. */
  get writes(): number {
    return this.#writes
  }

  has(key: DigestKey): boolean {
    return this.#known.has(key)
  }

  get(key: DigestKey): Location | undefined {
    return this.#known.get(key)
  }

  /** The answer to a question asked when `writes` was so; ignored when the index may have changed since. The oldest goes for it. */
  keep(key: DigestKey, location: Location | undefined, writes: number): void {
    if (writes !== this.#writes) return
    this.#known.set(key, location)
    if (this.#known.size <= MAX_ANSWERS) return
    const oldest = this.#known.keys().next().value
    if (oldest !== undefined) this.#known.delete(oldest)
  }

  /** These change in the index, from now until the next call. */
  changing(keys: Iterable<DigestKey>): void {
    this.#writes += 1
    for (const key of keys) this.#known.delete(key)
  }
}
