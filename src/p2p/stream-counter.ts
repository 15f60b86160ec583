/**
 * What libp2p reports to a metrics component, cut down to what is counted here: streams by protocol and direction, and
 * handshakes that failed. libp2p's own Prometheus adapter would register some eighty series, most of them per peer or
 * address, and process metrics of its own.
 */
import type { Metrics, MultiaddrConnection, Stream } from '@libp2p/interface'
import type { Direction, P2pMetrics } from './metrics.ts'
import { socketOf } from './security/socket-of.ts'

/** Streams of one protocol in one direction. */
export interface StreamCount {
  readonly protocol: string
  readonly direction: Direction
  readonly open: number
  readonly opened: number
}

/** Protocols counted by name, a bound on the series: what a node registers and dials is a handful. */
const MAX_PROTOCOLS = 32
const OTHER = 'other'

interface MutableCount {
  open: number
  opened: number
}

const nothing = (): void => {}
const noMetric = {
  update: nothing,
  increment: nothing,
  decrement: nothing,
  reset: nothing,
  observe: nothing,
  timer: () => nothing
}

/** Names of the errors with which an upgrade ends, and the label each is counted under. */
const HANDSHAKE_REASONS: Readonly<Record<string, string>> = {
  ConnectionDeniedError: 'limit',
  ConnectionInterceptedError: 'gater',
  EncryptionFailedError: 'security',
  UnexpectedPeerError: 'wrong-peer',
  MuxerUnavailableError: 'muxer',
  TimeoutError: 'timeout',
  AbortError: 'aborted'
}

const UPGRADE_ERRORS: Readonly<Record<string, Direction>> = {
  libp2p_connection_manager_dials_inbound_errors_total: 'inbound',
  libp2p_connection_manager_dials_outbound_errors_total: 'outbound'
}

export class StreamCounter implements Metrics {
  readonly #metrics: Pick<P2pMetrics, 'streamsOpened' | 'openStreams' | 'handshakeFailures' | 'allowStream' | 'wire'>
  readonly #counts = new Map<string, Record<Direction, MutableCount>>()

  constructor(
    metrics: Pick<P2pMetrics, 'streamsOpened' | 'openStreams' | 'handshakeFailures' | 'allowStream' | 'wire'>
  ) {
    this.#metrics = metrics
  }

  /** Every protocol and direction seen so far. */
  counts(): StreamCount[] {
    return [...this.#counts].flatMap(([protocol, count]) =>
      (['inbound', 'outbound'] as const).map((direction) => ({ protocol, direction, ...count[direction] }))
    )
  }

  trackMultiaddrConnection(connection: MultiaddrConnection): void {
    const socket = socketOf(connection)
    if (socket !== undefined) this.#metrics.wire.add(socket)
  }

  trackProtocolStream(stream: Stream): void {
    const known = this.#counts.has(stream.protocol) || this.#counts.size < MAX_PROTOCOLS
    const labels = { protocol: known ? stream.protocol : OTHER, direction: stream.direction }
    const count = this.#countOf(labels.protocol)[labels.direction]
    count.opened += 1
    count.open += 1
    this.#metrics.allowStream.inc({ direction: labels.direction })
    this.#metrics.streamsOpened.inc(labels)
    this.#metrics.openStreams.inc(labels)
    const closed = (): void => {
      count.open -= 1
      this.#metrics.openStreams.dec(labels)
    }
    if (stream.status === 'open') stream.addEventListener('close', closed, { once: true })
    else closed()
  }

  registerCounterGroup: Metrics['registerCounterGroup'] = ((name: string) => {
    const direction = UPGRADE_ERRORS[name]
    return direction === undefined ? noMetric : { ...noMetric, increment: this.#countFailures(direction) }
  }) as Metrics['registerCounterGroup']
  registerMetric = (() => noMetric) as unknown as Metrics['registerMetric']
  registerMetricGroup = (() => noMetric) as unknown as Metrics['registerMetricGroup']
  registerCounter = (() => noMetric) as unknown as Metrics['registerCounter']
  registerHistogram = (() => noMetric) as unknown as Metrics['registerHistogram']
  registerHistogramGroup = (() => noMetric) as unknown as Metrics['registerHistogramGroup']
  registerSummary = (() => noMetric) as unknown as Metrics['registerSummary']
  registerSummaryGroup = (() => noMetric) as unknown as Metrics['registerSummaryGroup']
  traceFunction = ((_name: string, fn: unknown) => fn) as Metrics['traceFunction']
  createTrace = (): undefined => undefined

  #countFailures(direction: Direction) {
    return (values: Readonly<Record<string, unknown>>): void => {
      for (const name of Object.keys(values)) {
        this.#metrics.handshakeFailures.inc({ direction, reason: HANDSHAKE_REASONS[name] ?? 'other' })
      }
    }
  }

  #countOf(protocol: string): Record<Direction, MutableCount> {
    const known = this.#counts.get(protocol)
    if (known !== undefined) return known
    const fresh = { inbound: { open: 0, opened: 0 }, outbound: { open: 0, opened: 0 } }
    this.#counts.set(protocol, fresh)
    return fresh
  }
}
