import type { LogFormat, LogLevel } from '../../log/index.ts'
import type { NodeRole } from '../../model/index.ts'
import type { PrunerOptions } from '../../pruner/index.ts'
import type { DhtOptions } from '../../p2p/index.ts'
import { type FeedSource, parseFeedSource } from './feed-source.ts'
import type { ConfigPath, ConfigValue, CONTENT_CHECKS, Profile } from './keys.ts'
import { configError, type LoadedConfig } from './load.ts'
import { parseAddress, parseRetention, parseStartHeight } from './parse.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

/** The settings of one node, typed. */
export interface NodeConfig {
  readonly dataDir: string
  readonly role: NodeRole
  readonly profile: Profile
  readonly variant: string
  readonly stopTimeoutMs: number
  readonly identitiesPath: string
  readonly routing: 'none' | 'dht'
  readonly policy: 'assigned' | 'classic' | 'helia'
  /** Used with routing `dht` alone. */
  readonly dht: { readonly providerStore: 'memory' | 'level' } & Pick<
    DhtOptions,
    'reprovideEveryMs' | 'recordLifetimeMs' | 'reprovideThresholdMs' | 'reprovideConcurrency' | 'reprovideQueue'
  >
  readonly security: 'any' | 'tls' | 'noise'
  readonly p2pAddress: HostPort
  /** Only at an access node that serves observers. */
  readonly public:
    | { readonly address: HostPort; readonly maxObservers: number; readonly uploadRate: number }
    | undefined
  /** `quorum` counts for announcements and the Access API, `follow` for a file. */
  readonly feed: FeedSource & { readonly quorum: number; readonly follow: boolean }
  readonly startHeight: { readonly height: number } | { readonly latestMinus: number } | undefined
  readonly unsettledAfterMs: number
  readonly checkpointEveryMs: number
  readonly checkContent: (typeof CONTENT_CHECKS)[number]
  /** Bytes of blobs after which their index is written. */
  readonly indexEveryBytes: number
  readonly pruner: Pick<PrunerOptions, 'retention' | 'minHeights' | 'bytesPerSecond'>
  readonly searchAhead: { readonly heights: number; readonly bytes: number }
  readonly memory: {
    readonly limitBytes: number | undefined
    readonly cacheBytes: number
    readonly totalBytes: number
  }
  readonly cache: { readonly idleMs: number; readonly preloadHeights: number }
  readonly metricsAddress: HostPort
  readonly apiAddress: HostPort
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
}

/** Turns the loaded settings into the node's, and checks what concerns two of them. Throws NodeError `config`. */
export function toNodeConfig(loaded: LoadedConfig, dataDir: string): NodeConfig {
  const get = <T extends ConfigValue>(path: ConfigPath): T => loaded.get(path)?.value as T
  const problems = crossChecks(get)
  if (problems.length > 0) throw configError(problems)
  const routing = get<'none' | 'dht'>('network.routing')
  const startHeight = get<string | undefined>('sync.start-height')
  return {
    dataDir,
    role: get('node.role'),
    profile: get('node.profile'),
    variant: get<string | undefined>('node.variant') ?? (routing === 'dht' ? 'dht' : 'no-dht'),
    stopTimeoutMs: get('node.stop-timeout'),
    identitiesPath: get('network.identities'),
    routing,
    policy: get('network.policy'),
    dht: {
      providerStore: get('dht.provider-store'),
      reprovideEveryMs: get('dht.reprovide-interval'),
      recordLifetimeMs: get('dht.record-lifetime'),
      reprovideThresholdMs: get('dht.reprovide-threshold'),
      reprovideConcurrency: get('dht.reprovide-concurrency'),
      reprovideQueue: get('dht.reprovide-queue')
    },
    security: get('network.security'),
    p2pAddress: addressOf(get('p2p.address')),
    public: publicOf(get),
    feed: {
      ...(parseFeedSource(get('feed.source')) ?? { kind: 'announcements' }),
      quorum: get('feed.quorum'),
      follow: get('feed.follow')
    },
    startHeight: startHeight === undefined ? undefined : parseStartHeight(startHeight),
    unsettledAfterMs: get('sync.unsettled-after'),
    checkpointEveryMs: get('sync.checkpoint-every'),
    checkContent: get('sync.check-content'),
    indexEveryBytes: get('store.index-every'),
    pruner: prunerOptionsOf(loaded),
    searchAhead: { heights: get('sync.search-ahead'), bytes: get('sync.search-ahead-bytes') },
    memory: {
      limitBytes: get('memory.limit'),
      cacheBytes: get('memory.cache'),
      totalBytes: get('memory.budget')
    },
    cache: { idleMs: get('memory.cache-idle'), preloadHeights: get('memory.preload-heights') },
    metricsAddress: addressOf(get('metrics.address')),
    apiAddress: addressOf(get('api.address')),
    log: { level: get('log.level'), format: get('log.format') }
  }
}

/** The settings of the pruner alone; those of a stopped node need no others. */
export function prunerOptionsOf(loaded: LoadedConfig): NodeConfig['pruner'] {
  const get = <T extends ConfigValue>(path: ConfigPath): T => loaded.get(path)?.value as T
  return {
    retention: parseRetention(get('pruner.retention')) ?? {},
    minHeights: get('pruner.min-heights'),
    bytesPerSecond: get('pruner.rate')
  }
}

function crossChecks(get: <T extends ConfigValue>(path: ConfigPath) => T): string[] {
  const problems: string[] = []
  const source = get<string>('feed.source')
  const role = get<string>('node.role')
  if (get<string | undefined>('network.identities') === undefined) {
    problems.push('network.identities (--identities FILE) is needed: who the staked nodes are')
  }
  if (parseFeedSource(source) === undefined) {
    problems.push(
      `feed.source (--feed) '${source}' must be announcements, file:PATH, or flow-access:HOST:PORT[,HOST:PORT…] with up to 16 hosts`
    )
  }
  if (role === 'execution' && !source.startsWith('file:')) {
    problems.push(
      "node.role 'execution' needs feed.source file:PATH (--feed): an execution node makes the announcements"
    )
  }
  if (role !== 'access' && get<string | undefined>('public.address') !== undefined) {
    problems.push(`public.address (--public-address) is for access nodes: this node's role is ${role}`)
  }
  if (role === 'observer' && get<string>('network.routing') === 'dht') {
    problems.push("network.routing 'dht' is not for observers: they ask the access nodes they are connected to")
  }
  if (get<number>('memory.cache') > get<number>('memory.budget')) {
    problems.push('memory.cache (--cache) exceeds memory.budget (--memory-budget): lower one or raise the other')
  }
  return problems
}

function publicOf(get: <T extends ConfigValue>(path: ConfigPath) => T): NodeConfig['public'] {
  const address = get<string | undefined>('public.address')
  if (address === undefined) return undefined
  return {
    address: addressOf(address),
    maxObservers: get('public.max-observers'),
    uploadRate: get('public.upload-rate')
  }
}

function addressOf(text: string): HostPort {
  return parseAddress(text) ?? { host: '127.0.0.1', port: 0 }
}
