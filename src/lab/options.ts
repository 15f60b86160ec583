import { settingFaults } from './settings.ts'

/** What a localnet is told. The command line's flags have the same names. */
export interface LocalnetOptions {
  /** Execution nodes: they take the blocks in and announce them. At least 1. */
  readonly execution: number
  /** Access nodes: they sync. At least 1. */
  readonly access: number
  /** Nodes that are not staked and sync from the access nodes' public hosts. */
  readonly observer: number
  /** End after so many blocks; with `forMs` whichever comes first. */
  readonly blocks?: number
  /** End so many milliseconds after the first block. */
  readonly forMs?: number
  /** Blocks a second, on an open schedule: a block that comes late does not move those behind it. */
  readonly rate: number
  /** `chain`, `synthetic`, `chain+synthetic` or a folder with `blocks.jsonl` and CAR files. */
  readonly source: string
  /** Bytes of each synthetic blob; without it sizes are mixed. */
  readonly blobSize?: number
  /** Blobs of that size in each synthetic block. */
  readonly blobsPerBlock?: number
  /** Of synthetic blocks; the same seed gives the same blocks. */
  readonly seed: number
  /** So many of the access nodes (the last ones) run with the DHT, the rest as `routing` says. */
  readonly dhtAccess: number
  /** Given to each node as it is, as are the next three: what a node does not know, the node refuses. */
  readonly routing: string
  readonly policy: string
  readonly security: string
  readonly profile: string
  /** Further settings of every node, by the flag of `run` without its dashes. */
  readonly settings: Readonly<Record<string, string>>
  /** So many of the access nodes (the last ones) are of another build. */
  readonly mixed?: MixedBuild
  /** V8 writes each of its collections into the nodes' logs, so that the rate of allocation is known. */
  readonly traceGc: boolean
  /** This node writes a CPU profile and a sampled heap profile into the folder when it ends. */
  readonly profiled?: { readonly node: string; readonly dir: string }
  /** A data directory whose blobs and indexes every node begins with. */
  readonly history?: string
  /** So many access nodes (the last ones) are stopped with SIGSTOP half way and stay so. */
  readonly silent: number
  /** The same for execution nodes. */
  readonly silentExecution: number
  /** So many access nodes (the first ones) are killed with SIGKILL half way and started again 3 s later. */
  readonly kill: number
  /** Access nodes and observers keep the newest so many heights, execution nodes ten times as many; samples over time are reported. */
  readonly retention?: number
  /** One-way delay of every link, ms. */
  readonly delayMs: number
  /** Logs, the identity table and the report go here; without it to a temporary folder that is removed. */
  readonly out?: string
  /** Leaves each node's data directory at `OUT/NAME`. */
  readonly keepData: boolean
  /** How long blocks are compared at the end, ms; without it until all are. */
  readonly verifyMs?: number
  /** How long the nodes are left alone at the end, ms; the median of the last 5 s of it is their idle memory. */
  readonly quietMs: number
}

/** The second build of a mixed mesh. */
export interface MixedBuild {
  readonly access: number
  readonly routing: string
  readonly policy: string
  readonly settings: Readonly<Record<string, string>>
}

export const defaultLocalnetOptions: LocalnetOptions = Object.freeze({
  execution: 2,
  access: 3,
  observer: 0,
  rate: 4,
  source: 'chain+synthetic',
  seed: 1,
  dhtAccess: 0,
  routing: 'none',
  policy: 'assigned',
  security: 'tls',
  profile: 'standard',
  settings: Object.freeze({}),
  traceGc: false,
  silent: 0,
  silentExecution: 0,
  kill: 0,
  delayMs: 0,
  keepData: false,
  quietMs: 15_000
})

/** More processes than that do not fit a machine on which a localnet is of use: 200 nodes are some 18 GB. */
const MAX_NODES = 200
/** Timers tick once a millisecond, and the driver writes each block to every execution node. */
const MAX_RATE = 1_000
/** Links with longer delays do not exist, and the relay holds what is on its way in memory. */
const MAX_DELAY_MS = 5_000
/** flow-go's limit of a blob (`execution_data.DefaultMaxBlobSize`). */
const MAX_BLOB_SIZE = 1_048_576
/** A chunk with one event and no payload takes some 250 bytes. */
const MIN_BLOB_SIZE = 512
/** 4,096 blobs of 1 MiB are a block of 4 GiB: more than the driver could hold. */
const MAX_BLOBS_PER_BLOCK = 1_024

/** The source goes on for ever. */
const isSynthetic = ({ source }: LocalnetOptions): boolean => source === 'synthetic' || source === 'chain+synthetic'

type Check = readonly [holds: boolean, fault: string]

function counts(o: LocalnetOptions): Check[] {
  const whole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least
  return [
    [whole(o.execution, 1), '--execution must be 1 or more: blocks come in through execution nodes'],
    [whole(o.access, 1), '--access must be 1 or more: access nodes are what is shown'],
    [whole(o.observer, 0), '--observer must be 0 or more'],
    [o.execution + o.access + o.observer <= MAX_NODES, `more than ${MAX_NODES} nodes do not fit one machine`],
    [o.blocks === undefined || whole(o.blocks, 1), '--blocks must be 1 or more'],
    [o.forMs === undefined || o.forMs >= 1_000, '--for must be 1s or more'],
    [o.rate > 0 && o.rate <= MAX_RATE, `--rate must be above 0 and at most ${MAX_RATE} blocks a second`],
    [o.delayMs >= 0 && o.delayMs <= MAX_DELAY_MS, `--delay must lie between 0 and ${MAX_DELAY_MS} ms`],
    [Number.isSafeInteger(o.seed) && o.seed >= 0, '--seed must be a whole number, 0 or more'],
    [
      o.retention === undefined || (whole(o.retention, 1) && o.settings['retention'] === undefined),
      '--retention must be 1 or more heights, and is not given with --set as well'
    ],
    [o.quietMs >= 0 && o.quietMs <= 600_000, '--quiet must lie between 0 and 10m']
  ]
}

function faults(o: LocalnetOptions): Check[] {
  const strikes = o.kill > 0 || o.silent > 0 || o.silentExecution > 0
  const ends = o.blocks !== undefined || o.forMs !== undefined || !isSynthetic(o)
  const whole = [o.kill, o.silent, o.silentExecution, o.dhtAccess].every((n) => Number.isSafeInteger(n) && n >= 0)
  return [
    [whole, '--kill, --silent, --silent-execution and --dht-access must be 0 or more'],
    [o.kill + o.silent <= o.access, '--kill and --silent together exceed --access: a node cannot be both'],
    [o.silent < o.access, '--silent must leave an access node that answers'],
    [o.silentExecution < o.execution, '--silent-execution must leave an execution node that answers'],
    [o.dhtAccess <= o.access, '--dht-access exceeds --access'],
    [!strikes || ends, '--kill and --silent strike half way: give --blocks N or --for DURATION as well']
  ]
}

function workload(o: LocalnetOptions): Check[] {
  const shaped = o.blobSize !== undefined || o.blobsPerBlock !== undefined
  return [
    [!shaped || isSynthetic(o), `--blob-size and --blobs-per-block shape synthetic blocks, not --source ${o.source}`],
    [
      o.blobSize === undefined || (o.blobSize >= MIN_BLOB_SIZE && o.blobSize <= MAX_BLOB_SIZE),
      '--blob-size must lie between 512 and 1MiB'
    ],
    [
      o.blobsPerBlock === undefined || (o.blobsPerBlock >= 1 && o.blobsPerBlock <= MAX_BLOBS_PER_BLOCK),
      `--blobs-per-block must lie between 1 and ${MAX_BLOBS_PER_BLOCK}`
    ],
    [!o.keepData || o.out !== undefined, '--keep-data needs --out DIR: it says where the data is to stay']
  ]
}

function settings({ settings: given }: LocalnetOptions): Check[] {
  return settingFaults(given).map((fault): Check => [false, `--set: ${fault}`])
}

/** One sentence for each option that cannot be followed, the flags named; empty when all fit together. */
export function validateLocalnetOptions(options: LocalnetOptions): string[] {
  return [...counts(options), ...faults(options), ...workload(options), ...settings(options)]
    .filter(([holds]) => !holds)
    .map(([, fault]) => fault)
}
