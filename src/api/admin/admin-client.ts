import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { type Clock, concatBytes, messageOf } from '../../util/index.ts'
import { ApiError } from '../errors.ts'
import { type AdminClientOptions, defaultApiOptions } from '../options.ts'
import { probeSocket, socketCandidates } from './socket-path.ts'

export interface AdminCallOptions {
  /** Ends the call. Without it the call ends by the client's `timeoutMs`, which starts anew with all that arrives or leaves. */
  readonly signal?: AbortSignal
  readonly query?: Readonly<Record<string, string | number>>
}

interface Ask extends AdminCallOptions {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string | number>>
  readonly body?: AsyncIterable<Uint8Array>
}

/** Marks the caller's own error on its way through the request. */
class BodyFailure extends Error {}

/** What may follow an error answer, bytes. */
const MAX_ERROR_BYTES = 65_536

/**
 * The commands' side of the admin socket. One connection a call. Every method throws ApiError `refused` (with the node's `status` and
 * `code` in `details`), `connection-lost`, `bad-answer`, `timeout`, or the signal's reason.
 */
export class AdminClient {
  readonly socketPath: string
  #clock: Clock
  #options: AdminClientOptions

  private constructor(components: { readonly clock: Clock; readonly socketPath: string }, options: AdminClientOptions) {
    this.socketPath = components.socketPath
    this.#clock = components.clock
    this.#options = options
  }

  /** Finds the running node of a data directory. Throws ApiError `not-running` when there is none. */
  static async connect(
    dataDir: string,
    components: { readonly clock: Clock },
    options: AdminClientOptions = defaultApiOptions.client
  ): Promise<AdminClient> {
    let cause: unknown
    for (const socketPath of await socketCandidates(dataDir)) {
      try {
        if ((await probeSocket(socketPath)) === 'live') return new AdminClient({ ...components, socketPath }, options)
      } catch (error) {
        cause = error
      }
    }
    const why = cause === undefined ? '' : ` (${messageOf(cause)})`
    throw new ApiError('not-running', `no node is running on the data directory ${dataDir}${why}`, { cause })
  }

  getJson(path: string, options: AdminCallOptions = {}): Promise<unknown> {
    return this.#json({ ...options, method: 'GET', path })
  }

  postJson(path: string, value: unknown, options: AdminCallOptions = {}): Promise<unknown> {
    const bytes = Buffer.from(JSON.stringify(value ?? null))
    const headers = { 'Content-Type': 'application/json', 'Content-Length': bytes.length }
    return this.#json({ ...options, method: 'POST', path, headers, body: onePiece(bytes) })
  }

  /** Posts a body of any length, as fast as the node takes it. The body's iterator is returned when the node refuses early. */
  postStream(path: string, body: AsyncIterable<Uint8Array>, options: AdminCallOptions = {}): Promise<unknown> {
    return this.#json({ ...options, method: 'POST', path, body })
  }

  /** The answer's body in pieces; ends normally only when all of it has come. */
  async *stream(path: string, options: AdminCallOptions = {}): AsyncGenerator<Uint8Array> {
    yield* this.#bytes({ ...options, method: 'GET', path })
  }

  async #json(ask: Ask): Promise<unknown> {
    return parseJson(await gather(this.#bytes(ask), this.#options.maxAnswerBytes))
  }

  async *#bytes(ask: Ask): AsyncGenerator<Uint8Array> {
    const cut = new AbortController()
    const progress = this.#watch(ask.signal, cut)
    const signal = ask.signal === undefined ? cut.signal : AbortSignal.any([ask.signal, cut.signal])
    try {
      const answer = await this.#send(ask, { signal, progress: progress.touch })
      const pieces = piecesOf(answer, progress.touch)
      const status = answer.statusCode ?? 0
      if (status < 200 || status > 299) throw refusal(status, await gather(pieces, MAX_ERROR_BYTES))
      yield* pieces
    } catch (error) {
      if (error instanceof ApiError) throw error
      if (error instanceof BodyFailure) throw error.cause
      if (signal.aborted) throw signal.reason
      throw new ApiError('connection-lost', `the connection to the node was lost: ${messageOf(error)}`, {
        cause: error
      })
    } finally {
      progress.end()
      cut.abort()
    }
  }

  /** A deadline that starts anew with each `touch`, for calls without a signal of their own. */
  #watch(signal: AbortSignal | undefined, cut: AbortController): { touch: () => void; end: () => void } {
    if (signal !== undefined) return { touch: () => {}, end: () => {} }
    const { timeoutMs } = this.#options
    const expire = (): void => cut.abort(new ApiError('timeout', `the node said nothing for ${timeoutMs} ms`))
    let timer = this.#clock.setTimer(timeoutMs, expire)
    return {
      touch: () => {
        timer.cancel()
        timer = this.#clock.setTimer(timeoutMs, expire)
      },
      end: () => timer.cancel()
    }
  }

  /** Sends the request and its body; resolves with the answer's head, which may come before the body is all sent. */
  #send(ask: Ask, state: { readonly signal: AbortSignal; readonly progress: () => void }): Promise<IncomingMessage> {
    const query = new URLSearchParams(Object.entries(ask.query ?? {}).map(([key, value]) => [key, String(value)]))
    const path = query.size === 0 ? ask.path : `${ask.path}?${query}`
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        socketPath: this.socketPath,
        agent: false,
        method: ask.method,
        path,
        headers: { ...ask.headers },
        signal: state.signal
      })
      const answered = new AbortController()
      request.once('response', (answer) => {
        answered.abort()
        resolve(answer)
      })
      // A node that refuses while the body is still on its way may close first: its answer, when it came, counts.
      request.on('error', (error) => {
        answered.abort()
        reject(error)
      })
      if (ask.body === undefined) {
        request.end()
        return
      }
      pump(ask.body, request, { answered: answered.signal, progress: state.progress }).catch((error: unknown) => {
        request.destroy(new BodyFailure('the body to be posted cannot be read', { cause: error }))
      })
    })
  }
}

/** Writes the body with back-pressure until it ends or the node has answered. */
async function pump(
  body: AsyncIterable<Uint8Array>,
  request: ClientRequest,
  state: { readonly answered: AbortSignal; readonly progress: () => void }
): Promise<void> {
  for await (const piece of body) {
    if (state.answered.aborted) return
    if (!request.write(piece)) await drainOf(request, state.answered)
    state.progress()
  }
  if (!state.answered.aborted) request.end()
}

function drainOf(request: ClientRequest, answered: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (answered.aborted) return resolve()
    const done = (): void => {
      request.off('drain', done)
      answered.removeEventListener('abort', done)
      resolve()
    }
    request.on('drain', done)
    answered.addEventListener('abort', done, { once: true })
  })
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* piecesOf(answer: IncomingMessage, progress: () => void): AsyncGenerator<Uint8Array> {
  for await (const piece of answer as AsyncIterable<Uint8Array>) {
    progress()
    yield piece
  }
}

async function gather(pieces: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const piece of pieces) {
    total += piece.length
    if (total > maxBytes) throw new ApiError('bad-answer', `the node's answer exceeds ${maxBytes} bytes`)
    parts.push(piece)
  }
  return concatBytes(parts, total)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new ApiError('bad-answer', "the node's answer is not JSON", { cause })
  }
}

function refusal(status: number, body: Uint8Array): ApiError {
  const answer = parseJson(body) as { readonly error?: { readonly code?: unknown; readonly message?: unknown } } | null
  const { code, message, ...details } = answer?.error ?? {}
  if (typeof code !== 'string' || typeof message !== 'string') {
    return new ApiError('bad-answer', `the node answered with status ${status} and no reason`)
  }
  return new ApiError('refused', message, { details: { ...details, status, code } })
}
