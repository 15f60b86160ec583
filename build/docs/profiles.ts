import { CONFIG_KEYS, type ConfigKey, PROFILE_VALUES, PROFILES, type Profile } from '#src/node/config/keys.ts'
import { roomOptions } from '#src/node/profiles.ts'
import { requestLimits } from '#src/node/request-limits.ts'
import { exchangeOptions } from '#src/exchange/index.ts'
import { formatDuration, formatSize } from '#src/util/index.ts'
import { code, table } from './markdown.ts'

/** What each thing that a profile makes smaller costs. Every key that differs has to stand here, and no other. */
const COSTS: Readonly<Record<string, string>> = {
  'memory.cache': 'blobs that peers ask for again come from the disk sooner',
  'memory.budget': 'less work at a time; whoever finds no room waits, or is refused',
  'sync.search-ahead': 'catching up has fewer blocks under way where round trips are long',
  'sync.search-ahead-bytes': 'catching up is slower where bandwidth times delay is above it',
  'exchange.client.maxLiveWants': 'fetches above it wait in order',
  'exchange.client.peerWindowBytes.initial': 'a fast peer is asked for less at a time',
  'exchange.client.peerWindowBytes.max': 'one peer gives 2 MiB for each round trip',
  'exchange.client.receiveBytesPerPeer': 'more blocks of one peer wait on its streams',
  'exchange.client.maxPausedPerPeer': 'a peer that opens a stream for each block has some of them reset',
  'exchange.server.maxLookups': 'fewer index reads at a time for what peers ask',
  'exchange.streams.maxInboundPerPeer': 'a peer with a stream for each answer meets it sooner',
  'exchange.streams.maxPresences': 'a peer that reads nothing loses presences sooner',
  'execution-data.parallelFetches': 'a large block has fewer blobs under way',
  'execution-data.maxHintFetches': 'of a large block fewer blobs are asked for in the first round trip',
  'execution-data.maxUnconfirmedBytes': 'a hint brings less before the tree has confirmed it',
  'execution-data.maxFalseHintBytes': 'hints are passed over after fewer false ones',
  'execution-data.maxUndurableBytes': 'a slow disk holds the network back sooner',
  'execution-data.pauseBytes': 'more turns of the event loop in a decoding, each shorter',
  'requester.concurrency': 'fewer blocks under way: fewer blocks a second where round trips are long',
  'requester.maxAheadBytes': 'a stuck height lets less pile up behind it',
  'requester.maxHintCids': 'hints of waiting heights are read again',
  'feed.maxHintBytes': 'large blocks far ahead are fetched level by level',
  'store.segmentBytes': 'four times as many files',
  'store.groupBytes': 'more syncs of the disk in a second at full speed',
  'store.maxPendingBytes': 'puts wait sooner for a slow disk',
  'store.maxPendingOperations': 'the same, for many small blobs',
  'store.index-every': 'the index is written four times as often; less is scanned after a crash',
  'store.indexEveryRecords': 'the same, for many small blobs',
  'store.maxOpenFiles': 'reads all over a large store open files more often',
  'database.cacheBytes': 'index reads come from the page cache more often',
  'database.writeBufferBytes': 'smaller tables, merged more often',
  'database.maxOpenFiles': 'the same of a large index',
  'p2p.maxStreamWindowBytes': 'a stream carries 20 MB/s over 50 ms',
  'p2p.maxReadBufferBytes': 'streams pause sooner',
  'p2p.writePieceBytes': 'four times as many writes of what is sent over TLS',
  'api.metrics.maxConnections': 'fewer scrapers',
  'api.metrics.maxInFlight': 'the same',
  'api.metrics.maxScrapes': 'the same',
  'api.api.maxConnections': 'fewer clients',
  'api.api.maxInFlight': 'fewer requests at a time',
  'api.api.maxBlobReads': 'fewer single blobs at a time',
  'api.reader.maxStreams': 'fewer blocks read at a time',
  'api.adminReader.maxStreams': 'one export at a time',
  'api.admin.maxConnections': 'fewer operators',
  'api.admin.maxInFlight': 'the same',
  'api.admin.maxJsonBytes': 'shorter orders',
  'idle.emptiesCache': 'the first who asks an idle node waits for the disk, for the index too',
  'idle.deepMs': 'after a shorter pause a load is slower for some seconds: what was compiled is gone'
}

type Leaf = number | boolean

/** Settings and options under a profile, by key. */
function leavesUnder(profile: Profile): Map<string, Leaf> {
  const { exchange, executionData, host, ...rooms } = roomOptions(profile)
  const all = { ...rooms, exchange: exchangeOptions(exchange), 'execution-data': executionData, p2p: host }
  const settings = (CONFIG_KEYS as readonly ConfigKey[]).flatMap((key) => {
    const value = (PROFILE_VALUES[profile] as Readonly<Record<string, unknown>>)[key.path] ?? key.default
    return typeof value === 'number' ? [[key.path, value] as const] : []
  })
  return new Map([...settings, ...leavesOf(all, '')])
}

function leavesOf(options: object, path: string): (readonly [string, Leaf])[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const key = path === '' ? name : `${path}.${name}`
    if (typeof value === 'object' && value !== null) return leavesOf(value as object, key)
    return typeof value === 'number' || typeof value === 'boolean' ? [[key, value] as const] : []
  })
}

/** What differs between the profiles, with its cost. Throws when costs and differences are not about the same keys. */
export function profileTable(): string {
  const profiles = PROFILES.map(leavesUnder)
  const [first] = profiles
  const differing = [...(first?.keys() ?? [])].filter(
    (key) => new Set(profiles.map((leaves) => leaves.get(key))).size > 1
  )
  const faults = [
    ...differing.filter((key) => COSTS[key] === undefined).map((key) => `no cost for ${key}`),
    ...Object.keys(COSTS)
      .filter((key) => !differing.includes(key))
      .map((key) => `a cost for ${key}, which does not differ`)
  ]
  if (faults.length > 0) throw new Error(`build/docs/profiles.ts: ${faults.join('; ')}`)
  const rows = differing.map((key) => [
    code(key),
    ...profiles.map((leaves) => shown(key, leaves.get(key))),
    COSTS[key] ?? ''
  ])
  return table(['setting or option', ...PROFILES, 'what the smaller value costs'], rows)
}

/** What one request may ask for, under each profile. */
export function requestLimitTable(): string {
  const limits = PROFILES.map((profile) => requestLimits(roomOptions(profile)))
  const rows = (limits[0] ?? []).map(({ where, name, key, refusedWith }, at) => [
    where,
    name,
    code(key),
    ...limits.map((all) => shown(all[at]?.unit === 'bytes' ? 'bytes' : '', all[at]?.value)),
    code(refusedWith)
  ])
  return table(['asked of', 'what', 'limit', ...PROFILES, 'refused with'], rows)
}

function shown(key: string, value: Leaf | undefined): string {
  if (typeof value !== 'number') return value === true ? 'yes' : 'no'
  if (/bytes|^memory\.(?:cache|budget)$/i.test(key)) return formatSize(value).replace(/\.0+(?= )/, '')
  return key.endsWith('Ms') ? formatDuration(value) : value.toLocaleString('en-US')
}
