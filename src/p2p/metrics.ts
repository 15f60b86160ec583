import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { labelSets } from '../util/index.ts'
import { WireBytes } from './wire-bytes.ts'

export type Direction = 'inbound' | 'outbound'

/** Read from the sockets when the registry is. */
export function wireBytes(registers: Registry[], name: string): WireBytes {
  const wire = new WireBytes()
  new Counter({
    name,
    help: 'Bytes on the sockets of peers, with all that security and multiplexing add.',
    labelNames: ['direction'],
    registers,
    collect() {
      const { read, written } = wire.totals()
      this.reset()
      this.inc({ direction: 'inbound' }, read)
      this.inc({ direction: 'outbound' }, written)
    }
  })
  return wire
}

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
  const counter: MakeCounter = (name, help, labels) => {
    const made = new Counter({ name, help, labelNames: Object.keys(labels ?? {}), registers })
    if (labels !== undefined) for (const set of labelSets(labels)) made.inc(set, 0)
    return made
  }
  const measured = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames, registers, collect })
  return {
    /** Has `measure` set the gauges that are counted only when somebody reads them. */
    beforeScrape(measure: () => void): void {
      measures.add(measure)
    },
    ...flowMetrics(counter, measured),
    wire: wireBytes(registers, 'sealsync_p2p_wire_bytes_total'),
    dialSeconds: dialSeconds(registers),
    refusals: counter('sealsync_p2p_refusals_total', 'Connections the gater refused, by direction and reason.', {
      direction: DIRECTIONS,
      reason: REFUSALS
    }),
    handshakeFailures: counter(
      'sealsync_p2p_handshake_failures_total',
      'Connections that failed before they could be used, by direction and reason.',
      { direction: DIRECTIONS, reason: HANDSHAKE_FAILURES }
    ),
    dials: counter('sealsync_p2p_dials_total', 'Dials by outcome.', { outcome: DIAL_OUTCOMES }),
    ...peerMetrics(measured),
    duplicatesClosed: counter(
      'sealsync_p2p_duplicate_connections_closed_total',
      'Connections closed because the peer had a better one.'
    ),
    deadConnections: counter(
      'sealsync_p2p_dead_connections_total',
      'Connections cut because nothing came from the peer though it was pinged.'
    ),
    identityLoads: counter(
      'sealsync_p2p_identity_table_loads_total',
      'Changes of the identity file that were looked at, by outcome: replaced, unchanged, invalid.',
      { outcome: ['replaced', 'unchanged', 'invalid'] }
    ),
    cooldowns: counter('sealsync_p2p_cooldowns_total', 'Peers disconnected for misbehaviour, by reason.', {
      reason: COOLDOWNS
    }),
    ...streamMetrics(registers, 'sealsync_p2p'),
    pingSeconds: new Histogram({
      name: 'sealsync_p2p_ping_seconds',
      help: 'Round trips of connection pings.',
      // From loopback to the far side of the Earth, with the queueing of a busy link behind it.
      buckets: [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 5],
      registers
    })
  }
}

const DIRECTIONS: readonly Direction[] = ['inbound', 'outbound']
/** `RefusalReason` of the gater. */
const REFUSALS = [
  'unknown-peer',
  'ejected',
  'cooldown',
  'unknown-address',
  'pending-known',
  'pending-unknown',
  'rate-known',
  'rate-unknown'
]
/** What the stream counter names the errors of an upgrade. */
const HANDSHAKE_FAILURES = ['limit', 'gater', 'security', 'wrong-peer', 'muxer', 'timeout', 'aborted', 'other']
/** What the host names the end of a dial, and the peer manager's own `ok` and `timeout`. */
const DIAL_OUTCOMES = [
  'ok',
  'refused',
  'name',
  'unreachable',
  'timeout',
  'aborted',
  'gater',
  'handshake',
  'reset',
  'other'
]
/** What a peer is sent away for: by the exchange (the first four), and by the announcements. */
const COOLDOWNS = [
  'stream flood',
  'unsolicited blocks',
  'oversize',
  'malformed',
  'wrong-role',
  'bad-signature',
  'unasked'
]

/** A counter, with all its series when its labels' values are given. */
type MakeCounter = <L extends string = never>(
  name: string,
  help: string,
  labels?: Readonly<Record<L, readonly string[]>>
) => Counter<L>
type MakeGauge = <L extends string = never>(name: string, help: string, labelNames?: readonly L[]) => Gauge<L>

function peerMetrics(gauge: MakeGauge) {
  return {
    backoffPeers: gauge('sealsync_p2p_backoff_peers', 'Staked peers that wait for their next dial after a failed one.'),
    connectedPeers: gauge('sealsync_p2p_connected_peers', 'Staked peers connected, by role.', ['role']),
    wantedPeers: gauge('sealsync_p2p_wanted_peers', 'Staked peers to which a connection is kept, by role.', ['role'])
  }
}

/** flow-go's (`module/metrics/unicast_manager.go`), with its buckets. */
function dialSeconds(registers: Registry[]) {
  const histogram = new Histogram<'success'>({
    name: 'network_gossip_time_to_dial_peer_seconds',
    help: 'Time of a dial to a peer until the connection stands (success) or fails.',
    labelNames: ['success'],
    buckets: [0.01, 0.1, 0.5, 1, 2, 5],
    registers
  })
  for (const success of ['true', 'false']) histogram.zero({ success })
  return histogram
}

function flowMetrics(counter: MakeCounter, gauge: MakeGauge) {
  return {
    inboundConnections: gauge('network_queue_inbound_connection_count', 'Connections that peers opened.'),
    outboundConnections: gauge('network_queue_outbound_connection_count', 'Connections that this node opened.'),
    allowConnection: counter(
      'network_libp2p_resource_manager_allow_connection_total',
      'Connections let in or opened.',
      { direction: DIRECTIONS, usefd: ['true'] }
    ),
    blockConnection: counter('network_libp2p_resource_manager_block_connection_total', 'Connections refused.', {
      direction: DIRECTIONS,
      usefd: ['true']
    }),
    allowStream: counter('network_libp2p_resource_manager_allow_stream_total', 'Streams opened.', {
      direction: DIRECTIONS
    }),
    blockStream: counter('network_libp2p_resource_manager_block_stream_total', 'Streams refused by a limit.', {
      direction: DIRECTIONS
    })
  }
}

/** Protocols get their series when they are first used: the stream counter bounds them. */
export function streamMetrics(registers: Registry[], prefix: string) {
  return {
    streamsOpened: new Counter<'protocol' | 'direction'>({
      name: `${prefix}_streams_opened_total`,
      help: 'Streams opened, by protocol and direction.',
      labelNames: ['protocol', 'direction'],
      registers
    }),
    openStreams: new Gauge<'protocol' | 'direction'>({
      name: `${prefix}_open_streams`,
      help: 'Streams open now, by protocol and direction.',
      labelNames: ['protocol', 'direction'],
      registers
    })
  }
}
