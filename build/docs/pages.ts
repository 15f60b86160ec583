// What is generated in `docs/`: blocks between two comments, and defaults that the prose names; the rest is written by hand.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defaultFile, refusedTogether, settingTables } from './configuration.ts'
import { errorTables, exitCodeTable } from './errors.ts'
import { shownLimit } from './limit-sources.ts'
import { limitTables } from './limits.ts'
import { logTable } from './log-lines.ts'
import { blockNames, fillBlocks, fillDefaults } from './markdown.ts'
import { metricTables } from './metrics.ts'
import { checkTable, progressLines, stallTable } from './operations.ts'
import { profileTable, requestLimitTable } from './profiles.ts'
import { root } from './source-facts.ts'

const BLOCKS: Readonly<Record<string, () => string | Promise<string>>> = {
  settings: settingTables,
  'default-file': defaultFile,
  'refused-together': refusedTogether,
  metrics: metricTables,
  errors: errorTables,
  'exit-codes': exitCodeTable,
  limits: limitTables,
  checks: checkTable,
  stalls: stallTable,
  'progress-lines': progressLines,
  'log-lines': logTable,
  profiles: profileTable,
  'request-limits': requestLimitTable
}

export interface Page {
  /** Relative to the repository. */
  readonly name: string
  readonly text: string
}

/** Pages of `docs/` that have generated blocks, as they are. Throws for a block that stands on no page. */
export function pagesAsTheyAre(): Page[] {
  const pages = readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => ({ name: `docs/${name}`, text: readFileSync(join(root, 'docs', name), 'utf8') }))
    .filter(({ text }) => blockNames(text).length > 0)
  const used = new Set(pages.flatMap(({ text }) => blockNames(text)))
  const unused = Object.keys(BLOCKS).filter((name) => !used.has(name))
  if (unused.length > 0) throw new Error(`no page of docs/ has the generated block ${unused.join(', ')}`)
  return pages
}

/** The same pages, with every block as the sources would have it now. */
export async function pagesAsTheyShouldBe(pages: readonly Page[] = pagesAsTheyAre()): Promise<Page[]> {
  const blocks = new Map<string, string>()
  for (const [name, make] of Object.entries(BLOCKS)) blocks.set(name, await make())
  return pages.map(({ name, text }) => ({ name, text: fillDefaults(fillBlocks(text, blocks), shownLimit) }))
}
