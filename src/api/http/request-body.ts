import type { IncomingMessage } from 'node:http'
import { type Clock, concatBytes } from '../../util/index.ts'
import { ApiError } from '../errors.ts'

export interface BodyLimits {
  readonly clock: Clock
  /** Time for the next bytes to arrive while somebody waits for them, ms. */
  readonly deadlineMs: number
}

function nextWithin<T>(next: Promise<T>, limits: BodyLimits): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = limits.clock.setTimer(limits.deadlineMs, () =>
      reject(new ApiError('body-timeout', `the body stopped arriving for ${limits.deadlineMs} ms`))
    )
    next.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      }
    )
  })
}

/**
 * The body's bytes as they arrive, with back-pressure: what the reader does not take stays with the sender. Leaving the loop
 * early leaves the connection alive, so that it can still carry the answer. Throws ApiError `body-timeout`.
 */
export async function* bodyOf(request: IncomingMessage, limits: BodyLimits): AsyncGenerator<Uint8Array> {
  const chunks = request.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  let waiting = false
  try {
    for (;;) {
      waiting = true
      const next = await nextWithin(chunks.next(), limits)
      waiting = false
      if (next.done === true) return
      yield next.value
    }
  } finally {
    // A call of `return` would wait behind a read that may never end; the connection is then closed instead.
    if (!waiting) await chunks.return?.()
  }
}

/** The body as JSON. Throws ApiError `body-too-large` before more than `maxBytes` are held, `bad-json`, `body-timeout`. */
export async function jsonBodyOf(
  request: IncomingMessage,
  limits: BodyLimits & { readonly maxBytes: number }
): Promise<unknown> {
  const tooLarge = (): ApiError => new ApiError('body-too-large', `the body exceeds ${limits.maxBytes} bytes`)
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) throw tooLarge()
  const parts: Uint8Array[] = []
  let total = 0
  for await (const chunk of bodyOf(request, limits)) {
    total += chunk.length
    if (total > limits.maxBytes) throw tooLarge()
    parts.push(chunk)
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(concatBytes(parts, total)))
  } catch (cause) {
    throw new ApiError('bad-json', 'the body is not JSON', { cause })
  }
}
