import { formatDuration, formatSize } from '../../util/index.ts'
import { CONFIG_KEYS, type ConfigKey, type ConfigPath, type ConfigValue, envName } from './keys.ts'
import type { LoadedConfig } from './load.ts'

/** The commented TOML of all settings; those of `set` are written out, the others stand as comments with their default. */
export function renderConfig(set: ReadonlyMap<ConfigPath, ConfigValue> = new Map()): string {
  const lines = ['# sealsync configuration. Order: flag, environment, this file, profile, default.']
  let section = ''
  for (const key of CONFIG_KEYS as readonly ConfigKey[]) {
    const [part = '', name = ''] = key.path.split('.')
    if (part !== section) lines.push('', `[${part}]`)
    section = part
    const value = set.get(key.path as ConfigPath)
    const range = key.type === 'choice' ? `one of ${key.choices.join(', ')}` : key.type
    lines.push(`# ${key.help}`, `# ${range}; flag --${key.flag}, environment ${envName(key.path)}`)
    lines.push(value === undefined ? `# ${name} = ${literal(key, key.default)}` : `${name} = ${literal(key, value)}`)
  }
  return `${lines.join('\n')}\n`
}

/** The settings in force, one a line, with their origins when asked. */
export function renderEffective(loaded: LoadedConfig, withOrigin: boolean): string {
  const rows = (CONFIG_KEYS as readonly ConfigKey[]).map((key) => {
    const entry = loaded.get(key.path as ConfigPath)
    const text = `${key.path} = ${entry?.value === undefined ? '(not set)' : literal(key, entry.value)}`
    return withOrigin ? `${text.padEnd(56)} # ${entry?.origin ?? 'default'}` : text
  })
  return `${rows.join('\n')}\n`
}

function literal(key: ConfigKey, value: ConfigValue): string {
  if (value === undefined) return '""'
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (key.type === 'size') return JSON.stringify(exact(value, formatSize(value), key))
  if (key.type === 'duration') return JSON.stringify(exact(value, formatDuration(value), key))
  return String(value)
}

/** The readable form where it is exact, the bare number where rounding would change the value. */
function exact(value: number, text: string, key: ConfigKey): string {
  const compact = text.replace(' ', '').replace(/\.0+(?=[A-Za-z])/, '')
  const unit =
    key.type === 'size'
      ? 1024 **
        ['B', 'KiB', 'MiB', 'GiB', 'TiB'].findIndex(
          (name) => compact.endsWith(name) && /\d/.test(compact.at(-name.length - 1) ?? '')
        )
      : 1000
  return key.type === 'size'
    ? value % unit === 0
      ? compact
      : String(value)
    : value % 1000 === 0 && value < 60_000
      ? `${value / 1000}s`
      : `${value}ms`
}
