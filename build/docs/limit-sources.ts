import { defaultApiOptions } from '#src/api/options.ts'
import { defaultBudgetOptions } from '#src/budget/options.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { defaultExecutionDataOptions } from '#src/execution-data/options.ts'
import { defaultAnnouncementsFeedOptions, defaultFileFeedOptions, defaultFlowAccessOptions } from '#src/feed/options.ts'
import { CONFIG_KEYS, type ConfigKey } from '#src/node/config/keys.ts'
import { defaultDiskWatchOptions } from '#src/node/disk-watch.ts'
import { defaultAnnounceOptions } from '#src/p2p/announce/options.ts'
import { defaultHostOptions } from '#src/p2p/options.ts'
import { defaultDhtOptions } from '#src/p2p/routing/options.ts'
import { defaultGuestOptions } from '#src/p2p/public/guests.ts'
import { defaultRelayLogOptions } from '#src/provider/relay-log.ts'
import { defaultProviderOptions } from '#src/provider/options.ts'
import { defaultPrunerOptions } from '#src/pruner/options.ts'
import { defaultRequesterOptions } from '#src/requester/options.ts'
import { defaultProgressReporterOptions } from '#src/requester/progress-reporter.ts'
import { defaultRepairOptions } from '#src/store/repairing-blockstore.ts'
import { defaultSegmentBlockstoreOptions } from '#src/store/options.ts'
import { defaultTrackerOptions } from '#src/tracker/options.ts'
import { formatDuration, formatSize } from '#src/util/index.ts'
import { constantOf } from './source-facts.ts'

/** The rooms' default options, by the name under which a limit's path begins. */
const OPTIONS: Readonly<Record<string, object>> = {
  api: defaultApiOptions,
  budget: defaultBudgetOptions,
  exchange: defaultExchangeOptions,
  'execution-data': defaultExecutionDataOptions,
  feed: defaultAnnouncementsFeedOptions,
  'feed-file': defaultFileFeedOptions,
  'feed-access': defaultFlowAccessOptions,
  disk: defaultDiskWatchOptions,
  p2p: defaultHostOptions,
  dht: defaultDhtOptions,
  announce: defaultAnnounceOptions,
  guests: defaultGuestOptions,
  relay: defaultRelayLogOptions,
  progress: defaultProgressReporterOptions,
  provider: defaultProviderOptions,
  pruner: defaultPrunerOptions,
  requester: defaultRequesterOptions,
  repair: defaultRepairOptions,
  store: defaultSegmentBlockstoreOptions,
  tracker: defaultTrackerOptions
}

/**
 * The number behind a limit's name: `exchange.client.maxLiveWants` is an option's default, `setting:memory.budget` a setting's,
 * `src/FILE.ts#NAME` a constant. Throws when there is no such thing.
 */
export function limitValue(name: string): number {
  const constant = /^(src\/.+\.ts)#(\w+)$/.exec(name)
  if (constant !== null) return constantOf(constant[1] ?? '', constant[2] ?? '')
  if (name.startsWith('setting:')) {
    const key = (CONFIG_KEYS as readonly ConfigKey[]).find(({ path }) => path === name.slice('setting:'.length))
    if (typeof key?.default !== 'number') throw new Error(`no numeric setting ${name}`)
    return key.default
  }
  const value = name
    .split('.')
    .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], OPTIONS)
  if (typeof value !== 'number') throw new Error(`no numeric option ${name}`)
  return value
}

/** A limit's value as a human reads it. */
export function shownLimit(name: string): string {
  const value = limitValue(name)
  const key = (CONFIG_KEYS as readonly ConfigKey[]).find(({ path }) => path === name.slice('setting:'.length))
  const rate = /(?:PerSecond|RateBytes|PER_SECOND)$/.test(name) ? '/s' : ''
  if (/bytes/i.test(name) || key?.type === 'size') return `${formatSize(value).replace(/\.0+(?= )/, '')}${rate}`
  if (/(?:Ms|_MS)$/.test(name) || key?.type === 'duration')
    return formatDuration(value).replace(/\.0s$/, 's').replace(/ 0s$/, '')
  return value < 1 ? `${value * 100} %` : `${value.toLocaleString('en-US')}${rate}`
}

/** Every option that bounds something by its name: `max…` that is no time, `…PerSecond`, `…Burst`. */
export function boundingOptions(): string[] {
  return Object.entries(OPTIONS).flatMap(([room, options]) => leavesOf(options, room).filter(isBound))
}

function leavesOf(options: object, path: string): string[] {
  return Object.entries(options).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null
      ? leavesOf(value as object, `${path}.${key}`)
      : typeof value === 'number'
        ? [`${path}.${key}`]
        : []
  )
}

function isBound(path: string): boolean {
  const name = path.split('.').at(-1) ?? ''
  return (/^max[A-Z]/.test(name) && !name.endsWith('Ms')) || /(?:PerSecond|Burst)$/i.test(name)
}
