import { defaultBudgetOptions } from '../../budget/index.ts'
import { defaultLogOptions, LOG_FORMATS, LOG_LEVELS } from '../../log/index.ts'
import { NODE_ROLES } from '../../model/index.ts'
import { defaultDhtOptions, defaultGuestOptions } from '../../p2p/index.ts'
import { defaultPrunerOptions } from '../../pruner/index.ts'
import { defaultRequesterOptions } from '../../requester/index.ts'
import { defaultSegmentBlockstoreOptions, defaultWarehouseOptions } from '../../store/index.ts'

export type ConfigValue = string | number | boolean | undefined

interface KeyBase {
  /** `section.name` in the file; the flag is `--` and `flag`. */
  readonly path: string
  readonly flag: string
  readonly help: string
}

/** One setting: its home. Flags, environment names, the file's commented form and the docs are made from this table. */
export type ConfigKey =
  | (KeyBase & { readonly type: 'string' | 'address' | 'path'; readonly default?: string })
  | (KeyBase & { readonly type: 'choice'; readonly choices: readonly string[]; readonly default: string })
  | (KeyBase & {
      readonly type: 'size' | 'duration' | 'integer'
      readonly default?: number
      readonly min: number
      readonly max: number
    })
  | (KeyBase & { readonly type: 'boolean'; readonly default: boolean })
  | (KeyBase & { readonly type: 'start-height'; readonly default?: string })
  | (KeyBase & { readonly type: 'retention'; readonly default: string })

export const PROFILES = ['standard', 'nano', 'archive'] as const
export type Profile = (typeof PROFILES)[number]

export const CONTENT_CHECKS = ['all', 'none'] as const

const GIB = 1024 ** 3

export const CONFIG_KEYS = [
  {
    path: 'node.role',
    flag: 'role',
    type: 'choice',
    choices: NODE_ROLES,
    default: 'access',
    help: 'what this node does in the network'
  },
  {
    path: 'node.profile',
    flag: 'profile',
    type: 'choice',
    choices: PROFILES,
    default: 'standard',
    help: 'a set of defaults for a size of machine'
  },
  {
    path: 'node.variant',
    flag: 'variant',
    type: 'string',
    help: "the operator's name for this build on dashboards (default: no-dht, or dht with routing dht)"
  },
  {
    path: 'node.stop-timeout',
    flag: 'stop-timeout',
    type: 'duration',
    default: 20_000,
    min: 1_000,
    max: 600_000,
    help: 'how long an orderly stop may take'
  },
  {
    path: 'network.identities',
    flag: 'identities',
    type: 'path',
    help: 'the identity table: JSON array of the staked nodes'
  },
  {
    path: 'network.routing',
    flag: 'routing',
    type: 'choice',
    choices: ['none', 'dht'],
    default: 'none',
    help: 'who says who has a blob: none is enough where every node is connected to every other'
  },
  {
    path: 'network.policy',
    flag: 'policy',
    type: 'choice',
    choices: ['assigned', 'classic', 'helia'],
    default: 'assigned',
    help: 'which peers are asked for a blob: all but assigned are for comparison, and helia needs a package of its own'
  },
  {
    path: 'network.security',
    flag: 'security',
    type: 'choice',
    choices: ['any', 'tls', 'noise'],
    default: 'any',
    help: 'handshakes offered; any: TLS first, then noise'
  },
  {
    path: 'dht.provider-store',
    flag: 'dht-provider-store',
    type: 'choice',
    choices: ['memory', 'level'],
    default: 'memory',
    help: 'with routing dht: where provider records lie; memory forgets them when the node stops'
  },
  {
    path: 'dht.reprovide-interval',
    flag: 'dht-reprovide-interval',
    type: 'duration',
    default: defaultDhtOptions.reprovideEveryMs,
    min: 1_000,
    max: 30 * 86_400_000,
    help: 'with routing dht: all blobs are provided again so often'
  },
  {
    path: 'dht.record-lifetime',
    flag: 'dht-record-lifetime',
    type: 'duration',
    default: defaultDhtOptions.recordLifetimeMs,
    min: 1_000,
    max: 90 * 86_400_000,
    help: 'with routing dht: how long a provider record is believed'
  },
  {
    path: 'dht.reprovide-threshold',
    flag: 'dht-reprovide-threshold',
    type: 'duration',
    default: defaultDhtOptions.reprovideThresholdMs,
    min: 0,
    max: 90 * 86_400_000,
    help: 'with routing dht: a round provides again what expires within this time; the lifetime or more: everything'
  },
  {
    path: 'dht.reprovide-concurrency',
    flag: 'dht-reprovide-concurrency',
    type: 'integer',
    default: defaultDhtOptions.reprovideConcurrency,
    min: 1,
    max: 1_000,
    help: 'with routing dht: blobs provided again at one time'
  },
  {
    path: 'dht.reprovide-queue',
    flag: 'dht-reprovide-queue',
    type: 'integer',
    default: defaultDhtOptions.reprovideQueue,
    min: 1,
    max: 10_000_000,
    help: 'with routing dht: blobs that wait in its queue to be provided again'
  },
  { path: 'p2p.address', flag: 'p2p-address', type: 'address', default: '0.0.0.0:3569', help: 'where peers connect' },
  {
    path: 'public.address',
    flag: 'public-address',
    type: 'address',
    help: 'where an access node serves observers, who need not be staked (default: it serves none)'
  },
  {
    path: 'public.max-observers',
    flag: 'max-observers',
    type: 'integer',
    default: defaultGuestOptions.maxObservers,
    min: 1,
    max: 1_000,
    help: 'observers connected at a time'
  },
  {
    path: 'public.upload-rate',
    flag: 'public-upload-rate',
    type: 'size',
    default: 32 * 1024 ** 2,
    min: 1024 ** 2,
    max: 4 * GIB,
    help: 'bytes of blobs sent to all observers together in a second'
  },
  {
    path: 'feed.source',
    flag: 'feed',
    type: 'string',
    default: 'announcements',
    help: 'where sealed blocks come from: announcements, file:PATH, or flow-access:HOST:PORT[,HOST:PORT…]'
  },
  {
    path: 'feed.follow',
    flag: 'follow',
    type: 'boolean',
    default: false,
    help: 'tail the block list of a file feed instead of ending with it'
  },
  {
    path: 'feed.quorum',
    flag: 'quorum',
    type: 'integer',
    default: 2,
    min: 1,
    max: 1_000,
    help: 'execution nodes, or hosts of the Access API, that must say the same before a block is notified (all, if there are fewer)'
  },
  {
    path: 'sync.start-height',
    flag: 'start-height',
    type: 'start-height',
    help: `where a fresh node begins: a height, or latest-N (default: latest-${defaultRequesterOptions.defaultWindowHeights})`
  },
  {
    path: 'sync.search-ahead',
    flag: 'search-ahead',
    type: 'integer',
    default: 256,
    min: 1,
    max: 100_000,
    help: 'heights worked on above the lowest one that is missing'
  },
  {
    path: 'sync.search-ahead-bytes',
    flag: 'search-ahead-bytes',
    type: 'size',
    default: 48 * 1024 ** 2,
    min: 1024 ** 2,
    max: 4 * GIB,
    help: 'bytes of unfinished downloads'
  },
  {
    path: 'sync.unsettled-after',
    flag: 'unsettled-after',
    type: 'duration',
    default: defaultRequesterOptions.unsettledAfterMs,
    min: 1_000,
    max: 365 * 86_400_000,
    help: 'how long a quorum is waited for at a height that nobody offers any more; then it is notified with a warning'
  },
  {
    path: 'sync.checkpoint-every',
    flag: 'checkpoint-every',
    type: 'duration',
    default: defaultRequesterOptions.checkpointEveryMs,
    min: 0,
    max: 60_000,
    help: 'least time between two writes of the consecutive height, which follows that much later; 0: each as soon as the disk has the last'
  },
  {
    path: 'sync.check-content',
    flag: 'check-content',
    type: 'choice',
    choices: CONTENT_CHECKS,
    default: 'all',
    help: 'which downloaded blocks are decoded once before their height counts; with none a node catches up with less CPU, and who reads a block that does not decode finds out'
  },
  {
    path: 'store.index-every',
    flag: 'index-every',
    type: 'size',
    default: defaultSegmentBlockstoreOptions.indexEveryBytes,
    min: 1024 ** 2,
    max: 64 * 1024 ** 2,
    help: 'the index of the blobs is written after so many bytes of them: what a start after a crash has to scan'
  },
  {
    path: 'pruner.retention',
    flag: 'retention',
    type: 'retention',
    default: 'none',
    help: 'what is kept: newest heights (50000), an age (30d), bytes (200GiB), several with commas (all of them hold), or none: nothing is deleted'
  },
  {
    path: 'pruner.min-heights',
    flag: 'min-heights',
    type: 'integer',
    default: defaultPrunerOptions.minHeights,
    min: 0,
    max: 10_000_000,
    help: 'newest heights that age and bytes never delete'
  },
  {
    path: 'pruner.rate',
    flag: 'prune-rate',
    type: 'size',
    default: defaultPrunerOptions.bytesPerSecond,
    min: 0,
    max: 1024 * GIB,
    help: 'most bytes deleted in a second; 0: no limit'
  },
  {
    path: 'memory.cache',
    flag: 'cache',
    type: 'size',
    default: defaultBudgetOptions.accountBytes.cache,
    min: 0,
    max: 64 * GIB,
    help: 'bytes of blobs kept in memory in front of the disk'
  },
  {
    path: 'memory.cache-idle',
    flag: 'cache-idle',
    type: 'duration',
    default: defaultWarehouseOptions.idleMs,
    min: 1_000,
    max: 86_400_000,
    help: 'what nobody asked for in this time leaves the cache'
  },
  {
    path: 'memory.preload-heights',
    flag: 'preload-heights',
    type: 'integer',
    default: 0,
    min: 0,
    max: 1_000_000,
    help: 'newest heights whose blobs are read into the cache at the start, as many as fit; 0: none'
  },
  {
    path: 'memory.limit',
    flag: 'memory',
    type: 'size',
    min: 64 * 1024 ** 2,
    max: 1024 * GIB,
    help: 'what the whole process may take (default: what the cgroup allows, or the machine has)'
  },
  {
    path: 'memory.budget',
    flag: 'memory-budget',
    type: 'size',
    default: defaultBudgetOptions.totalBytes,
    min: 32 * 1024 ** 2,
    max: 64 * GIB,
    help: 'bytes of everything that grows with load, together; less where memory.limit leaves less'
  },
  {
    path: 'metrics.address',
    flag: 'metrics-address',
    type: 'address',
    default: '127.0.0.1:8080',
    help: 'metrics, health and status'
  },
  {
    path: 'api.address',
    flag: 'api-address',
    type: 'address',
    default: '127.0.0.1:8070',
    help: 'execution data over HTTP'
  },
  {
    path: 'log.level',
    flag: 'log-level',
    type: 'choice',
    choices: LOG_LEVELS,
    default: defaultLogOptions.level,
    help: 'lines below this level are not written'
  },
  {
    path: 'log.format',
    flag: 'log-format',
    type: 'choice',
    choices: LOG_FORMATS,
    default: defaultLogOptions.format,
    help: 'auto: pretty on a terminal, JSON otherwise'
  }
] as const satisfies readonly ConfigKey[]

export type ConfigPath = (typeof CONFIG_KEYS)[number]['path']

/** `node.stop-timeout` → `SEALSYNC_NODE_STOP_TIMEOUT`. */
export function envName(path: string): string {
  return `SEALSYNC_${path.replace(/[.-]/g, '_').toUpperCase()}`
}

/** What a profile changes against the defaults. */
export const PROFILE_VALUES: Readonly<Record<Profile, Readonly<Partial<Record<ConfigPath, ConfigValue>>>>> =
  Object.freeze({
    standard: {},
    nano: {
      'memory.cache': 8 * 1024 ** 2,
      'memory.budget': 64 * 1024 ** 2,
      'sync.search-ahead': 64,
      'sync.search-ahead-bytes': 16 * 1024 ** 2,
      'store.index-every': 8 * 1024 ** 2
    },
    archive: {
      'memory.cache': 512 * 1024 ** 2,
      'memory.budget': GIB,
      'sync.search-ahead': 2_048,
      'sync.search-ahead-bytes': 256 * 1024 ** 2
    }
  })
