import type { IncomingMessage } from 'node:http'
import type { Logger } from '../../log/logger.ts'
import { type Clock, codeOf, messageOf, type Service } from '../../util/index.ts'
import { ApiError } from '../errors.ts'
import type { ApiMetrics } from '../metrics.ts'
import type { HttpLimits, ListenAddress } from '../options.ts'
import { hostAllowed } from './host-guard.ts'
import { HttpListener } from './listener.ts'
import type { ListenerName, Route } from './route.ts'

/** What every listener needs besides its own ports. */
export interface ListenerComponents {
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ApiMetrics
  /** Called with the bytes of each piece of an answer, before it is written. */
  readonly onSent?: (bytes: number) => void
}

export interface TcpListenerOptions extends HttpLimits, ListenAddress {
  readonly name: Exclude<ListenerName, 'admin'>
  /** The flag that moves the listener elsewhere, for the error that says its address is taken. */
  readonly flag: string
}

export interface BoundAddress {
  readonly host: string
  readonly port: number
}

/** A listener on a TCP address, as a service. */
export class TcpListener implements Service {
  #http: HttpListener
  #options: TcpListenerOptions

  constructor(components: ListenerComponents & { readonly routes: readonly Route[] }, options: TcpListenerOptions) {
    this.#options = options
    const guard = (request: IncomingMessage): void => {
      if (hostAllowed(request.headers.host, options)) return
      throw new ApiError('host-not-allowed', 'this listener answers to loopback names and its allowed hosts only')
    }
    this.#http = new HttpListener({ ...components, guard }, { ...options, exposeFaults: false })
  }

  get failed(): Promise<never> {
    return this.#http.failed
  }

  /** Where the listener is bound, with the port the system gave; `undefined` while it does not listen. */
  get address(): BoundAddress | undefined {
    const port = this.#http.port
    return port === undefined ? undefined : { host: this.#options.host, port }
  }

  /** Throws ApiError `address-in-use`, `address-unavailable`, `listen-failed`. */
  async start(): Promise<void> {
    const { host, port, name, flag } = this.#options
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
    try {
      await this.#http.listen({ host, port })
    } catch (cause) {
      throw listenError({ cause, what: `the ${name} listener's address ${address}`, flag, address })
    }
  }

  stop(): Promise<void> {
    return this.#http.stop()
  }
}

function listenError(failure: {
  readonly cause: unknown
  readonly what: string
  readonly flag: string
  readonly address: string
}): ApiError {
  const { cause, what, flag, address } = failure
  const details = { address, flag }
  switch (codeOf(cause)) {
    case 'EADDRINUSE':
      return new ApiError(
        'address-in-use',
        `${what} is in use: stop what listens there, or choose another with ${flag}`,
        {
          cause,
          details
        }
      )
    case 'EADDRNOTAVAIL':
    case 'EACCES':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ApiError(
        'address-unavailable',
        `${what} cannot be bound on this machine (${codeOf(cause)}): choose another with ${flag}`,
        { cause, details }
      )
    default:
      return new ApiError('listen-failed', `${what} cannot be listened on: ${messageOf(cause)}`, { cause, details })
  }
}
