import { formatSize } from '../../util/index.ts'

export const HAMMER_MODES = [
  'read',
  'write',
  'fanout',
  'calls',
  'hybrid',
  'decode',
  'probe',
  'growth',
  'junk',
  'soak'
] as const
export type HammerMode = (typeof HAMMER_MODES)[number]

export const HAMMER_LEVELS = ['light', 'heavy', 'storm'] as const
export type HammerLevel = (typeof HAMMER_LEVELS)[number]

/** What a hammer run is told. */
export interface HammerOptions {
  readonly mode: HammerMode
  readonly level: HammerLevel
  /** Peers of the target, each with clients of its HTTP interface beside it; default by level. */
  readonly connections?: number
  /** Blocks a second that the network goes on making; default by level. */
  readonly rate?: number
  /** Bytes: the store that is read, the object that fans out, the message that is passed on; default by mode and level. */
  readonly sizeBytes?: number
  /** How long the load lasts, ms. */
  readonly forMs: number
  readonly seed: number
  /** Hops of a chain of calls. */
  readonly hops: number
  /** Most blocks of `growth`: it stops at 100, 1,000, 10,000, 100,000 and here. */
  readonly blocks?: number
  /** The target gets no more than this, bytes. */
  readonly memoryBytes?: number
  /** Go on without a cgroup when none can be made. */
  readonly noLimit: boolean
  /** Profile of the target. */
  readonly profile: string
  /** Further settings of the target, by the flag of `run` without its dashes. */
  readonly settings: Readonly<Record<string, string>>
  /** A node that runs already: `HOST:PORT` or multiaddress of its p2p side. */
  readonly against?: string
  /** Its metrics and API listeners, `host:port`; default: ports 8080 and 8070 of the same host. */
  readonly againstMetrics?: string
  readonly againstApi?: string
  /** Private key of an entry in its identity table. */
  readonly networkKeyFile?: string
  /** How long the target is left alone before and after the load, ms. */
  readonly quietMs: number
  /** How long after the load memory may take to come back to its idle state, ms. */
  readonly recoveryMs: number
  /** Logs of the nodes and the report go here. */
  readonly out?: string
}

export const defaultHammerOptions: Omit<HammerOptions, 'mode'> = Object.freeze({
  level: 'light',
  forMs: 60_000,
  seed: 1,
  hops: 5,
  noLimit: false,
  profile: 'nano',
  settings: Object.freeze({}),
  // By then a node with nothing to do has given back what its start has left (`defaultIdleOptions`).
  quietMs: 20_000,
  recoveryMs: 30_000
})

/** A level in numbers. */
export interface LoadLevel {
  readonly connections: number
  readonly rate: number
  /** Requests that each peer and client has under way. */
  readonly inFlight: number
}

/** A storm asks for some times what a node of 256 MiB may hold at one time, and comes from more clients than it has places for. */
export const LEVELS: Readonly<Record<HammerLevel, LoadLevel>> = Object.freeze({
  light: Object.freeze({ connections: 4, rate: 1, inFlight: 2 }),
  heavy: Object.freeze({ connections: 8, rate: 2, inFlight: 8 }),
  storm: Object.freeze({ connections: 16, rate: 2, inFlight: 16 })
})

const MIB = 1_048_576
/** Stores of `read` by level: four times what a nano node has in all at the last. */
const STORES: Readonly<Record<HammerLevel, number>> = { light: 64 * MIB, heavy: 256 * MIB, storm: 1024 * MIB }

/** Bytes that `--size` means in a mode. */
export function sizeOf({ mode, level, sizeBytes }: Pick<HammerOptions, 'mode' | 'level' | 'sizeBytes'>): number {
  if (sizeBytes !== undefined) return sizeBytes
  switch (mode) {
    case 'fanout':
      return 20 * MIB
    case 'calls':
    case 'write':
      return MIB
    case 'growth':
      return 4_096
    case 'decode':
      return 64 * MIB
    case 'hybrid':
    case 'soak':
      return STORES[level] / 4
    default:
      return STORES[level]
  }
}

/** The level, with what was given in so many words. */
export const loadOf = ({ level, connections, rate }: HammerOptions): LoadLevel => ({
  ...LEVELS[level],
  ...(connections === undefined ? {} : { connections }),
  ...(rate === undefined ? {} : { rate })
})

/** Modes in which the driver makes the blocks, which only its own network follows. */
const OWN_NETWORK: ReadonlySet<HammerMode> = new Set(['write', 'calls', 'growth', 'decode', 'soak', 'hybrid'])

/** Each peer is a libp2p host in the driver: 64 take some 300 MB there. */
const MAX_CONNECTIONS = 64
const MAX_RATE = 1_000
/** Least memory with which a node starts at all; which one a profile needs, the node itself says. */
const MEMORY_FLOOR = 64 * MIB
const MAX_SIZE = 64 * 1024 * MIB

type Check = readonly [holds: boolean, fault: string]

function ranges(o: HammerOptions): Check[] {
  const whole = (value: number, least: number, most: number): boolean =>
    Number.isSafeInteger(value) && value >= least && value <= most
  const { connections = 1, rate = 1, sizeBytes = MIB, blocks = 10, memoryBytes = MEMORY_FLOOR } = o
  return [
    [whole(connections, 1, MAX_CONNECTIONS), `--connections must lie between 1 and ${MAX_CONNECTIONS}`],
    [rate > 0 && rate <= MAX_RATE, `--rate must be above 0 and at most ${MAX_RATE} blocks a second`],
    [whole(sizeBytes, 512, MAX_SIZE), `--size must lie between 512 and ${formatSize(MAX_SIZE)}`],
    [o.forMs >= 1_000, '--for must be 1s or more'],
    [whole(o.seed, 0, Number.MAX_SAFE_INTEGER), '--seed must be a whole number, 0 or more'],
    [whole(o.hops, 1, 16), '--hops must lie between 1 and 16'],
    [whole(blocks, 10, 1_000_000), '--blocks must lie between 10 and 1000000'],
    [o.quietMs >= 1_000 && o.quietMs <= 600_000, '--quiet must lie between 1s and 10m'],
    [o.recoveryMs >= 0 && o.recoveryMs <= 600_000, '--recovery must lie between 0 and 10m'],
    [
      whole(memoryBytes, MEMORY_FLOOR, Number.MAX_SAFE_INTEGER),
      `--memory must be ${formatSize(MEMORY_FLOOR)} or more: no node starts in less`
    ]
  ]
}

function combinations(o: HammerOptions): Check[] {
  const running = o.against !== undefined
  return [
    [
      !running || !OWN_NETWORK.has(o.mode),
      `${o.mode} needs blocks that the driver makes: it cannot be run --against a node of another network`
    ],
    [
      !running || o.networkKeyFile !== undefined,
      '--against needs --network-key-file FILE: the target admits nobody who is not in its identity table'
    ],
    [running || o.networkKeyFile === undefined, '--network-key-file is of use with --against ADDRESS only'],
    [
      running || (o.againstMetrics === undefined && o.againstApi === undefined),
      '--metrics-address and --api-address say where the target of --against ADDRESS listens'
    ],
    [
      !running || o.memoryBytes === undefined,
      '--memory cannot be set for a node that runs already: start it in a cgroup, or leave --against out'
    ],
    [o.mode !== 'calls' || (o.sizeBytes ?? MIB) <= MIB, '--size of calls must be 1MiB at most: a message is a blob']
  ]
}

/** One sentence for each option that cannot be followed, the flags named; empty when all fit together. */
export function validateHammerOptions(options: HammerOptions): string[] {
  return [...ranges(options), ...combinations(options)].filter(([holds]) => !holds).map(([, fault]) => fault)
}
