import type { Clock } from './clock.ts'

/** A signal with an end. */
export interface Deadline {
  /** Aborts after the time, or with the signal that was given. */
  readonly signal: AbortSignal
  /** To be called when the work is done: leaves no timer and no listener behind. */
  end(): void
}

/** `AbortSignal.timeout` by the clock that is given. */
export function deadline(clock: Clock, ms: number, signal?: AbortSignal): Deadline {
  const control = new AbortController()
  const onAbort = (): void => control.abort(signal?.reason)
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const timer = clock.setTimer(ms, () => control.abort(new DOMException('timed out', 'TimeoutError')))
  return {
    signal: control.signal,
    end() {
      timer.cancel()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
