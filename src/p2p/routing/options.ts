import { P2pError } from '../errors.ts'

/** What a node with the DHT does beside syncing. Times in ms. */
export interface DhtOptions {
  /** libp2p protocol of the staked network's own DHT: nodes of other networks do not speak it. */
  readonly protocol: string
  /** All blobs are provided again so often (flow-go: 12 h). */
  readonly reprovideEveryMs: number
  /** A provider record is believed for so long after it was made (kad-dht and go-libp2p: 48 h). */
  readonly recordLifetimeMs: number
  /**
   * A round provides again what expires within this time. With the whole lifetime, the default, every round provides
   * everything, as flow-go's does.
   */
  readonly reprovideThresholdMs: number
  /** Blobs being provided again at one time. */
  readonly reprovideConcurrency: number
  /** Blobs that wait to be provided again inside kad-dht, which looks at all of them for each that comes; further ones wait outside. */
  readonly reprovideQueue: number
  /** New blobs being provided at one time; boxo's bitswap server has six workers. */
  readonly provideConcurrency: number
  /** New blobs that wait to be provided: 34 bytes each. What comes beyond is not provided before the next start. */
  readonly maxProvideQueue: number
  /** Provider records held, of all peers; further ones are refused. One takes some 200 bytes in memory. */
  readonly maxRecords: number
  /** One provide, and one look-up, may take so long. */
  readonly operationTimeoutMs: number
  /** Providers that a look-up is asked for (boxo: `session/session.go`, ten). */
  readonly maxProviders: number
}

const HOUR = 3_600_000

export const defaultDhtOptions: DhtOptions = Object.freeze({
  protocol: '/sealsync/dht/kad/1.0.0',
  reprovideEveryMs: 12 * HOUR,
  recordLifetimeMs: 48 * HOUR,
  reprovideThresholdMs: 48 * HOUR,
  reprovideConcurrency: 10,
  reprovideQueue: 1_024,
  provideConcurrency: 6,
  maxProvideQueue: 65_536,
  maxRecords: 2_000_000,
  operationTimeoutMs: 60_000,
  maxProviders: 10
})

/** Throws P2pError `option-invalid` (details: `option`) and says what would break. */
export function validateDhtOptions(options: DhtOptions): void {
  const least = (option: keyof DhtOptions, value: number, why: string): void => {
    if (!(Number(options[option]) >= value)) {
      throw new P2pError('option-invalid', `dht ${option}: ${why}`, { details: { option } })
    }
  }
  least('reprovideEveryMs', 1_000, 'below 1 s a round would begin before the last one has looked at its records')
  least('recordLifetimeMs', 1_000, 'records would expire on their way')
  least('reprovideThresholdMs', 0, 'must not be negative')
  for (const option of [
    'reprovideConcurrency',
    'reprovideQueue',
    'provideConcurrency',
    'maxProvideQueue',
    'maxRecords',
    'maxProviders'
  ] as const) {
    least(option, 1, 'must be 1 or more, or nothing is provided')
  }
  least('operationTimeoutMs', 100, 'no peer can answer in less than 100 ms')
}
