import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Flow's name for the staked network's blob channel. */
const STAKED_CHANNEL = 'execution-data-service'

/** What each channel of a registry says under Flow's names: a node may serve two networks. */
const channels = new WeakMap<Registry, Map<string, ChannelSource>>()

interface ChannelSource {
  readonly totals: ExchangeTotals
  readonly read: () => ExchangeLevels
}

/**
 * What has happened since start. Plain numbers, because they move for every message; the registry's counters are read
 * from them, so that `status()` and `/metrics` cannot differ.
 */
export class ExchangeTotals {
  usefulBytes = 0
  duplicateBytes = 0
  partialBytes = 0
  sentBytes = 0
  usefulBlocks = 0
  duplicateBlocks = 0
  sentBlocks = 0
  messagesReceived = 0
  messagesSent = 0
  wantsSent = 0
  wantsCancelled = 0
  wantsHedged = 0
  wantsTimedOut = 0
  streamsInbound = 0
  streamsOutbound = 0
  streamsRefused = 0
  openInbound = 0
  openOutbound = 0
  /** The most that were open at one time, both directions together. */
  openMax = 0
  lookupsFound = 0
  lookupsEmpty = 0
  lookupsFailed = 0
  lookedUpBlocks = 0
  readonly presencesReceived: Record<PresenceKind, number> = { have: 0, 'dont-have': 0 }
  readonly presencesSent: Record<PresenceKind, number> = { have: 0, 'dont-have': 0 }
  readonly haves: Record<HaveOutcome, number> = { kept: 0, broken: 0 }
  readonly wants: Record<WantOutcome, number> = {
    delivered: 0,
    aborted: 0,
    silent: 0,
    undelivered: 0,
    denied: 0,
    unsent: 0,
    lost: 0
  }
  readonly refusals: Record<Refusal, number> = {
    filter: 0,
    entries: 0,
    rate: 0,
    ledger: 0,
    lookups: 0,
    repeat: 0,
    presences: 0,
    words: 0,
    streams: 0,
    receive: 0,
    malformed: 0,
    oversize: 0,
    slow: 0,
    unsolicited: 0,
    wrong: 0,
    'write-stall': 0
  }

  /** One stream more stands open; whoever sees it end takes it off. */
  opened(direction: 'inbound' | 'outbound'): void {
    if (direction === 'inbound') this.openInbound += 1
    else this.openOutbound += 1
    this.openMax = Math.max(this.openMax, this.openInbound + this.openOutbound)
  }
}

/**
 * How an ask ended: `delivered`; `aborted` by its last waiter; `silent`: not acknowledged in time; `undelivered`:
 * acknowledged, not delivered in time; `denied`: DONT_HAVE from a cold peer; `unsent`: could not leave; `lost`: the
 * peer went away or its block broke off.
 */
export type WantOutcome = 'delivered' | 'aborted' | 'silent' | 'undelivered' | 'denied' | 'unsent' | 'lost'

/** What a presence says. */
export type PresenceKind = 'have' | 'dont-have'

/** Whether a peer that acknowledged a want-block with HAVE delivered the block (`kept`) or did not (`broken`). */
export type HaveOutcome = 'kept' | 'broken'

/** Why something of a peer was not done. */
export type Refusal =
  | 'filter'
  | 'entries'
  | 'rate'
  | 'ledger'
  | 'lookups'
  | 'repeat'
  | 'presences'
  | 'words'
  | 'streams'
  | 'receive'
  | 'malformed'
  | 'oversize'
  | 'slow'
  | 'unsolicited'
  | 'wrong'
  | 'write-stall'

/** What is read when the registry is. */
export interface ExchangeLevels {
  readonly peers: number
  readonly liveWants: number
  readonly waitingFetches: number
  readonly ledgerWants: number
  readonly queuedBlocks: number
  readonly sendBytes: number
  readonly receiveBytes: number
  /** Time since the oldest live want was made, and since the want that 1 % of the live ones are older than, seconds. */
  readonly wantAgeSeconds: { readonly oldest: number; readonly p99: number }
  /** Bytes that one peer may owe at a time: the smallest, the mean and the largest window. */
  readonly peerWindowBytes: { readonly min: number; readonly mean: number; readonly max: number }
  /** Peers by the strikes each has had since it last delivered. */
  readonly peersByStrikes: Readonly<Record<StrikeCount, number>>
  /** Time since the oldest block that waits to be sent was queued, seconds. */
  readonly oldestQueuedSeconds: number
}

/** How many strikes a peer has had since its last delivery, as a few classes: counts of peers, so that no peer makes a series. */
export type StrikeCount = '0' | '1' | '2-3' | '4+'

/** Of an exchange that does not run. */
export const NO_LEVELS: ExchangeLevels = {
  peers: 0,
  liveWants: 0,
  waitingFetches: 0,
  ledgerWants: 0,
  queuedBlocks: 0,
  sendBytes: 0,
  receiveBytes: 0,
  wantAgeSeconds: { oldest: 0, p99: 0 },
  peerWindowBytes: { min: 0, mean: 0, max: 0 },
  peersByStrikes: { '0': 0, '1': 0, '2-3': 0, '4+': 0 },
  oldestQueuedSeconds: 0
}

export interface ExchangeMetrics {
  readonly totals: ExchangeTotals
  readonly ackSeconds: Histogram
  readonly deliverySeconds: Histogram<'temperature'>
  readonly asksPerBlob: Histogram
  readonly serveSeconds: Histogram<'temperature'>
  /** Says where the gauges are read. */
  levels(read: () => ExchangeLevels): void
}

interface Definition {
  readonly name: string
  readonly help: string
  readonly label?: string
  readonly read: () => number | Readonly<Record<string, number>>
}

interface HistogramShape<T extends string> {
  readonly help: string
  readonly buckets: number[]
  readonly labelNames: T[]
}

function define(register: Registry, kind: typeof Counter | typeof Gauge, definition: Definition): void {
  const { name, help, label, read } = definition
  new kind({
    name,
    help,
    labelNames: label === undefined ? [] : [label],
    registers: [register],
    collect(this: Counter | Gauge) {
      this.reset()
      const value = read()
      if (typeof value === 'number') this.inc(value)
      else for (const [key, count] of Object.entries(value)) this.inc({ [label ?? '']: key }, count)
    }
  })
}

/**
 * Flow's gauges (`module/metrics/bitswap.go`) under Flow's names; the cumulative ones are true counters here. Defined with the first
 * channel of a registry; further ones are further values of the label `prefix`.
 */
function defineFlow(register: Registry, channel: string, source: ChannelSource): void {
  const known = channels.get(register)
  if (known !== undefined) {
    known.set(channel, source)
    return
  }
  const all = new Map([[channel, source]])
  channels.set(register, all)
  definePublic(register, () => [...all.values()][1])
  const flow =
    (kind: typeof Counter | typeof Gauge, name: string) =>
    (help: string, value: (source: ChannelSource) => number): void =>
      define(register, kind, {
        name: `network_bitswap_${name}`,
        help,
        label: 'prefix',
        read: () => Object.fromEntries([...all].map(([prefix, one]) => [prefix, value(one)]))
      })
  flow(Gauge, 'num_peers')('peers the exchange is connected to', ({ read }) => read().peers)
  flow(Gauge, 'wantlist_size')('blobs wanted now', ({ read }) => read().liveWants)
  flow(Counter, 'blobs_received')(
    'blocks received, duplicates too',
    ({ totals }) => totals.usefulBlocks + totals.duplicateBlocks
  )
  flow(Counter, 'data_received')(
    'bytes of blocks received, duplicates too',
    ({ totals }) => totals.usefulBytes + totals.duplicateBytes
  )
  flow(Counter, 'blobs_sent')('blocks sent', ({ totals }) => totals.sentBlocks)
  flow(Counter, 'data_sent')('bytes of blocks sent', ({ totals }) => totals.sentBytes)
  flow(Counter, 'dup_blobs_received')(
    'blocks received that were not wanted (any more)',
    ({ totals }) => totals.duplicateBlocks
  )
  flow(Counter, 'dup_data_received')(
    'bytes of blocks received that were not wanted (any more)',
    ({ totals }) => totals.duplicateBytes
  )
  flow(Counter, 'messages_received')('messages received', ({ totals }) => totals.messagesReceived)
}

function defineCounters(register: Registry, totals: ExchangeTotals): void {
  const counter = (name: string, help: string, rest: Pick<Definition, 'read' | 'label'>): void =>
    define(register, Counter, { name: `sealsync_exchange_${name}_total`, help, ...rest })
  counter('useful_bytes', 'first valid copies of wanted blocks', { read: () => totals.usefulBytes })
  counter('partial_bytes', 'bytes of blocks that broke off', { read: () => totals.partialBytes })
  counter('wants_sent', 'want-blocks sent', { read: () => totals.wantsSent })
  counter('wants', 'want-blocks by how they ended', { label: 'outcome', read: () => totals.wants })
  counter('cancels', 'cancels sent', { read: () => totals.wantsCancelled })
  counter('hedges', 'second want-blocks sent beside a first', { read: () => totals.wantsHedged })
  counter('lookups', 'provider look-ups for wants that stalled, by how they ended', {
    label: 'outcome',
    read: () => ({ found: totals.lookupsFound, empty: totals.lookupsEmpty, failed: totals.lookupsFailed })
  })
  counter('looked_up_blocks', 'wanted blocks that came from a peer that only a look-up had named', {
    read: () => totals.lookedUpBlocks
  })
  counter('messages_sent', 'messages sent', { read: () => totals.messagesSent })
  counter('presences_received', 'presences received, by kind', { label: 'kind', read: () => totals.presencesReceived })
  counter('presences_sent', 'presences queued for peers, by kind', { label: 'kind', read: () => totals.presencesSent })
  counter('haves', 'want-blocks acknowledged with HAVE, by whether the block came', {
    label: 'outcome',
    read: () => totals.haves
  })
  counter('refusals', 'things of peers not done, by reason', { label: 'reason', read: () => totals.refusals })
  counter('streams_opened', 'streams opened', {
    label: 'direction',
    read: () => ({ inbound: totals.streamsInbound, outbound: totals.streamsOutbound })
  })
  define(register, Gauge, {
    name: 'sealsync_exchange_streams_open',
    help: 'streams open now',
    label: 'direction',
    read: () => ({ inbound: totals.openInbound, outbound: totals.openOutbound })
  })
}

function defineLevels(register: Registry, read: () => ExchangeLevels): void {
  const gauge = (name: string, help: string, value: () => number): void =>
    define(register, Gauge, { name: `sealsync_exchange_${name}`, help, read: value })
  gauge('waiting_fetches', 'fetches that wait for a place in the want table', () => read().waitingFetches)
  gauge('ledger_wants', 'wants of peers that are kept', () => read().ledgerWants)
  gauge('queued_blocks', 'blocks that wait to be sent', () => read().queuedBlocks)
  gauge('send_in_flight_bytes', 'bytes of blocks held for sending', () => read().sendBytes)
  gauge('receive_in_flight_bytes', 'bytes of blocks being received', () => read().receiveBytes)
  gauge('oldest_queued_seconds', 'age of the oldest block that waits to be sent', () => read().oldestQueuedSeconds)
  define(register, Gauge, {
    name: 'sealsync_exchange_want_age_seconds',
    help: 'age of the live wants: the oldest, and the one that 1 % are older than',
    label: 'stat',
    read: () => read().wantAgeSeconds
  })
  define(register, Gauge, {
    name: 'sealsync_exchange_peer_window_bytes',
    help: 'bytes that one peer may owe at a time: smallest, mean and largest window of the connected peers',
    label: 'stat',
    read: () => read().peerWindowBytes
  })
  define(register, Gauge, {
    name: 'sealsync_exchange_peers_by_strikes',
    help: 'connected peers by the strikes each has had since it last delivered; every strike costs a peer a time in which it is asked for nothing',
    label: 'strikes',
    read: () => read().peersByStrikes
  })
}

/**
 * What a second channel of a registry has beside Flow's names, none until there is one. It is the public network's: observers ask there,
 * and are asked for nothing.
 */
function definePublic(register: Registry, second: () => ChannelSource | undefined): void {
  define(register, Counter, {
    name: 'sealsync_exchange_public_refusals_total',
    help: 'things of observers not done, by reason',
    label: 'reason',
    read: () => second()?.totals.refusals ?? {}
  })
  define(register, Gauge, {
    name: 'sealsync_exchange_public_send_in_flight_bytes',
    help: 'bytes of blocks held for sending to observers',
    read: () => second()?.read().sendBytes ?? 0
  })
}

/** The label of a want: of a blob just announced, or of an old one. */
export const temperatureOf = (hot: boolean): 'hot' | 'cold' => (hot ? 'hot' : 'cold')

/** Both series are there from the start, so that no peer makes one. */
function temperatures(histogram: Histogram<'temperature'>): Histogram<'temperature'> {
  for (const temperature of ['hot', 'cold']) histogram.zero({ temperature })
  return histogram
}

/**
 * Every metric of the room, for one channel of a registry. A second channel shows itself under Flow's names and a few of its own: the
 * others have no label for it, and count for nobody.
 */
export function createExchangeMetrics(registry: Registry, channel: string = STAKED_CHANNEL): ExchangeMetrics {
  const totals = new ExchangeTotals()
  let source: () => ExchangeLevels = () => NO_LEVELS
  const read = (): ExchangeLevels => source()
  const register = channels.has(registry) ? new Registry() : registry
  defineFlow(registry, channel, { totals, read })
  defineCounters(register, totals)
  defineLevels(register, read)
  const histogram = <T extends string>(name: string, shape: HistogramShape<T>): Histogram<T> =>
    new Histogram({ name: `sealsync_exchange_${name}`, registers: [register], ...shape })
  return {
    totals,
    ackSeconds: histogram('ack_seconds', {
      help: 'want-block sent to its first answer',
      // From a loopback answer to the ceiling of the acknowledgement clock.
      buckets: [0.002, 0.01, 0.03, 0.06, 0.125, 0.25, 0.5, 1, 2],
      labelNames: []
    }),
    deliverySeconds: temperatures(
      histogram('delivery_seconds', {
        help: 'first wanted to delivered',
        // From a loopback blob to several rounds of back-off.
        buckets: [0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 2, 4, 10, 60],
        labelNames: ['temperature']
      })
    ),
    asksPerBlob: histogram('asks_per_blob', {
      help: 'peers asked until a blob was delivered',
      buckets: [1, 2, 3, 5, 10, 30],
      labelNames: []
    }),
    serveSeconds: temperatures(
      histogram('serve_seconds', {
        help: "a peer's want queued for sending to the block given to its stream",
        // From the next turn of the loop to a long queue behind a slow reader.
        buckets: [0.0005, 0.002, 0.01, 0.05, 0.2, 1, 5, 20, 60],
        labelNames: ['temperature']
      })
    ),
    levels: (next) => {
      source = next
    }
  }
}
