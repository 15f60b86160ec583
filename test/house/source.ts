// Rules of the house about imports and loops that neither the linter nor the cruiser can express.
import { join } from 'node:path'
import { repositoryFiles } from './files.ts'
import { readSource, type SourceFacts } from './syntax.ts'
import type { CheckResult } from './tool.ts'

const DOOR = /^src\/[^/]+\/index\.ts$/
const STREAM_ROOMS = /^src\/(p2p|exchange\/network)\//
const LIBP2P = /^(@libp2p\/|libp2p($|\/))/

/** One rule: which files it is for, and what is wrong with one of them, if anything is. */
interface Rule {
  readonly files: RegExp
  readonly problem: (facts: SourceFacts, name: string) => string | undefined
}

const RULES: readonly Rule[] = [
  {
    files: /^src\//,
    problem: ({ references }) =>
      first(references, ({ specifier }) => specifier.startsWith('#'), 'src imports by relative path, not')
  },
  {
    files: /^src\//,
    problem: ({ references }) =>
      first(references, ({ specifier }) => specifier.startsWith('../../../'), 'at most ../.. in src, not')
  },
  {
    files: /^(cmd|test)\/.*\.ts$/,
    problem: ({ references }) =>
      first(references, ({ specifier }) => /^(\.\.\/)+src\//.test(specifier), 'tests and cmd import #src/…, not')
  },
  {
    files: /^src\//,
    problem: ({ references }, name) =>
      DOOR.test(name)
        ? undefined
        : first(
            references,
            ({ kind, specifier }) => kind === 'export' && specifier.startsWith('.'),
            "only a room's index.ts passes on what other files export, here"
          )
  },
  {
    files: /^(src|cmd)\//,
    problem: ({ exportedWhole }) => {
      const own = exportedWhole.find((specifier) => specifier.startsWith('.') || specifier.startsWith('#'))
      return own === undefined ? undefined : `exports are named, not export * from ${own}`
    }
  },
  {
    files: /^(src|cmd)\//,
    problem: ({ computedImports }) =>
      computedImports === 0 ? undefined : 'import() takes a literal, so that layers and dead code can be seen'
  },
  {
    // A stream read this way buffers without limit; its events give back-pressure.
    files: STREAM_ROOMS,
    problem: ({ forAwaits, references }) =>
      forAwaits > 0 && references.some(({ specifier }) => LIBP2P.test(specifier))
        ? 'no for await beside libp2p: its streams are read by events'
        : undefined
  }
]

function first(
  references: SourceFacts['references'],
  wrong: (reference: SourceFacts['references'][number]) => boolean,
  text: string
): string | undefined {
  const found = references.find(wrong)
  return found === undefined ? undefined : `${text} ${found.specifier}`
}

/** Applies the rules to every source file that is not generated. */
export async function checkSource(root: string): Promise<CheckResult> {
  const names = (await repositoryFiles(root)).filter(
    (name) => /^(src|cmd|test)\/.*\.(ts|mjs)$/.test(name) && !/(^|\/)(generated|fixtures)\//.test(name)
  )
  const problems = names.flatMap((name) => {
    const facts = readSource(join(root, name))
    return RULES.filter(({ files }) => files.test(name))
      .map(({ problem }) => problem(facts, name))
      .filter((text) => text !== undefined)
      .map((text) => `${name}: ${text}`)
  })
  if (names.length === 0) problems.push('no source file was read')
  return { summary: `${names.length} files, ${RULES.length} rules`, problems }
}
