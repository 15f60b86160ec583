import type { Scrape } from './scrape.ts'

interface TimedScrape {
  readonly atMs: number
  readonly scrape: Scrape
}

/** When a node's metrics were read: the mesh is closed, its first seconds are over, all have caught up, the quiet time is over. */
export interface Scrapes {
  readonly mesh?: TimedScrape
  readonly steady?: TimedScrape
  readonly caughtUp?: TimedScrape
  readonly quiet?: TimedScrape
}

export interface StreamsOfProtocol {
  readonly protocol: string
  readonly direction: string
  /** Since the mesh was closed. */
  readonly opened: number
  /** In steady state: what a mesh opens in its first seconds is opened once. Of a run that has no such state, over all of it. */
  readonly openedPerSecond: number
}

/** What a node used from the closed mesh until all had caught up; `null` where a node gives no such metric. */
export interface ResourceFigures {
  readonly windowSeconds: number
  readonly cpuSeconds: number | null
  /** JavaScript objects: at the end of the load, and of the quiet time. */
  readonly heapBytes: { readonly busy: number | null; readonly idle: number | null }
  readonly gcSeconds: number | null
  /** JavaScript objects made a second, from V8's trace of its collections; without the trace `null`. */
  readonly allocatedBytesPerSecond: number | null
  readonly messages: { readonly received: number | null; readonly sent: number | null }
  readonly wireBytes: { readonly inbound: number | null; readonly outbound: number | null }
  readonly store: {
    readonly reads: number | null
    readonly writes: number | null
    readonly cacheRequests: number | null
    readonly cacheHits: number | null
  }
  readonly downloads: number | null
  readonly streams: readonly StreamsOfProtocol[]
  /** Of a node with the DHT alone. */
  readonly dht: DhtFigures | null
}

export interface DhtFigures {
  readonly messages: number
  readonly additions: number
  readonly additionKeys: number
  readonly ownRecords: number
  readonly providerRecords: number
  readonly providerRecordBytes: number
  readonly provided: number
  readonly reprovided: number
  readonly reprovidedPerSecond: number
  readonly reprovideBacklog: number
  readonly rounds: { readonly begun: number; readonly ended: number; readonly overtaken: number }
  readonly queries: number
  readonly lookups: number
  readonly lookedUpBlocks: number
  readonly routingTable: number
}

const STORE = 'sealsync_store_operations_total'
const CACHE = 'sealsync_store_cache_requests_total'
const WIRE = 'sealsync_p2p_wire_bytes_total'
const STREAMS = 'sealsync_p2p_streams_opened_total'
const DOWNLOADS = 'state_synchronization_execution_data_requester_execution_requester_download_duration_ms_count'

/** `undefined` when the node's metrics were not read at both ends of the window. */
export function resourceFigures(scrapes: Scrapes, allocated: number | undefined): ResourceFigures | undefined {
  const { mesh, caughtUp, quiet } = scrapes
  if (mesh === undefined || caughtUp === undefined) return undefined
  const seconds = (caughtUp.atMs - mesh.atMs) / 1000
  const [from, to] = [mesh.scrape, caughtUp.scrape]
  const grown = (name: string, labels: Readonly<Record<string, string>> = {}): number | null => {
    const after = to.sum(name, labels)
    return after === undefined ? null : after - (from.sum(name, labels) ?? 0)
  }
  return {
    windowSeconds: seconds,
    cpuSeconds: grown('process_cpu_seconds_total'),
    heapBytes: {
      busy: to.sum('nodejs_heap_size_used_bytes') ?? null,
      idle: quiet?.scrape.sum('nodejs_heap_size_used_bytes') ?? null
    },
    gcSeconds: grown('nodejs_gc_duration_seconds_sum'),
    allocatedBytesPerSecond: allocated ?? null,
    messages: {
      received: grown('network_bitswap_messages_received'),
      sent: grown('sealsync_exchange_messages_sent_total')
    },
    wireBytes: {
      inbound: grown(WIRE, { direction: 'inbound' }),
      outbound: grown(WIRE, { direction: 'outbound' })
    },
    store: {
      reads: grown(STORE, { operation: 'get' }),
      writes: grown(STORE, { operation: 'put' }),
      cacheRequests: grown(CACHE),
      cacheHits: grown(CACHE, { result: 'hit' })
    },
    downloads: grown(DOWNLOADS),
    streams: streamsOf(mesh, scrapes.steady, caughtUp),
    dht: dhtFigures(grown, { to, seconds })
  }
}

/** What is shorter says little about a second. */
const SHORTEST_STEADY_MS = 1_000

function streamsOf(mesh: TimedScrape, steady: TimedScrape | undefined, end: TimedScrape): StreamsOfProtocol[] {
  const from = steady !== undefined && end.atMs - steady.atMs >= SHORTEST_STEADY_MS ? steady : mesh
  const seconds = (end.atMs - from.atMs) / 1000
  return end.scrape.all(STREAMS).map(({ labels, value }) => {
    const { protocol = '', direction = '' } = labels
    const since = ({ scrape }: TimedScrape): number => value - (scrape.sum(STREAMS, { protocol, direction }) ?? 0)
    return { protocol, direction, opened: since(mesh), openedPerSecond: seconds > 0 ? since(from) / seconds : 0 }
  })
}

function dhtFigures(
  grown: (name: string, labels?: Readonly<Record<string, string>>) => number | null,
  at: { readonly to: Scrape; readonly seconds: number }
): DhtFigures | null {
  const of = (name: string): string => `sealsync_p2p_dht_${name}`
  const level = (name: string): number => at.to.sum(name) ?? 0
  if (at.to.sum(of('provider_records')) === undefined) return null
  const count = (name: string, labels?: Readonly<Record<string, string>>): number => grown(name, labels) ?? 0
  const rounds = (event: string): number => count(of('reprovide_rounds_total'), { event })
  const reprovided = count(of('provides_total'), { kind: 'again' })
  return {
    messages: count(of('messages_total')),
    additions: count(of('provider_additions_total')),
    additionKeys: count(of('provider_addition_keys_total')),
    ownRecords: level(of('own_records')),
    providerRecords: level(of('provider_records')),
    providerRecordBytes: level(of('provider_record_bytes')),
    provided: count(of('provides_total'), { kind: 'new' }),
    reprovided,
    reprovidedPerSecond: at.seconds > 0 ? reprovided / at.seconds : 0,
    reprovideBacklog: level(of('reprovide_backlog')),
    rounds: { begun: rounds('begun'), ended: rounds('ended'), overtaken: rounds('overtaken') },
    queries: count(of('operations_total')),
    lookups: count('sealsync_exchange_lookups_total'),
    lookedUpBlocks: count('sealsync_exchange_looked_up_blocks_total'),
    routingTable: level('network_dht_routing_table_size')
  }
}

/** A collection as `--trace-gc` writes it: `[123:0x…]     4567 ms: Scavenge 5.1 (8.2) -> 4.0 (8.2) MB, …`. */
const COLLECTION = /^\[\d+:0x[0-9a-f]+\]\s+(\d+) ms: [^\d\n]*(\d+\.\d+) \(\d+\.\d+\) -> (\d+\.\d+) \(\d+\.\d+\) MB/

/**
 * Bytes of JavaScript objects made a second: what the heap grew by between one collection and the next. `undefined` when the log holds
 * fewer than two collections. The bytes of blobs lie outside of that heap.
 */
export function allocationRate(log: string): number | undefined {
  let before: { readonly ms: number; readonly mb: number } | undefined
  let first: number | undefined
  let last = 0
  let megabytes = 0
  for (const line of log.split('\n')) {
    const [, ms, at, left] = COLLECTION.exec(line) ?? []
    if (ms === undefined) continue
    if (before !== undefined) megabytes += Math.max(0, Number(at) - before.mb)
    first ??= Number(ms)
    last = Number(ms)
    before = { ms: last, mb: Number(left) }
  }
  return first === undefined || last <= first ? undefined : (megabytes * 1_048_576 * 1000) / (last - first)
}
