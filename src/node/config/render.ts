import { exactDuration, exactSize } from '../../util/index.ts'
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
  const quoted = typeof value === 'string' || key.type === 'size' || key.type === 'duration'
  return quoted ? JSON.stringify(shownValue(key, value)) : shownValue(key, value)
}

/** A value as people write it: sizes and durations in whole units. */
export function shownValue(key: ConfigKey, value: Exclude<ConfigValue, undefined>): string {
  if (typeof value === 'number' && key.type === 'size') return exactSize(value)
  if (typeof value === 'number' && key.type === 'duration') return exactDuration(value)
  return String(value)
}
