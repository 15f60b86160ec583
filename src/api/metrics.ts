import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { labelSets } from '../util/index.ts'
import { REQUEST_STATUS } from './errors.ts'

export type ApiMetrics = ReturnType<typeof createApiMetrics>

/** How a request ended: the class of its status, or `aborted` when the answer did not get through whole. */
export type StatusClass = '2xx' | '3xx' | '4xx' | '5xx' | 'aborted'

/** Why an answer did not get through whole. */
const CUTS = ['slow-reader', 'client-gone', 'source-failed', 'stopped'] as const
export type CutReason = (typeof CUTS)[number]

/** What Node's parser refused before a request was there. */
const FAULTS = ['headers-too-large', 'timeout', 'malformed', 'reset'] as const
export type ProtocolFault = (typeof FAULTS)[number]

/** What a blob tree is read for. */
const TREE_STREAMS = ['car', 'json'] as const
export type TreeStreamKind = (typeof TREE_STREAMS)[number]

function requestMetrics(registers: Registry[]) {
  return {
    requests: new Counter<'listener' | 'route' | 'status'>({
      name: 'sealsync_api_requests_total',
      help: 'Requests by listener, route and how they ended (status class, or aborted when the answer was cut)',
      labelNames: ['listener', 'route', 'status'],
      registers
    }),
    requestDuration: new Histogram<'listener' | 'route'>({
      name: 'sealsync_api_request_duration_seconds',
      help: 'Time from the request being read to its answer being taken by the operating system',
      labelNames: ['listener', 'route'],
      // From a health check (below 1 ms) to the transfer of a large block to a slow reader.
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
      registers
    }),
    responseBytes: new Counter<'listener' | 'route'>({
      name: 'sealsync_api_response_bytes_total',
      help: 'Bytes of answer bodies given to the socket',
      labelNames: ['listener', 'route'],
      registers
    }),
    inFlight: new Gauge<'listener'>({
      name: 'sealsync_api_in_flight_requests',
      help: 'Requests being answered or waiting behind another of their connection',
      labelNames: ['listener'],
      registers
    }),
    cuts: new Counter<'listener' | 'reason'>({
      name: 'sealsync_api_answers_cut_total',
      help: 'Answers that did not get through whole: slow-reader, client-gone, source-failed or stopped',
      labelNames: ['listener', 'reason'],
      registers
    }),
    refused: new Counter<'listener' | 'code'>({
      name: 'sealsync_api_refused_total',
      help: 'Requests refused, by error code',
      labelNames: ['listener', 'code'],
      registers
    })
  }
}

function connectionMetrics(registers: Registry[]) {
  return {
    connections: new Gauge<'listener'>({
      name: 'sealsync_api_connections',
      help: 'Open connections',
      labelNames: ['listener'],
      registers
    }),
    connectionsDropped: new Counter<'listener'>({
      name: 'sealsync_api_connections_dropped_total',
      help: 'Connections closed at once because as many as allowed were open',
      labelNames: ['listener'],
      registers
    }),
    protocolFaults: new Counter<'listener' | 'reason'>({
      name: 'sealsync_api_protocol_faults_total',
      help: 'Connections whose bytes made no request: headers-too-large, timeout, malformed or reset',
      labelNames: ['listener', 'reason'],
      registers
    }),
    streams: new Gauge<'kind'>({
      name: 'sealsync_api_tree_streams',
      help: 'Blob trees being read for clients, as CAR or JSON',
      labelNames: ['kind'],
      registers
    })
  }
}

function healthMetrics(registers: Registry[]) {
  return {
    scrapeDuration: new Histogram({
      name: 'sealsync_api_scrape_duration_seconds',
      help: 'Time to render the metrics for one scrape',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5],
      registers
    }),
    checkOk: new Gauge<'check'>({
      name: 'sealsync_api_check_ok',
      help: 'Whether a readiness check holds (1) or not (0); refreshed by each scrape and each readiness request',
      labelNames: ['check'],
      registers
    })
  }
}

/**
 * The room's metrics. Labels are closed enums: routes are names of the route table, never paths, so that no client can
 * make series; a listener gives its routes theirs with {@link presetRoute}. Check names come from the node's own list.
 */
export function createApiMetrics(register: Registry) {
  const registers = [register]
  const metrics = { ...requestMetrics(registers), ...connectionMetrics(registers), ...healthMetrics(registers) }
  const listener = ['metrics', 'api', 'admin']
  for (const labels of labelSets({ kind: TREE_STREAMS })) metrics.streams.set(labels, 0)
  for (const labels of labelSets({ listener, code: Object.keys(REQUEST_STATUS) })) metrics.refused.inc(labels, 0)
  for (const labels of labelSets({ listener, reason: CUTS })) metrics.cuts.inc(labels, 0)
  for (const labels of labelSets({ listener, reason: FAULTS })) metrics.protocolFaults.inc(labels, 0)
  for (const labels of labelSets({ listener })) {
    metrics.connections.set(labels, 0)
    metrics.inFlight.set(labels, 0)
    metrics.connectionsDropped.inc(labels, 0)
  }
  return metrics
}

/** Gives a route all its series, so that no request adds one. */
export function presetRoute(metrics: ApiMetrics, labels: { readonly listener: string; readonly route: string }): void {
  for (const status of ['2xx', '3xx', '4xx', '5xx', 'aborted']) metrics.requests.inc({ ...labels, status }, 0)
  metrics.requestDuration.zero(labels)
  metrics.responseBytes.inc(labels, 0)
}
