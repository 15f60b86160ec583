import type { LimitRow } from './limit-row.ts'
import { LIMIT_SECTIONS, NOT_LISTED } from './limit-rows.ts'
import { boundingOptions, limitValue, shownLimit } from './limit-sources.ts'
import { code, table } from './markdown.ts'

/** One table for each part that somebody outside can make grow. */
export function limitTables(): string {
  return LIMIT_SECTIONS.map(
    ({ title, rows }) =>
      `### ${title}\n\n${table(['limit', 'default', 'what it defends', 'at the limit', 'seen in'], rows.map(rowOf))}`
  ).join('\n\n')
}

function rowOf({ limits, defends, at, counters = [] }: LimitRow): string[] {
  return [
    limits.map((name) => code(nameOf(name))).join('<br>'),
    limits.map(shownLimit).join('<br>'),
    defends,
    at,
    counters.map(code).join('<br>') || '–'
  ]
}

/** A constant stands under its own name, with the room it lives in. */
function nameOf(name: string): string {
  const constant = /^src\/([^/]+)\/.*#(\w+)$/.exec(name)
  return constant === null ? name.replace(/^setting:/, '') : `${constant[1]} ${constant[2]}`
}

/** Options that bound something and are neither on the page nor excused, and excuses that are none. Empty when all is well. */
export function limitFaults(): string[] {
  const listed = new Set(LIMIT_SECTIONS.flatMap(({ rows }) => rows.flatMap(({ limits }) => limits)))
  return [
    ...boundingOptions()
      .filter((name) => !listed.has(name) && !NOT_LISTED.has(name))
      .map((name) => `${name} (${shownLimit(name)}) bounds something and is not on the page: build/docs/limit-rows.ts`),
    ...[...NOT_LISTED.keys()]
      .filter((name) => listed.has(name) || Number.isNaN(limitValue(name)))
      .map((name) => `${name} is excused from the page and stands on it`)
  ]
}
