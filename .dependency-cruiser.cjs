// The layers of the house: arrows point down only, siblings are strangers, a room is entered through its door alone.
// `test/house/layers.ts` runs this and proves each time that modules were read and that a planted violation fails.

/** Whitelist: a room, and the rooms it may see. What is not named here does not exist. */
const ground = ['model', 'util']
const first = [...ground, 'log', 'metrics', 'budget']
const second = [...first, 'store', 'feed', 'p2p']
const third = [...second, 'execution-data', 'exchange', 'tracker']
const fourth = [...third, 'requester', 'provider', 'pruner', 'api']
const rooms = {
  model: [],
  util: [],
  log: ground,
  metrics: ground,
  budget: ground,
  store: first,
  feed: first,
  p2p: first,
  'execution-data': second,
  exchange: second,
  tracker: second,
  requester: third,
  provider: third,
  pruner: third,
  api: third,
  node: fourth,
  lab: [...fourth, 'node']
}
const cmd = [...fourth, 'node', 'lab']

/** Files that may be entered beside the door: pure types that a room agrees on with others. */
const ports = [
  'store/blockstore.ts',
  'store/key-value.ts',
  'tracker/tracker.ts',
  'feed/feed.ts',
  'feed/announcement-transport.ts',
  'exchange/exchange.ts',
  'budget/account.ts',
  'log/logger.ts'
]

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const entries = (room) => [`${room}/index.ts`, ...ports.filter((port) => port.startsWith(`${room}/`))]
const seen = (list) => list.flatMap(entries).map((entry) => `^src/${escape(entry)}$`)

/** Matches a package whether it is installed or, being optional, is not. */
const packages = (...names) => `(^|node_modules/)(${names.join('|')})(/|$)`
const libp2p = packages('@libp2p/[^/]+', 'libp2p', '@chainsafe/libp2p-[^/]+')
const tree = '^(src|cmd|bin|test|build)/'

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

const layers = Object.entries(rooms).map(([room, list]) =>
  forbid(
    `room-${room}`,
    `src/${room} may see ${list.length === 0 ? 'no other room' : list.join(', ')}, each through its door or a port`,
    { path: `^src/${room}/` },
    { path: tree, pathNot: [`^src/${room}/`, ...seen(list)] }
  )
)

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  rooms: Object.keys(rooms),
  forbidden: [
    ...layers,
    forbid(
      'room-cmd',
      'cmd sees rooms through their doors',
      { path: '^cmd/' },
      { path: tree, pathNot: ['^cmd/', ...seen(cmd)] }
    ),
    forbid(
      'room-bin',
      'the launcher sees the commands, and the hook that must be there before anything else is loaded',
      { path: '^bin/' },
      { path: tree, pathNot: ['^bin/', '^cmd/main\\.ts$', '^src/p2p/identity-keys/register\\.ts$'] }
    ),
    forbid(
      'port-is-pure',
      'a port is types over model and util',
      {
        path: ports.map((port) => `^src/${escape(port)}$`)
      },
      { pathNot: seen(ground) }
    ),
    forbid(
      'exchange-client-server',
      'the two halves of the exchange never meet',
      { path: '^src/exchange/client/' },
      { path: '^src/exchange/server/' }
    ),
    forbid(
      'exchange-server-client',
      'the two halves of the exchange never meet',
      { path: '^src/exchange/server/' },
      { path: '^src/exchange/client/' }
    ),
    forbid('no-cycle', 'no cycles, not even of types', {}, { circular: true }),

    forbid(
      'libp2p-only-in-p2p',
      'libp2p only in p2p, exchange/network and node',
      {
        path: '^(src|cmd|bin)/',
        pathNot: ['^src/p2p/', '^src/exchange/network/', '^src/node/']
      },
      { path: libp2p }
    ),
    forbid(
      'no-foreign-libp2p',
      'the maintained packages are @libp2p/*; the older ones do not mix with them',
      {},
      { path: packages('@chainsafe/libp2p-[^/]+') }
    ),
    forbid(
      'database-only-in-store',
      'Level and lru-cache only in store',
      {
        path: '^(src|cmd|bin)/',
        pathNot: '^src/store/'
      },
      { path: packages('level', 'classic-level', 'abstract-level', 'memory-level', 'lru-cache') }
    ),
    forbid(
      'pino-only-in-log',
      'rooms log through the Logger port',
      { path: '^(src|cmd|bin)/', pathNot: '^src/log/' },
      { path: packages('pino', 'pino-pretty') }
    ),
    forbid(
      'metrics-in-metrics',
      'prom-client is constructed in metrics files; elsewhere its types alone',
      {
        path: '^(src|cmd|bin)/',
        pathNot: ['^src/metrics/', '^src/.+/metrics\\.ts$']
      },
      { path: packages('prom-client'), dependencyTypesNot: ['type-only'] }
    ),

    forbid(
      'resolves',
      'every import resolves; the DHT is optional, a native part is there for one processor, and the bundle there only once it is built',
      { path: tree },
      {
        couldNotResolve: true,
        pathNot: [packages('@libp2p/kad-dht'), '@koromix/koffi-linux-', '^\\.\\./dist/']
      }
    ),
    forbid(
      'no-dev-dependency',
      'product code runs on what is shipped',
      { path: '^(src|cmd|bin)/' },
      {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only']
      }
    ),
    forbid(
      'declared-dependency',
      'what is imported stands in package.json',
      { path: tree },
      {
        dependencyTypes: ['npm-no-pkg', 'npm-unknown'],
        pathNot: packages('@libp2p/kad-dht')
      }
    )
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['(^|/)node_modules/', '^dist/'] },
    exclude: { path: '^test/fixtures/' },
    extraExtensionsToScan: [],
    enhancedResolveOptions: {
      extensions: ['.ts', '.mjs', '.cjs', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'default'],
      mainFields: ['main']
    }
  }
}
