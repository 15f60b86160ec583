import { defaultLocalnetOptions, type LocalnetOptions } from '../options.ts'

/** What a comparison is told. */
export interface CompareOptions {
  /** Arms by name, or as `option=value,…`. */
  readonly a: string
  readonly b: string
  /** Pairs of runs. */
  readonly rounds: number
  /** The network and the load of every run. */
  readonly localnet: LocalnetOptions
  /** Both arms as nodes of one mesh, in every run. */
  readonly mixed: boolean
  /** Blocks of old blobs that every node has from the start. */
  readonly history: number
  /** One more run of each arm writes profiles. */
  readonly profiles: boolean
  /** Every sample, the report and its page go here. */
  readonly out?: string
}

/** Two producers and eight that sync 3 MiB/s over links of 10 ms: on bare loopback nobody makes duplicates. */
export const defaultCompareOptions: CompareOptions = Object.freeze({
  a: 'sealsync',
  b: 'dht',
  rounds: 4,
  localnet: Object.freeze({
    ...defaultLocalnetOptions,
    execution: 2,
    access: 8,
    rate: 3,
    source: 'synthetic',
    blobSize: 1_048_576,
    blobsPerBlock: 1,
    forMs: 20_000,
    delayMs: 10,
    quietMs: 8_000,
    // An arm that is drowning answers nobody: the figures are taken by then.
    verifyMs: 60_000,
    traceGc: true
  }),
  mixed: false,
  history: 0,
  profiles: false
})

/**
 * With old blobs: two rounds over a window in which a round of providing them again can be watched. Four nodes: what ten of them have
 * to provide again leaves two cores nothing for new blocks.
 */
export const HISTORY_ROUNDS = 2
export const historyLocalnet: LocalnetOptions = Object.freeze({
  ...defaultCompareOptions.localnet,
  execution: 1,
  access: 3,
  rate: 1,
  forMs: 120_000
})
/** Instead of 12 h. */
export const HISTORY_REPROVIDE_MS = 30_000

/** 200,000 blocks are some GB of copies for ten nodes. */
const MAX_HISTORY = 200_000
const MAX_ROUNDS = 1_000

/** One sentence for each option that cannot be followed. */
export function validateCompareOptions(options: CompareOptions): string[] {
  const whole = (value: number, most: number, least = 0): boolean =>
    Number.isSafeInteger(value) && value >= least && value <= most
  const checks: readonly (readonly [boolean, string])[] = [
    [whole(options.rounds, MAX_ROUNDS, 1), `--rounds must lie between 1 and ${MAX_ROUNDS}`],
    [whole(options.history, MAX_HISTORY), `--history must lie between 0 and ${MAX_HISTORY} blocks`],
    [!options.mixed || options.localnet.access >= 2, '--mixed needs --access 2 or more: one node of each arm'],
    [!options.profiles || options.out !== undefined, '--profiles needs --out DIR: profiles are files'],
    [
      options.localnet.blocks !== undefined || options.localnet.forMs !== undefined,
      'give --blocks N or --for DURATION: every run must end'
    ]
  ]
  return checks.filter(([holds]) => !holds).map(([, fault]) => fault)
}
