import type { Height } from '../model/index.ts'

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (reason: unknown) => void
}

/** Who waits for something about a height. Grows with the node's own calls only; each leaves with its signal. */
export class Waiters<T> {
  readonly #byHeight = new Map<Height, Set<Waiter<T>>>()

  get size(): number {
    return this.#byHeight.size
  }

  wait(height: Height, signal: AbortSignal): Promise<T> {
    if (signal.aborted) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const waiters = this.#byHeight.get(height) ?? new Set()
      const onAbort = (): void => {
        waiters.delete(waiter)
        if (waiters.size === 0 && this.#byHeight.get(height) === waiters) this.#byHeight.delete(height)
        reject(signal.reason)
      }
      const done = (): void => signal.removeEventListener('abort', onAbort)
      const waiter: Waiter<T> = {
        resolve: (value) => {
          done()
          resolve(value)
        },
        reject: (reason) => {
          done()
          reject(reason)
        }
      }
      waiters.add(waiter)
      this.#byHeight.set(height, waiters)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  resolve(height: Height, value: T): void {
    for (const waiter of this.#take(height)) waiter.resolve(value)
  }

  /** Rejects whoever waits for a height up to and including this one. */
  rejectUpTo(height: Height, reason: (height: Height) => unknown): void {
    for (const waited of [...this.#byHeight.keys()]) {
      if (waited > height) continue
      for (const waiter of this.#take(waited)) waiter.reject(reason(waited))
    }
  }

  #take(height: Height): Iterable<Waiter<T>> {
    const waiters = this.#byHeight.get(height) ?? []
    this.#byHeight.delete(height)
    return waiters
  }
}
