import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { ApiError } from '../errors.ts'
import { type BodyLimits, bodyOf, jsonBodyOf } from './request-body.ts'
import { endWithin, type WriteLimits, writeSlices } from './socket-writer.ts'

export type Headers = Readonly<Record<string, string | number | readonly string[]>>

export interface CallComponents {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the client leaves or the listener cuts the request. */
  readonly signal: AbortSignal
  readonly write: WriteLimits
  readonly body: BodyLimits
  /** Called for each piece of the answer's body, before it is written. */
  readonly onBytes: (bytes: number) => void
}

const COMMON_HEADERS: Headers = { 'X-Content-Type-Options': 'nosniff' }

/** Text of a JSON answer: integers beyond 2^53 become strings, CIDs their text. */
function jsonText(value: unknown): string {
  return `${JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? part.toString() : part))}\n`
}

/**
 * One request and its answer. A handler answers by exactly one of `json`, `text`, `bytes`, `empty` and `stream`; each resolves when
 * the operating system has the whole answer and rejects with ApiError `slow-reader` or `client-gone` when it could not be given.
 * A HEAD request gets the headers alone.
 */
export class HttpCall {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly signal: AbortSignal
  #components: CallComponents
  #extraHeaders: Headers = {}

  constructor(
    components: CallComponents,
    target: { readonly params: Readonly<Record<string, string>>; readonly query: URLSearchParams }
  ) {
    this.#components = components
    this.params = target.params
    this.query = target.query
    this.signal = components.signal
  }

  get method(): string {
    return this.#components.request.method ?? ''
  }

  get headers(): IncomingHttpHeaders {
    return this.#components.request.headers
  }

  /** True when the status line has been given away and the answer can only be completed or cut. */
  get begun(): boolean {
    return this.#components.response.headersSent
  }

  /** The one value of a query parameter; `undefined` when it is not there. Throws ApiError `bad-request` when it is repeated. */
  parameter(name: string): string | undefined {
    const values = this.query.getAll(name)
    if (values.length > 1) throw new ApiError('bad-request', `the parameter '${name}' is given ${values.length} times`)
    return values[0]
  }

  /** The body, with back-pressure. Throws ApiError `body-timeout`. */
  body(): AsyncGenerator<Uint8Array> {
    return bodyOf(this.#components.request, this.#components.body)
  }

  /** The body as JSON. Throws ApiError `body-too-large`, `bad-json`, `body-timeout`. */
  readJson(maxBytes: number): Promise<unknown> {
    return jsonBodyOf(this.#components.request, { ...this.#components.body, maxBytes })
  }

  /** Headers that whichever answer follows also carries. */
  addHeaders(headers: Headers): void {
    this.#extraHeaders = { ...this.#extraHeaders, ...headers }
  }

  async json(value: unknown, options: { readonly status?: number; readonly headers?: Headers } = {}): Promise<void> {
    const headers = {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
      ...options.headers
    }
    await this.bytes(Buffer.from(jsonText(value)), { status: options.status ?? 200, headers })
  }

  /** Text of a type that the headers name. */
  async text(text: string, headers: Headers): Promise<void> {
    await this.bytes(Buffer.from(text), { status: 200, headers })
  }

  /** The bytes are not copied and must not change before this resolves. */
  async bytes(bytes: Uint8Array, options: { readonly status: number; readonly headers: Headers }): Promise<void> {
    const { response, write } = this.#components
    this.#head(options.status, { ...options.headers, 'Content-Length': bytes.length })
    if (this.method !== 'HEAD') {
      this.#components.onBytes(bytes.length)
      await writeSlices(response, bytes, write)
    }
    await endWithin(response, write)
  }

  /** No body: 304, or the answer to HEAD with a `Content-Length` of its own. */
  async empty(status: number, headers: Headers): Promise<void> {
    this.#head(status, headers)
    await endWithin(this.#components.response, this.#components.write)
  }

  /**
   * Streams the source as a chunked body; the next piece is asked for when the reader has taken the last. Nothing is sent before
   * the first piece is here, so that a source that fails at once still becomes an error answer; later failures reject
   * and leave the answer for the listener to cut. The source is always returned.
   */
  async stream(source: AsyncIterable<Uint8Array>, headers: Headers): Promise<void> {
    const { response, write } = this.#components
    const pieces = source[Symbol.asyncIterator]()
    let ended = false
    try {
      let next = await pieces.next()
      this.signal.throwIfAborted()
      this.#head(200, headers)
      while (next.done !== true) {
        this.#components.onBytes(next.value.length)
        await writeSlices(response, next.value, write)
        next = await pieces.next()
      }
      ended = true
    } finally {
      if (!ended) await pieces.return?.()
    }
    await endWithin(response, write)
  }

  #head(status: number, headers: Headers): void {
    const all = { ...COMMON_HEADERS, ...this.#extraHeaders, ...headers }
    this.#components.response.writeHead(status, all as Record<string, string | number | string[]>)
  }
}

/** Whether an `If-None-Match` header names this entity tag (weak comparison, RFC 9110 §13.1.2). */
export function noneMatch(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((part) => {
    const tag = part.trim()
    return tag === '*' || tag === etag || tag === `W/${etag}`
  })
}
