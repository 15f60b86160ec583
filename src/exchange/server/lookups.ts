import { BoundedQueue } from '../../util/index.ts'

type Lookup = () => Promise<void>

/**
 * Questions to the store: so many at one time, and a line for each owner, whose heads take turns. One owner's flood fills its
 * own line and nobody else's.
 */
export class Lookups<Owner extends object> {
  readonly #concurrent: number
  readonly #perOwner: number
  /** Owners with something in line, the next in turn first. */
  readonly #lines = new Map<Owner, BoundedQueue<Lookup>>()
  #running = 0

  constructor(limits: { readonly concurrent: number; readonly perOwner: number }) {
    this.#concurrent = limits.concurrent
    this.#perOwner = limits.perOwner
  }

  full(owner: Owner): boolean {
    return (this.#lines.get(owner)?.size ?? 0) >= this.#perOwner
  }

  /** `lookup` must not reject. Dropped when the owner's line is full: ask `full` first. */
  add(owner: Owner, lookup: Lookup): void {
    let line = this.#lines.get(owner)
    if (line === undefined) {
      line = new BoundedQueue(this.#perOwner)
      this.#lines.set(owner, line)
    }
    line.push(lookup)
    this.#next()
  }

  /** The owner is gone: what it has in line is dropped. */
  forget(owner: Owner): void {
    this.#lines.delete(owner)
  }

  clear(): void {
    this.#lines.clear()
  }

  #next(): void {
    while (this.#running < this.#concurrent) {
      const lookup = this.#take()
      if (lookup === undefined) return
      this.#running += 1
      void lookup().finally(() => {
        this.#running -= 1
        this.#next()
      })
    }
  }

  #take(): Lookup | undefined {
    const first = this.#lines.entries().next().value
    if (first === undefined) return undefined
    const [owner, line] = first
    const lookup = line.shift()
    // To the end, for the next turn; an empty line is none.
    this.#lines.delete(owner)
    if (line.size > 0) this.#lines.set(owner, line)
    return lookup
  }
}
