import { join } from 'node:path'
import type { Height, NodeRole } from '../../model/index.ts'
import type { LocalnetOptions } from '../options.ts'

/** One node of the network, before it runs. */
export interface NodePlan {
  /** `execution-1`, `access-3`: also the names of its folder and its log. */
  readonly name: string
  readonly role: NodeRole
  readonly dataDir: string
  readonly logFile: string
  /** `host:port` it listens on, and the one its peers dial: they differ when a relay stands in front. */
  readonly listenAddress: string
  readonly dialAddress: string
  /** Where an access node serves observers; only when there are any. */
  readonly public: { readonly listenAddress: string; readonly dialAddress: string } | undefined
  readonly routing: string
  readonly policy: string
  /** Further settings of `run`, by flag. */
  readonly settings: Readonly<Record<string, string>>
  readonly arm: 'a' | 'b'
  /** What happens to it half way. */
  readonly fault: 'none' | 'kill' | 'silent'
}

/** Files and folders of a run. */
export interface NetworkPaths {
  /** Holds the data directories. */
  readonly dataRoot: string
  readonly logRoot: string
  readonly identities: string
  /** The block list that the execution nodes follow. */
  readonly blockList: string
}

/** Where a node listens and is dialled. */
export interface NodePorts {
  readonly listen: number
  readonly dial: number
}

function faultOf(role: NodeRole, index: number, options: LocalnetOptions): NodePlan['fault'] {
  if (role === 'execution') return index >= options.execution - options.silentExecution ? 'silent' : 'none'
  if (role !== 'access') return 'none'
  if (index < options.kill) return 'kill'
  return index >= options.access - options.silent ? 'silent' : 'none'
}

type Arm = Pick<NodePlan, 'routing' | 'policy' | 'settings' | 'arm'>

/** The last access nodes of a mixed mesh are of another build; the DHT build asks as a conventional node does. */
function armOf(role: NodeRole, index: number, options: LocalnetOptions): Arm {
  const { access, dhtAccess, routing, policy, settings, mixed } = options
  const own: Arm = { routing, policy, settings, arm: 'a' }
  if (role === 'access' && mixed !== undefined && index >= access - mixed.access) {
    return { routing: mixed.routing, policy: mixed.policy, settings: mixed.settings, arm: 'b' }
  }
  const dht = role === 'access' && index >= access - dhtAccess
  if (dht) return { ...own, routing: 'dht', policy: 'classic', arm: 'b' }
  return role === 'observer' ? { ...own, routing: 'none' } : own
}

/** How many processes the options ask for. */
export const nodeCount = (options: LocalnetOptions): number => options.execution + options.access + options.observer

/** Access nodes serve observers when there are any. */
export const publicCount = (options: LocalnetOptions): number => (options.observer > 0 ? options.access : 0)

/** All nodes, execution nodes first. `ports` has an entry for each, and behind them one for each public host. */
export function planNodes(options: LocalnetOptions, paths: NetworkPaths, ports: readonly NodePorts[]): NodePlan[] {
  const roles: NodeRole[] = [
    ...Array<NodeRole>(options.execution).fill('execution'),
    ...Array<NodeRole>(options.access).fill('access'),
    ...Array<NodeRole>(options.observer).fill('observer')
  ]
  const first = { execution: 0, access: options.execution, observer: options.execution + options.access }
  return roles.map((role, at) => {
    const index = at - first[role]
    const name = `${role}-${index + 1}`
    const { listen = 0, dial = 0 } = ports[at] ?? {}
    const guests = role === 'access' ? ports[roles.length + index] : undefined
    return {
      name,
      role,
      dataDir: join(paths.dataRoot, name),
      logFile: join(paths.logRoot, `${name}.log`),
      listenAddress: `127.0.0.1:${listen}`,
      dialAddress: `127.0.0.1:${dial}`,
      public:
        guests === undefined
          ? undefined
          : { listenAddress: `127.0.0.1:${guests.listen}`, dialAddress: `127.0.0.1:${guests.dial}` },
      ...armOf(role, index, options),
      fault: faultOf(role, index, options)
    }
  })
}

/** What a run gives every node alike. */
export interface RunArguments {
  readonly options: LocalnetOptions
  readonly paths: NetworkPaths
  readonly firstHeight: Height
}

/** Arguments of Node itself for one node. */
export function execArguments(node: NodePlan, { traceGc, profiled }: LocalnetOptions): string[] {
  const profiles =
    profiled?.node === node.name
      ? [
          '--conditions=sealsync-sources',
          '--cpu-prof',
          `--cpu-prof-dir=${profiled.dir}`,
          '--heap-prof',
          `--heap-prof-dir=${profiled.dir}`
        ]
      : []
  return [...(traceGc ? ['--trace-gc'] : []), ...profiles]
}

/** The arguments of `sealsync` for one node. */
export function runArguments(node: NodePlan, { options, paths, firstHeight }: RunArguments): string[] {
  const feed =
    node.role === 'execution' ? ['--feed', `file:${paths.blockList}`, '--follow'] : ['--feed', 'announcements']
  const flags: Readonly<Record<string, string>> = {
    '--data-dir': node.dataDir,
    '--role': node.role,
    '--identities': paths.identities,
    '--p2p-address': node.listenAddress,
    ...(node.public === undefined ? {} : { '--public-address': node.public.listenAddress }),
    '--metrics-address': '127.0.0.1:0',
    '--api-address': '127.0.0.1:0',
    '--security': options.security,
    '--routing': node.routing,
    '--policy': node.policy,
    '--profile': options.profile,
    '--start-height': String(firstHeight),
    '--log-format': 'json',
    '--log-level': 'info',
    ...(options.retention === undefined
      ? {}
      : { '--retention': String(node.role === 'execution' ? 10 * options.retention : options.retention) }),
    ...Object.fromEntries(Object.entries(node.settings).map(([name, value]) => [`--${name}`, value]))
  }
  // A driver that is killed must not leave its nodes behind.
  return ['run', '--stop-at-eof', ...feed, ...Object.entries(flags).flat()]
}
