import { loadConfig, toNodeConfig } from '../../node/index.ts'
import type { LocalnetReport } from '../localnet/report.ts'
import type { LocalnetOptions } from '../options.ts'
import { HISTORY_REPROVIDE_MS } from './options.ts'
import type { ReprovideNote } from './report.ts'

/** flow-go's interval, which a comparison compresses. */
const FLOW_INTERVAL_MS = 12 * 3_600_000

/**
 * What nodes with old blobs and a DHT are told: a round early enough to be seen. Whatever an arm says of them itself stands.
 */
export function reprovideSettings(own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return own['dht-reprovide-interval'] === undefined
    ? { 'dht-reprovide-interval': `${HISTORY_REPROVIDE_MS / 1000}s` }
    : {}
}

/** How the nodes with a DHT provide everything again; `null` when there are none. */
export function reprovideNote(
  networks: readonly LocalnetOptions[],
  done: readonly { readonly report: LocalnetReport }[]
): ReprovideNote | null {
  const network = networks.find(({ routing }) => routing === 'dht')
  if (network === undefined) return null
  const flags = { identities: 'identities.json', routing: 'dht', ...network.settings }
  const { reprovideEveryMs, reprovideThresholdMs, reprovideQueue, reprovideConcurrency } = toNodeConfig(
    loadConfig({ flags, env: {} }),
    ''
  ).dht
  const rounds = done.flatMap(({ report }) => report.nodes.flatMap(({ resources }) => resources?.dht?.rounds ?? []))
  return {
    intervalMs: reprovideEveryMs,
    thresholdMs: reprovideThresholdMs,
    queue: reprovideQueue,
    concurrency: reprovideConcurrency,
    compression: FLOW_INTERVAL_MS / reprovideEveryMs,
    roundEnded: rounds.every(({ begun }) => begun === 0) ? null : rounds.some(({ ended }) => ended > 0)
  }
}
