const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4
}
const DURATIONS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 3.6e6, d: 8.64e7 }

function parseUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = units[(match?.[2] ?? '?').toLowerCase()]
  if (match === null || unit === undefined) return undefined
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) ? value : undefined
}

/** `64MiB`, `1.5 GiB`, `4096`: bytes, or `undefined`. */
export const parseSize = (text: string): number | undefined => parseUnit(text, UNITS)

/** `30s`, `500ms`, `2h`, `250` (ms): milliseconds, or `undefined`. */
export const parseDuration = (text: string): number | undefined => parseUnit(text, DURATIONS)

/** `1.5 MiB`; whole bytes below 1 KiB. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let at = 0
  while (Math.abs(value) >= 1024 && at < units.length - 1) {
    value /= 1024
    at += 1
  }
  return `${at === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[at]}`
}

/** `850ms`, `12.3s`, `7m 10s`, `3h 5m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)}m ${Math.floor((ms % 60_000) / 1000)}s`
  return `${Math.floor(ms / 3_600_000)}h ${Math.floor((ms % 3_600_000) / 60_000)}m`
}

type Unit = readonly [name: string, size: number]

const SIZES: readonly Unit[] = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024]
]
const SPANS: readonly Unit[] = [
  ['h', 3.6e6],
  ['min', 6e4],
  ['s', 1e3]
]

/** `48MiB`, `1536KiB`, `0B`: in the largest unit that divides it, so that {@link parseSize} gives the same number back. */
export const exactSize = (bytes: number): string => exact(bytes, SIZES) ?? `${bytes}B`

/** `48h`, `5min`, `1500ms`, `0s`: in the largest unit that divides it, so that {@link parseDuration} gives the same number back. */
export const exactDuration = (ms: number): string => (ms === 0 ? '0s' : (exact(ms, SPANS) ?? `${ms}ms`))

function exact(value: number, units: readonly Unit[]): string | undefined {
  const unit = value === 0 ? undefined : units.find(([, size]) => value % size === 0)
  return unit === undefined ? undefined : `${value / unit[1]}${unit[0]}`
}
