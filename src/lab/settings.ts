import { CONFIG_KEYS, type ConfigKey, loadConfig, toNodeConfig } from '../node/index.ts'
import { messageOf } from '../util/index.ts'

/** Settings that a localnet gives each node itself. */
const TAKEN = new Set([
  'role',
  'identities',
  'routing',
  'policy',
  'security',
  'profile',
  'p2p-address',
  'metrics-address',
  'api-address',
  'feed',
  'follow',
  'start-height'
])

/** Flags of `run` that may be set for the nodes of a localnet. */
export const settableFlags = (): string[] =>
  (CONFIG_KEYS as readonly ConfigKey[]).map(({ flag }) => flag).filter((flag) => !TAKEN.has(flag))

/** `flag=value,flag=value`; `undefined` when it is not of that form. */
export function parseSettings(text: string): Readonly<Record<string, string>> | undefined {
  const pairs = text.split(',').map((pair) => /^([a-z][a-z0-9-]*)=(.+)$/.exec(pair.trim()))
  if (text.trim() === '' || pairs.some((pair) => pair === null)) return undefined
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']))
}

/** What is wrong with settings of every node; empty when they can be run with. */
export function settingFaults(settings: Readonly<Record<string, string>>): string[] {
  const known = settableFlags()
  const unknown = Object.keys(settings).filter((flag) => !known.includes(flag))
  if (unknown.length > 0) return unknown.map((flag) => `there is no setting '${flag}' for the nodes of a localnet`)
  try {
    toNodeConfig(loadConfig({ flags: { identities: 'identities.json', ...settings }, env: {} }), '')
    return []
  } catch (error) {
    return [messageOf(error)]
  }
}
