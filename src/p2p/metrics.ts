import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

export type Direction = 'inbound' | 'outbound'

/**
 * The network's metrics. `network_*` have flow-go's names and meaning (`module/metrics/network.go`,
 * `libp2p_resource_manager.go`).
 */
export type P2pMetrics = ReturnType<typeof createP2pMetrics>

export function createP2pMetrics(register: Registry) {
  const registers = [register]
  const measures = new Set<() => void>()
  const collect = (): void => {
    for (const measure of measures) measure()
  }
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name, help, labelNames, registers })
  const gauge = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers })
  const measured = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers, collect })
  return {
    /** Has `measure` set the gauges that are counted only when somebody reads them. */
    beforeScrape(measure: () => void): void {
      measures.add(measure)
    },
    ...flowMetrics(counter, measured),
    refusals: counter('sealsync_p2p_refusals_total', 'Connections the gater refused, by direction and reason.', [
      'direction',
      'reason'
    ]),
    handshakeFailures: counter(
      'sealsync_p2p_handshake_failures_total',
      'Connections that failed before they could be used, by direction and reason.',
      ['direction', 'reason']
    ),
    dials: counter('sealsync_p2p_dials_total', 'Dials by outcome.', ['outcome']),
    backoffPeers: measured(
      'sealsync_p2p_backoff_peers',
      'Staked peers that wait for their next dial after a failed one.'
    ),
    connectedPeers: measured('sealsync_p2p_connected_peers', 'Staked peers connected, by role.', ['role']),
    wantedPeers: measured('sealsync_p2p_wanted_peers', 'Staked peers to which a connection is kept, by role.', [
      'role'
    ]),
    duplicatesClosed: counter(
      'sealsync_p2p_duplicate_connections_closed_total',
      'Connections closed because the peer had a better one.'
    ),
    deadConnections: counter(
      'sealsync_p2p_dead_connections_total',
      'Connections cut because nothing came from the peer though it was pinged.'
    ),
    cooldowns: counter('sealsync_p2p_cooldowns_total', 'Peers disconnected for misbehaviour, by reason.', ['reason']),
    ...streamMetrics(counter, gauge),
    pingSeconds: new Histogram({
      name: 'sealsync_p2p_ping_seconds',
      help: 'Round trips of connection pings.',
      // From loopback to the far side of the Earth, with the queueing of a busy link behind it.
      buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 5],
      registers
    })
  }
}

type MakeCounter = <L extends string = never>(name: string, help: string, labelNames?: readonly L[]) => Counter<L>
type MakeGauge = <L extends string = never>(name: string, help: string, labelNames?: readonly L[]) => Gauge<L>

function flowMetrics(counter: MakeCounter, gauge: MakeGauge) {
  return {
    inboundConnections: gauge('network_queue_inbound_connection_count', 'Connections that peers opened.'),
    outboundConnections: gauge('network_queue_outbound_connection_count', 'Connections that this node opened.'),
    allowConnection: counter(
      'network_libp2p_resource_manager_allow_connection_total',
      'Connections let in or opened.',
      ['direction', 'usefd']
    ),
    blockConnection: counter('network_libp2p_resource_manager_block_connection_total', 'Connections refused.', [
      'direction',
      'usefd'
    ]),
    allowStream: counter('network_libp2p_resource_manager_allow_stream_total', 'Streams opened.', ['direction']),
    blockStream: counter('network_libp2p_resource_manager_block_stream_total', 'Streams refused by a limit.', [
      'direction'
    ])
  }
}

function streamMetrics(counter: MakeCounter, gauge: MakeGauge) {
  return {
    streamsOpened: counter('sealsync_p2p_streams_opened_total', 'Streams opened, by protocol and direction.', [
      'protocol',
      'direction'
    ]),
    openStreams: gauge('sealsync_p2p_open_streams', 'Streams open now, by protocol and direction.', [
      'protocol',
      'direction'
    ])
  }
}
