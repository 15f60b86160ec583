import { setImmediate } from 'node:timers/promises'

/** Work that pauses (yields) now and then and gives its result at the end. */
export type Steps<T> = Generator<undefined, T, undefined>

/** Does all of it now. */
export function runNow<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Does it piece by piece, letting the event loop turn at every pause. Rejects with the signal's reason. */
export async function runInTurns<T>(steps: Steps<T>, signal: AbortSignal | undefined): Promise<T> {
  for (;;) {
    signal?.throwIfAborted()
    const step = steps.next()
    if (step.done === true) return step.value
    await setImmediate()
  }
}
