import {
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigPath,
  type ConfigValue,
  envName,
  PROFILE_VALUES,
  PROFILES
} from '#src/node/config/keys.ts'
import { loadConfig } from '#src/node/config/load.ts'
import { toNodeConfig } from '#src/node/config/node-config.ts'
import { renderConfig } from '#src/node/config/render.ts'
import { formatDuration, formatSize, messageOf } from '#src/util/index.ts'
import { code, table } from './markdown.ts'

const KEYS: readonly ConfigKey[] = CONFIG_KEYS

/** One table a section of the file: every setting with its three names, its range, its default in each profile. */
export function settingTables(): string {
  const sections = [...new Set(KEYS.map(({ path }) => path.split('.')[0] ?? ''))]
  return sections
    .map((section) => {
      const rows = KEYS.filter(({ path }) => path.startsWith(`${section}.`)).map(rowOf)
      return `### [${section}]\n\n${table(['file key', 'flag', 'environment', 'value', 'default', 'meaning'], rows)}`
    })
    .join('\n\n')
}

function rowOf(key: ConfigKey): string[] {
  return [code(key.path), code(`--${key.flag}`), code(envName(key.path)), valueOf(key), defaultsOf(key), key.help]
}

function valueOf(key: ConfigKey): string {
  switch (key.type) {
    case 'choice':
      return key.choices.map(code).join(', ')
    case 'size':
    case 'duration':
    case 'integer':
      return `${key.type}, ${shown(key, key.min)} to ${shown(key, key.max)}`
    case 'address':
      return '`host:port`, port 0 for any'
    case 'start-height':
      return 'a height, `latest`, or `latest-N`'
    case 'retention':
      return '`none`, or heights, an age, bytes, or several with commas'
    default:
      return key.type
  }
}

function defaultsOf(key: ConfigKey): string {
  const standard = key.default === undefined ? 'none' : code(shown(key, key.default))
  const differing = PROFILES.flatMap((profile) => {
    const value = PROFILE_VALUES[profile][key.path as ConfigPath]
    return value === undefined ? [] : [`${profile} ${code(shown(key, value))}`]
  })
  return [standard, ...differing].join(', ')
}

function shown(key: ConfigKey, value: ConfigValue): string {
  if (key.type === 'size')
    return formatSize(Number(value))
      .replace(/\.0+(?= )/, '')
      .replace(' ', '')
  if (key.type === 'duration') return formatDuration(Number(value)).replace(/\.0s$/, 's').replace(/ 0s$/, '')
  return String(value)
}

/** The file as `sealsync config default` prints it. */
export const defaultFile = (): string => `\`\`\`toml\n${renderConfig().trimEnd()}\n\`\`\``

/** Settings that a node needs, and one change each that it refuses. */
const NEEDED = { identities: 'identities.json' }
const REFUSED: readonly Readonly<Record<string, string>>[] = [
  { identities: '' },
  { feed: 'somewhere' },
  { role: 'execution' },
  { role: 'observer' },
  { cache: '1GiB', memory: '512MiB' }
]

/** What the node says to settings that are well formed, each for itself, and do not go together. */
export function refusedTogether(): string {
  return REFUSED.flatMap((change) => {
    try {
      toNodeConfig(loadConfig({ flags: { ...NEEDED, ...change }, env: {} }), '')
      return []
    } catch (error) {
      return [`- ${messageOf(error)}`]
    }
  }).join('\n')
}
