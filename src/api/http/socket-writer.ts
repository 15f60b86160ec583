import type { ServerResponse } from 'node:http'
import type { Clock } from '../../util/index.ts'
import { ApiError } from '../errors.ts'
import { SLICE_BYTES } from '../options.ts'

export interface WriteLimits {
  readonly clock: Clock
  /** Time for the reader to take what was handed over last, ms. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

/** Waits for the event; ApiError `slow-reader` after the deadline, the signal's reason when it aborts. */
function awaitEvent(response: ServerResponse, event: 'drain' | 'finish', limits: WriteLimits): Promise<void> {
  return new Promise((resolve, reject) => {
    if (limits.signal.aborted) return reject(limits.signal.reason)
    const settle = (error?: unknown): void => {
      timer.cancel()
      response.off(event, onEvent)
      limits.signal.removeEventListener('abort', onAbort)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onEvent = (): void => settle()
    const onAbort = (): void => settle(limits.signal.reason)
    const timer = limits.clock.setTimer(limits.deadlineMs, () =>
      settle(new ApiError('slow-reader', `the reader took nothing for ${limits.deadlineMs} ms`))
    )
    response.on(event, onEvent)
    limits.signal.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Writes bytes in slices, each only when the reader has taken the one before: progress is then visible by the slice, and no
 * more than one slice lies in the socket. The bytes are not copied and must not change before this resolves.
 */
export async function writeSlices(response: ServerResponse, bytes: Uint8Array, limits: WriteLimits): Promise<void> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    limits.signal.throwIfAborted()
    if (!response.write(bytes.subarray(at, at + SLICE_BYTES))) await awaitEvent(response, 'drain', limits)
  }
}

/** Ends the answer and waits until the operating system has all of it. */
export async function endWithin(response: ServerResponse, limits: WriteLimits): Promise<void> {
  const finished = awaitEvent(response, 'finish', limits)
  response.end()
  await finished
}
