import { readFileSync, statSync } from 'node:fs'
import { parse as parseToml } from 'smol-toml'
import { codeOf, messageOf } from '../../util/index.ts'
import { NodeError } from '../errors.ts'
import {
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigPath,
  type ConfigValue,
  envName,
  PROFILE_VALUES,
  type Profile
} from './keys.ts'
import { didYouMean, parseValue } from './parse.ts'

export type ConfigOrigin = 'flag' | 'env' | 'file' | 'profile' | 'default'

/** Every setting with where it came from. */
export type LoadedConfig = ReadonlyMap<ConfigPath, { readonly value: ConfigValue; readonly origin: ConfigOrigin }>

export interface ConfigSources {
  /** Raw flags by their name without dashes; `undefined` where not given. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** A TOML file; with `required` it must be there. */
  readonly file?: { readonly path: string; readonly required: boolean }
}

/** A file of settings has some dozens of lines; more than this is not one. */
const MAX_FILE_BYTES = 1_048_576

/** Environment names of the launcher, which are not settings, and of the two directories that are flags only. */
const OTHER_ENV = new Set(['SEALSYNC_LAUNCHED', 'SEALSYNC_DATA_DIR', 'SEALSYNC_CONFIG'])

/**
 * Flag over environment over file over profile over default. Throws NodeError `config` with every problem at once
 * (`details.problems`).
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: string[] = []
  const file = sources.file === undefined ? new Map<string, unknown>() : readConfigFile(sources.file, problems)
  problems.push(...unknownKeys(file, sources.env))
  const given = new Map<ConfigPath, { value: ConfigValue; origin: ConfigOrigin }>()
  for (const key of CONFIG_KEYS as readonly ConfigKey[]) {
    const candidates: [ConfigOrigin, unknown, string][] = [
      ['flag', sources.flags[key.flag], `flag --${key.flag}`],
      ['env', sources.env[envName(key.path)], `environment ${envName(key.path)}`],
      ['file', file.get(key.path), `key '${key.path}' in ${sources.file?.path ?? ''}`]
    ]
    const found = candidates.find(([, raw]) => raw !== undefined && raw !== '')
    if (found === undefined) continue
    const parsed = parseValue(key, found[1])
    if ('problem' in parsed) problems.push(`${found[2]}: '${String(found[1])}' ${parsed.problem}`)
    else given.set(key.path as ConfigPath, { value: parsed.value, origin: found[0] })
  }
  if (problems.length > 0) throw configError(problems)
  const profile = (given.get('node.profile')?.value ?? 'standard') as Profile
  return new Map(
    (CONFIG_KEYS as readonly ConfigKey[]).map((key) => {
      const path = key.path as ConfigPath
      const fromProfile = PROFILE_VALUES[profile][path]
      const fallback =
        fromProfile === undefined
          ? { value: key.default, origin: 'default' as const }
          : { value: fromProfile, origin: 'profile' as const }
      return [path, given.get(path) ?? fallback]
    })
  )
}

export function configError(problems: readonly string[]): NodeError {
  return new NodeError('config', problems.join('; '), { details: { problems } })
}

function readConfigFile(
  file: { readonly path: string; readonly required: boolean },
  problems: string[]
): Map<string, unknown> {
  const values = new Map<string, unknown>()
  try {
    const size = statSync(file.path).size
    if (size > MAX_FILE_BYTES) throw new RangeError(`it has ${size} bytes, more than ${MAX_FILE_BYTES}`)
    for (const [section, content] of Object.entries(parseToml(readFileSync(file.path, 'utf8')))) {
      if (typeof content !== 'object' || content === null || Array.isArray(content)) values.set(section, content)
      else for (const [name, value] of Object.entries(content)) values.set(`${section}.${name}`, value)
    }
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || file.required)
      problems.push(`configuration file ${file.path}: ${messageOf(error)}`)
  }
  return values
}

function unknownKeys(file: ReadonlyMap<string, unknown>, env: ConfigSources['env']): string[] {
  const paths: readonly string[] = CONFIG_KEYS.map((key) => key.path)
  const names = CONFIG_KEYS.map((key) => envName(key.path))
  const hint = (word: string, known: readonly string[]): string => {
    const near = didYouMean(word, known)
    return near === undefined ? '' : ` (did you mean '${near}'?)`
  }
  return [
    ...[...file.keys()]
      .filter((key) => !paths.includes(key))
      .map((key) => `unknown key '${key}' in the configuration file${hint(key, paths)}`),
    ...Object.keys(env)
      .filter((name) => name.startsWith('SEALSYNC_') && !names.includes(name) && !OTHER_ENV.has(name))
      .map((name) => `unknown environment variable ${name}${hint(name, names)}`)
  ]
}
