/** Time as a port: production takes `systemClock`, simulation and tests a clock they move themselves. */
export interface Clock {
  /** Monotonic milliseconds, for durations and deadlines. */
  now(): number
  /** Unix milliseconds, for logs and announcements only. */
  wallNow(): number
  /** Calls `run` once after `ms`; the timer does not keep the process alive when `background` is set. */
  setTimer(ms: number, run: () => void, options?: { readonly background?: boolean }): Timer
}

export interface Timer {
  /** Safe to call more than once, and after the timer has run. */
  cancel(): void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimer(ms, run, options) {
    const handle = setTimeout(run, ms)
    if (options?.background === true) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** Resolves after `ms`; rejects with the signal's reason as soon as it aborts, and leaves no timer behind. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}
