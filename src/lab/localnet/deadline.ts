import type { Clock } from '../../util/index.ts'

/** Runs `work` with a signal that aborts after `ms`, or when `signal` does. */
export async function withDeadline<T>(
  clock: Clock,
  { ms, signal }: { readonly ms: number; readonly signal?: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const controller = new AbortController()
  const timer = clock.setTimer(ms, () => controller.abort(new Error(`no answer within ${ms} ms`)))
  try {
    return await work(signal === undefined ? controller.signal : AbortSignal.any([controller.signal, signal]))
  } finally {
    timer.cancel()
  }
}
