import type { IncomingMessage } from 'node:http'
import { chmod } from 'node:fs/promises'
import { codeOf, messageOf, type Service } from '../../util/index.ts'
import { ApiError } from '../errors.ts'
import type { HttpCall } from '../http/call.ts'
import { HttpListener } from '../http/listener.ts'
import type { Route } from '../http/route.ts'
import type { ListenerComponents } from '../http/tcp-listener.ts'
import type { AdminListenerOptions } from '../options.ts'
import { claimSocketPlace, publishSocketPlace, releaseSocketPlace, type SocketPlace } from './socket-path.ts'

/** What an admin route gets to see of a request. */
export interface AdminRequest {
  /** The segments that the route's path names with a colon. */
  readonly params: Readonly<Record<string, string>>
  /** The one value of a query parameter. Throws ApiError `bad-request` when it is repeated. */
  parameter(name: string): string | undefined
  /** Aborts when the client leaves or the listener stops. */
  readonly signal: AbortSignal
  /** The body as JSON. Throws ApiError `body-too-large`, `bad-json`, `body-timeout`. */
  json(): Promise<unknown>
  /** The body in pieces, of any total length, with back-pressure. Throws ApiError `body-timeout`. */
  body(): AsyncIterable<Uint8Array>
}

export type AdminAnswer =
  | {
      readonly json: unknown
      readonly status?: number
      /** Runs when the client has the answer (or could not be given it). */
      readonly afterwards?: () => void
    }
  | { readonly stream: AsyncIterable<Uint8Array>; readonly contentType: string }

/** One line of the admin listener's route table. */
export interface AdminRoute {
  /** The value of the metrics' label `route`; the path's first segment is a good one. */
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  /**
   * Answers, or throws: an ApiError with a request code for a refusal; an error with another `code` is told to the operator as it is,
   * with status 422; anything else is a fault, 500.
   */
  handle(request: AdminRequest): Promise<AdminAnswer>
}

export interface AdminListenerComponents extends ListenerComponents {
  readonly routes: readonly AdminRoute[]
}

const OWNER_ONLY = 0o600

/**
 * HTTP and JSON over a unix socket in the data directory, for the operator's commands. Who may connect is decided by the file's mode,
 * 0600 from the moment it exists; nothing else is asked, except that a request with an `Origin` header, which only a browser sends,
 * is refused.
 */
export class AdminListener implements Service {
  #http: HttpListener
  #options: AdminListenerOptions
  #place: SocketPlace | undefined
  #stopping: Promise<void> | undefined

  /** Throws a RangeError when two routes could answer one request. */
  constructor(components: AdminListenerComponents, options: AdminListenerOptions) {
    this.#options = options
    const routes = components.routes.map((route) => toRoute(route, options.maxJsonBytes))
    this.#http = new HttpListener(
      { ...components, routes, guard: refuseOrigin },
      { ...options, name: 'admin', exposeFaults: true }
    )
  }

  get failed(): Promise<never> {
    return this.#http.failed
  }

  /** The socket's path; `undefined` while it does not listen. */
  get path(): string | undefined {
    return this.#place?.path
  }

  /** Throws ApiError `socket-in-use`, `socket-path-taken`, `socket-path-too-long`, `listen-failed`. */
  async start(): Promise<void> {
    const place = await claimSocketPlace(this.#options)
    try {
      await this.#listen(place.path)
      await chmod(place.path, OWNER_ONLY)
      await publishSocketPlace(place)
      this.#place = place
    } catch (cause) {
      await this.#http.stop()
      const taken = codeOf(cause) === 'EADDRINUSE'
      if (!taken) await releaseSocketPlace(place)
      throw taken
        ? new ApiError('socket-in-use', `another process took the admin socket ${place.path}`, { cause })
        : new ApiError('listen-failed', `the admin socket ${place.path}: ${messageOf(cause)}`, { cause })
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** The socket is bound while `listen` runs, so the narrow mask covers its making and nothing else of this process. */
  #listen(path: string): Promise<void> {
    const mask = process.umask(0o177)
    try {
      return this.#http.listen({ path })
    } finally {
      process.umask(mask)
    }
  }

  async #stop(): Promise<void> {
    await this.#http.stop()
    if (this.#place !== undefined) await releaseSocketPlace(this.#place)
    this.#place = undefined
  }
}

function refuseOrigin(request: IncomingMessage): void {
  if (request.headers.origin === undefined) return
  throw new ApiError('origin-refused', 'the admin socket does not answer to pages in a browser')
}

function toRoute(route: AdminRoute, maxJsonBytes: number): Route {
  return {
    name: route.name,
    methods: [route.method],
    path: route.path,
    takesBody: route.method === 'POST',
    handle: async (call) => give(call, await route.handle(requestOf(call, maxJsonBytes)))
  }
}

function requestOf(call: HttpCall, maxJsonBytes: number): AdminRequest {
  return {
    params: call.params,
    signal: call.signal,
    parameter: (name) => call.parameter(name),
    json: () => call.readJson(maxJsonBytes),
    body: () => call.body()
  }
}

async function give(call: HttpCall, answer: AdminAnswer): Promise<void> {
  if ('stream' in answer) return call.stream(answer.stream, { 'Content-Type': answer.contentType })
  try {
    await call.json(answer.json, { status: answer.status ?? 200 })
  } finally {
    answer.afterwards?.()
  }
}
