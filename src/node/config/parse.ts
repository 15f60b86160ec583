import { parseHeight } from '../../model/index.ts'
import type { Retention } from '../../pruner/index.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../util/index.ts'
import type { ConfigKey, ConfigValue } from './keys.ts'

const RETENTION = 'none, or heights (50000), an age (30d) or bytes (200GiB), each once, with commas between'

/** Either the value, or why there is none: what it must be instead. */
export type Parsed = { readonly value: ConfigValue } | { readonly problem: string }

const fits = (ok: boolean, value: unknown, mustBe: string): Parsed =>
  ok ? { value: String(value) } : { problem: `must be ${mustBe}` }

/** Reads one value as its key's type wants it: text from flags and environment, typed values from the file. */
export function parseValue(key: ConfigKey, raw: unknown): Parsed {
  switch (key.type) {
    case 'string':
    case 'path':
      return fits(typeof raw === 'string' && raw !== '', raw, 'text')
    case 'address':
      return fits(parseAddress(raw) !== undefined, raw, 'HOST:PORT (port 0 takes any that is free)')
    case 'choice':
      return fits(typeof raw === 'string' && key.choices.includes(raw), raw, `one of ${key.choices.join(', ')}`)
    case 'start-height':
      return fits(parseStartHeight(String(raw)) !== undefined, raw, 'a height or latest-N')
    case 'retention':
      return fits(parseRetention(raw) !== undefined, raw, RETENTION)
    case 'boolean':
      return parseBoolean(raw)
    default:
      return parseNumber(key, raw)
  }
}

function parseBoolean(raw: unknown): Parsed {
  if (raw === true || raw === 'true' || raw === '1') return { value: true }
  if (raw === false || raw === 'false' || raw === '0') return { value: false }
  return { problem: 'must be true or false' }
}

/** How each kind of number is read, shown and called. */
const NUMBERS = {
  size: { read: parseSize, show: formatSize, called: 'a size such as 64MiB' },
  duration: { read: parseDuration, show: formatDuration, called: 'a duration such as 30s' },
  integer: {
    read: (text: string) => (/^\d+$/.test(text) ? Number(text) : undefined),
    show: String,
    called: 'a whole number'
  }
} as const

function parseNumber({ type, min, max }: ConfigKey & { readonly type: keyof typeof NUMBERS }, raw: unknown): Parsed {
  const { read, show, called } = NUMBERS[type]
  const value = read(String(raw))
  if (value !== undefined && value >= min && value <= max) return { value }
  return { problem: `must be ${called} from ${show(min)} to ${show(max)}` }
}

/** `host:port`, `[v6]:port`. */
export function parseAddress(raw: unknown): { readonly host: string; readonly port: number } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):(\d{1,5})$/.exec(String(raw))
  const port = Number(match?.[2])
  if (match === null || port > 65_535) return undefined
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port }
}

/** `50000`, `30d`, `200GiB`, `50000,30d`, `none`; an age and bytes have a unit, heights have none. */
export function parseRetention(raw: unknown): Retention | undefined {
  const text = String(raw).trim()
  if (text === 'none') return {}
  const retention: { -readonly [name in keyof Retention]: number } = {}
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const heights = /^\d{1,15}$/.test(part) ? Number(part) : undefined
    const ageMs = heights === undefined && /[smhd]$/.test(part) ? parseDuration(part) : undefined
    const bytes = heights === undefined && ageMs === undefined ? parseSize(part) : undefined
    const found = Object.entries({ heights, ageMs, bytes }).filter(([, value]) => value !== undefined)
    const [name, value] = found[0] ?? []
    if (name === undefined || value === undefined || name in retention || value < 1) return undefined
    retention[name as keyof Retention] = value
  }
  return retention
}

/** `1000`, `latest-50`, `latest`. */
export function parseStartHeight(
  text: string
): { readonly height: number } | { readonly latestMinus: number } | undefined {
  const latest = /^latest(?:-(\d{1,12}))?$/.exec(text)
  if (latest !== null) return { latestMinus: Number(latest[1] ?? 0) }
  const height = parseHeight(text)
  return height === undefined ? undefined : { height }
}

/** The known word that is nearest to a mistyped one, if any is near: one or two letters changed, added, dropped. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= Math.max(2, Math.floor(word.length / 3)) ? near.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(substitution, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
