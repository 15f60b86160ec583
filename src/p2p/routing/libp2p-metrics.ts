/**
 * kad-dht reports to libp2p's metrics interface by names; this hands on the few that are of use here. What it measures by
 * peer or query is dropped.
 */
import type { Metrics } from '@libp2p/interface'
import type { DhtMetrics } from './metrics.ts'

/** `libp2p_kad_dht_outbound_rpc_requests_total` and its three sisters. */
const MESSAGES = /_(inbound|outbound)_rpc_(requests|errors)_total$/

const nothing = (): void => {}
const noMetric = {
  update: nothing,
  increment: nothing,
  decrement: nothing,
  reset: nothing,
  observe: nothing,
  timer: () => nothing
}

/** The message types of the protocol: a label takes no other value. */
const TYPES = new Set(['PUT_VALUE', 'GET_VALUE', 'ADD_PROVIDER', 'GET_PROVIDERS', 'FIND_NODE', 'PING'])

export interface DhtProbe {
  readonly metrics: Metrics
  /** Peers in the routing table, as kad-dht last said. */
  readonly routingTableSize: () => number
}

export function dhtProbe(metrics: DhtMetrics): DhtProbe {
  let routingTableSize = 0
  const counterGroup = (name: string): object => {
    const [, direction, what] = MESSAGES.exec(name) ?? []
    if (direction === undefined) return noMetric
    const counter = what === 'errors' ? metrics.messageErrors : metrics.messages
    const increment = (values: Readonly<Record<string, unknown>>): void => {
      for (const type of Object.keys(values)) counter.inc({ type: TYPES.has(type) ? type : 'other', direction })
    }
    return { ...noMetric, increment }
  }
  /** Both timers of an operation run at once; only the one that fits its end is stopped. */
  const operationEnds = (outcome: string): object => ({
    ...noMetric,
    timer: (operation: string) => () => metrics.operations.inc({ operation, outcome })
  })
  const metricGroup = (name: string): object => {
    if (name.endsWith('_operation_time_seconds')) return operationEnds('done')
    if (name.endsWith('_operation_error_time_seconds')) return operationEnds('failed')
    return noMetric
  }
  const metric = (name: string): object =>
    name.endsWith('_routing_table_size')
      ? { ...noMetric, update: (size: number) => (routingTableSize = size) }
      : noMetric
  const adapter = {
    trackMultiaddrConnection: nothing,
    trackProtocolStream: nothing,
    registerCounterGroup: counterGroup,
    registerMetricGroup: metricGroup,
    registerMetric: metric,
    registerCounter: () => noMetric,
    registerHistogram: () => noMetric,
    registerHistogramGroup: () => noMetric,
    registerSummary: () => noMetric,
    registerSummaryGroup: () => noMetric,
    traceFunction: (_name: string, fn: unknown) => fn,
    createTrace: () => undefined
  }
  return { metrics: adapter as unknown as Metrics, routingTableSize: () => routingTableSize }
}
