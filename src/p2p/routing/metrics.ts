import { Counter, Gauge, type Registry } from 'prom-client'

/** What is read when the registry is. */
export interface DhtLevels {
  readonly ownRecords: number
  readonly otherRecords: number
  readonly recordBytes: number
  readonly reprovideBacklog: number
  readonly provideQueue: number
  readonly routingTable: number
}

/** Metrics of the DHT; made in a node that has one, and in no other. */
export interface DhtMetrics {
  /** Requests and one-way messages, by their type's name in the protocol. */
  readonly messages: Counter<'type' | 'direction'>
  readonly messageErrors: Counter<'type' | 'direction'>
  readonly operations: Counter<'operation' | 'outcome'>
  readonly additions: Counter
  readonly additionKeys: Counter
  readonly refusedAdditions: Counter
  readonly provides: Counter<'kind'>
  readonly droppedProvides: Counter
  readonly rounds: Counter<'event'>
  /** Says where the gauges are read. */
  levels(read: () => DhtLevels): void
}

const NO_LEVELS: DhtLevels = {
  ownRecords: 0,
  otherRecords: 0,
  recordBytes: 0,
  reprovideBacklog: 0,
  provideQueue: 0,
  routingTable: 0
}

export function createDhtMetrics(register: Registry): DhtMetrics {
  const registers = [register]
  let read = (): DhtLevels => NO_LEVELS
  const counter = <L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name: `sealsync_p2p_dht_${name}_total`, help, labelNames, registers })
  const gauge = (name: string, help: string, value: (levels: DhtLevels) => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value(read()))
      }
    })
  }
  gauge('network_dht_routing_table_size', 'Peers in the routing table of the DHT.', (levels) => levels.routingTable)
  gauge('sealsync_p2p_dht_own_records', 'Provider records that name this node.', (levels) => levels.ownRecords)
  gauge(
    'sealsync_p2p_dht_provider_records',
    'Provider records held, this node’s own among them.',
    (levels) => levels.ownRecords + levels.otherRecords
  )
  gauge('sealsync_p2p_dht_provider_record_bytes', 'Keys and values of these.', (levels) => levels.recordBytes)
  gauge(
    'sealsync_p2p_dht_reprovide_backlog',
    'Blobs that the round under way has still to provide again.',
    (levels) => levels.reprovideBacklog
  )
  gauge('sealsync_p2p_dht_provide_queue', 'New blobs that wait to be provided.', (levels) => levels.provideQueue)
  return {
    messages: counter('messages', 'DHT requests and one-way messages, by type and direction.', ['type', 'direction']),
    messageErrors: counter('message_errors', 'DHT messages that failed, by type and direction.', ['type', 'direction']),
    operations: counter('operations', 'Queries and other operations of this node, by how they ended.', [
      'operation',
      'outcome'
    ]),
    additions: counter('provider_additions', 'Provider records that peers told this node.'),
    additionKeys: counter('provider_addition_keys', 'Different keys among those of each second, added up.'),
    refusedAdditions: counter('refused_additions', 'Provider records not taken, for the bound of the store.'),
    provides: counter('provides', 'Provides begun: of new blobs, and again of old ones.', ['kind']),
    droppedProvides: counter('dropped_provides', 'New blobs not provided because too many waited.'),
    rounds: counter('reprovide_rounds', 'Rounds of providing everything again: begun, ended, overtaken by the next.', [
      'event'
    ]),
    levels: (next) => {
      read = next
    }
  }
}
