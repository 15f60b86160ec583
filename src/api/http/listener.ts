import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../../log/logger.ts'
import { type Clock, codeOf, messageOf } from '../../util/index.ts'
import { ApiError, statusOf } from '../errors.ts'
import { type ApiMetrics, type CutReason, presetRoute, type StatusClass } from '../metrics.ts'
import type { HttpLimits } from '../options.ts'
import { HttpCall } from './call.ts'
import { refuseProtocol } from './protocol-fault.ts'
import { type ListenerName, type Route, RouteTable } from './route.ts'

export interface HttpListenerComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ApiMetrics
  readonly routes: readonly Route[]
  /** Called with the bytes of each piece of an answer, before it is written. */
  readonly onSent?: ((bytes: number) => void) | undefined
  /** Called with each request before its route is looked for; throws ApiError to refuse it. */
  readonly guard: (request: IncomingMessage) => void
}

export interface HttpListenerOptions extends HttpLimits {
  readonly name: ListenerName
  /** Tell the client what went wrong inside too: only where the client is the operator. */
  readonly exposeFaults: boolean
}

/** Where to listen: an address of TCP, or the path of a unix socket. */
export type ListenTarget = { readonly host: string; readonly port: number } | { readonly path: string }

interface Connection {
  readonly aborts: Set<AbortController>
  /** Settles when the last request of this connection is answered. */
  tail: Promise<void>
}

/** How long a client may go on sending a body that nobody reads, ms, so that it can read why it was refused. */
const LINGER_MS = 1_000
/** The label of requests that no route answers. */
const NO_ROUTE = 'none'

/** How long `stop` waits for the handlers of requests it has cut, ms: they were told by their signal. */
const CUT_GRACE_MS = 1_000

/**
 * An HTTP/1.1 server on node:http: what the three listeners share. It bounds connections, requests, headers, time and slow readers;
 * finds the route; turns what handlers throw into JSON errors or, when the answer had begun, into a reset connection,
 * so that no client takes half an answer for a whole one; and stops in bounded time.
 *
 * Requests of one connection are answered one after the other, so that pipelining gives no client more than its share.
 */
export class HttpListener {
  #components: HttpListenerComponents
  #options: HttpListenerOptions
  #routes: RouteTable
  #server: Server
  #connections = new Map<Socket, Connection>()
  #running = new Set<Promise<void>>()
  #stopping: Promise<void> | undefined
  #onUnixSocket = false
  readonly failed: Promise<never>
  #fail: (error: unknown) => void

  /** Throws a RangeError when two routes could answer one request. */
  constructor(components: HttpListenerComponents, options: HttpListenerOptions) {
    this.#components = components
    this.#options = options
    this.#routes = new RouteTable(components.routes)
    for (const route of [NO_ROUTE, ...components.routes.map(({ name }) => name)]) {
      presetRoute(components.metrics, { listener: options.name, route })
    }
    const { promise, reject } = Promise.withResolvers<never>()
    this.failed = promise
    this.failed.catch(() => {})
    this.#fail = reject
    this.#server = this.#createServer()
  }

  /** The bound port; `undefined` while not listening, and on a unix socket. */
  get port(): number | undefined {
    const address = this.#server.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  /** Starts to listen. Rejects with Node's own error; the caller knows which option to name. */
  listen(target: ListenTarget): Promise<void> {
    this.#onUnixSocket = 'path' in target
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(target, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (cause) => this.#fail(new ApiError('listen-failed', messageOf(cause), { cause })))
        resolve()
      })
    })
  }

  /** Stops accepting, lets running requests end within the stop deadline, then cuts the rest. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  #createServer(): Server {
    const options = this.#options
    const server = createServer(
      {
        maxHeaderSize: options.maxHeaderBytes,
        headersTimeout: options.headersTimeoutMs,
        requestTimeout: options.requestTimeoutMs,
        keepAliveTimeout: options.keepAliveTimeoutMs,
        connectionsCheckingInterval: Math.min(5_000, options.headersTimeoutMs)
      },
      (request, response) => this.#accept(request, response)
    )
    server.maxConnections = options.maxConnections
    const { metrics } = this.#components
    const labels = { listener: options.name }
    server.on('drop', () => metrics.connectionsDropped.inc(labels))
    server.on('connection', (socket) => this.#onConnection(socket))
    server.on('clientError', (error, socket) => {
      const answering = (this.#connections.get(socket as Socket)?.aborts.size ?? 0) > 0
      const reason = refuseProtocol({ error, socket: socket as Socket, answering, clock: this.#components.clock })
      if (reason !== undefined) metrics.protocolFaults.inc({ ...labels, reason })
    })
    return server
  }

  #onConnection(socket: Socket): void {
    const gauge = this.#components.metrics.connections
    const connection: Connection = { aborts: new Set(), tail: Promise.resolve() }
    this.#connections.set(socket, connection)
    gauge.inc({ listener: this.#options.name })
    socket.once('close', () => {
      this.#connections.delete(socket)
      gauge.dec({ listener: this.#options.name })
      for (const abort of connection.aborts)
        abort.abort(new ApiError('client-gone', 'the client closed the connection'))
    })
  }

  #accept(request: IncomingMessage, response: ServerResponse): void {
    // A socket that breaks reports to both streams; the connection's `close` is what is acted upon.
    request.on('error', () => {})
    response.on('error', () => {})
    const connection = this.#connections.get(request.socket)
    if (connection === undefined) return
    const abort = new AbortController()
    connection.aborts.add(abort)
    const inFlight = this.#components.metrics.inFlight
    inFlight.inc({ listener: this.#options.name })
    const overloaded = this.#running.size >= this.#options.maxInFlight
    const task = connection.tail
      .then(() => this.#serve(request, response, { abort, overloaded }))
      .finally(() => {
        connection.aborts.delete(abort)
        this.#running.delete(task)
        inFlight.dec({ listener: this.#options.name })
      })
    connection.tail = task
    this.#running.add(task)
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    state: { readonly abort: AbortController; readonly overloaded: boolean }
  ): Promise<void> {
    const { clock, metrics } = this.#components
    const listener = this.#options.name
    const startedAt = clock.now()
    const labels = { listener, route: NO_ROUTE }
    const found = this.#callFor(request, response, { signal: state.abort.signal, labels })
    let whole = true
    try {
      state.abort.signal.throwIfAborted()
      if (this.#stopping !== undefined) throw new ApiError('stopping', 'the node is stopping')
      if (state.overloaded) throw new ApiError('overloaded', 'too many requests are being answered')
      await found.run()
    } catch (error) {
      whole = await this.#onError(error, { call: found.call, request })
    }
    this.#linger(request)
    const status = (whole ? `${Math.floor(response.statusCode / 100)}xx` : 'aborted') as StatusClass
    metrics.requests.inc({ ...labels, status })
    metrics.requestDuration.observe(labels, (clock.now() - startedAt) / 1000)
  }

  /** The call of a request and what answers it; `labels.route` is set when a route is found. */
  #callFor(
    request: IncomingMessage,
    response: ServerResponse,
    context: { readonly signal: AbortSignal; readonly labels: { readonly listener: ListenerName; route: string } }
  ): { readonly call: HttpCall; readonly run: () => Promise<void> } {
    const { clock, metrics, guard, onSent } = this.#components
    const url = request.url ?? ''
    const queryAt = url.indexOf('?')
    const path = queryAt === -1 ? url : url.slice(0, queryAt)
    const tooLong = url.length > this.#options.maxUrlLength
    const match = tooLong ? { allowed: [] } : this.#routes.find(request.method ?? '', path)
    if ('route' in match) context.labels.route = match.route.name
    const call = new HttpCall(
      {
        request,
        response,
        signal: context.signal,
        write: { clock, deadlineMs: this.#options.writeDeadlineMs, signal: context.signal },
        body: { clock, deadlineMs: this.#options.bodyDeadlineMs },
        onBytes: (bytes) => {
          metrics.responseBytes.inc(context.labels, bytes)
          onSent?.(bytes)
        }
      },
      {
        params: 'route' in match ? match.params : {},
        query: new URLSearchParams(queryAt === -1 || tooLong ? '' : url.slice(queryAt + 1))
      }
    )
    const run = async (): Promise<void> => {
      if (tooLong)
        throw new ApiError('uri-too-long', `the request target exceeds ${this.#options.maxUrlLength} characters`)
      guard(request)
      if (!url.startsWith('/')) throw new ApiError('bad-request', 'the request target must be a path')
      if (!('route' in match)) throw this.#noRoute(call, match.allowed)
      if (match.route.takesBody !== true && hasBody(request)) {
        throw new ApiError('unexpected-body', 'this route takes no body')
      }
      await match.route.handle(call)
      if (!response.writableEnded) throw new Error(`route ${match.route.name} gave no answer`)
    }
    return { call, run }
  }

  #noRoute(call: HttpCall, allowed: readonly string[]): ApiError {
    if (allowed.length === 0) return new ApiError('not-found', 'there is nothing at this path')
    const allow = [...new Set(allowed)].join(', ')
    call.addHeaders({ Allow: allow })
    return new ApiError('method-not-allowed', `this path answers to ${allow}`)
  }

  /** Gives the error to the client where that is still possible. Resolves false when the client did not get a whole answer. */
  async #onError(
    error: unknown,
    context: { readonly call: HttpCall; readonly request: IncomingMessage }
  ): Promise<boolean> {
    const { call, request } = context
    if (call.begun || call.signal.aborted) {
      this.#cut(error, context)
      return false
    }
    const answer = this.#describe(error, request)
    this.#components.metrics.refused.inc({ listener: this.#options.name, code: answer.label })
    if (answer.status === 429 || answer.status === 503) call.addHeaders({ 'Retry-After': '1' })
    if (this.#stopping !== undefined || answer.status === 408) call.addHeaders({ Connection: 'close' })
    try {
      await call.json({ error: answer.error }, { status: answer.status })
      return true
    } catch (cause) {
      this.#cut(cause, { call, request })
      return false
    }
  }

  #describe(error: unknown, request: IncomingMessage): ErrorAnswer {
    const status = statusOf(error)
    if (error instanceof ApiError && status !== undefined) {
      if (error.cause !== undefined) {
        this.#components.logger.warn({ route: request.url, err: messageOf(error.cause) }, error.message)
      }
      return { status, label: error.code, error: { code: error.code, message: error.message, ...error.details } }
    }
    this.#components.logger.error(
      { route: request.url, code: codeOf(error), err: messageOf(error) },
      'a request failed'
    )
    if (!this.#options.exposeFaults) {
      return {
        status: 500,
        label: 'internal',
        error: { code: 'internal', message: 'the node failed; its log has the cause' }
      }
    }
    const message = messageOf(error)
    const typed = codeOf(error)
    // A room's own error is what the operator asked about; anything else is a fault of the program.
    return { status: typed === undefined ? 500 : 422, label: 'internal', error: { code: typed ?? 'internal', message } }
  }

  /** Resets the connection: an end without a reset could pass for the end of the answer. */
  #cut(error: unknown, context: { readonly call: HttpCall; readonly request: IncomingMessage }): void {
    const socket = context.request.socket
    const reason = cutReason(context.call.signal.aborted ? context.call.signal.reason : error)
    this.#components.metrics.cuts.inc({ listener: this.#options.name, reason })
    if (reason === 'source-failed') {
      this.#components.logger.warn({ route: context.request.url, err: messageOf(error) }, 'an answer was cut half way')
    } else this.#components.logger.debug({ route: context.request.url, reason }, 'an answer was cut half way')
    if (socket.destroyed) return
    if (this.#onUnixSocket) socket.destroy()
    else socket.resetAndDestroy()
  }

  /** What is left of a body after the answer is read away for a moment, so that the client gets to read the answer. */
  #linger(request: IncomingMessage): void {
    if (request.complete || request.socket.destroyed) return
    const { socket } = request
    const timer = this.#components.clock.setTimer(LINGER_MS, () => socket.destroy(), { background: true })
    request.once('end', () => timer.cancel())
    socket.once('close', () => timer.cancel())
    request.resume()
  }

  async #stop(): Promise<void> {
    const server = this.#server
    if (!server.listening) return
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    await this.#settled(this.#options.stopDeadlineMs)
    for (const connection of this.#connections.values()) {
      for (const abort of connection.aborts) abort.abort(new ApiError('stopping', 'the node is stopping'))
    }
    if (this.#running.size > 0) await this.#settled(CUT_GRACE_MS)
    server.closeAllConnections()
    await closed
  }

  /** Resolves when no request is being answered, those included that come meanwhile, or after `ms`. */
  async #settled(ms: number): Promise<void> {
    const expired = Promise.withResolvers<void>()
    let waiting = true
    const timer = this.#components.clock.setTimer(ms, () => {
      waiting = false
      expired.resolve()
    })
    while (waiting && this.#running.size > 0) {
      await Promise.race([expired.promise, Promise.allSettled(this.#running)])
    }
    timer.cancel()
  }
}

interface ErrorAnswer {
  readonly status: number
  /** The value of the metrics' label `code`, from a closed set. */
  readonly label: string
  readonly error: Readonly<Record<string, unknown>>
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
}

function cutReason(error: unknown): CutReason {
  const code = error instanceof ApiError ? error.code : undefined
  if (code === 'slow-reader' || code === 'client-gone') return code
  return code === 'stopping' ? 'stopped' : 'source-failed'
}
