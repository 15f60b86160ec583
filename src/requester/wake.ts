/** Lets loops sleep until something changed. What changed they look up themselves, so that nothing is queued. */
export class Wake {
  #waiters = new Set<() => void>()

  /** Wakes everyone who waits now. */
  wake(): void {
    const waiters = this.#waiters
    if (waiters.size === 0) return
    this.#waiters = new Set()
    for (const resolve of waiters) resolve()
  }

  /** Resolves at the next `wake`; rejects with the signal's reason. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      const onWake = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        this.#waiters.delete(onWake)
        reject(signal.reason)
      }
      this.#waiters.add(onWake)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Resolves as soon as `ready` holds; looks again at every `wake`. */
  async until(ready: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (!ready()) await this.wait(signal)
  }
}
