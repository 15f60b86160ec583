import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CONFIG_KEYS } from '#src/node/config/keys.ts'
import { loadConfig } from '#src/node/config/load.ts'
import { root, sourceFiles } from '../../build/docs/source-facts.ts'
import { codeLines, commandTree, faultOf, npmScripts, shownCalls } from './docs-commands.ts'
import { brokenLinks } from './docs-links.ts'

const PAGES = [
  'README.md',
  'DESIGN.md',
  'AGENTS.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
]
const textOf = (page: string): string => readFileSync(join(root, page), 'utf8')

describe('links', () => {
  it('of the documents lead somewhere', () => {
    assert.deepEqual(
      PAGES.flatMap((page) => brokenLinks(root, page)),
      []
    )
  })

  it('that are broken are found', () => {
    const folder = mkdtempSync(join(tmpdir(), 'links-'))
    try {
      writeFileSync(join(folder, 'two.md'), '# Exit codes, all\n')
      const text =
        '[a](two.md) [b](two.md#exit-codes-all) [c](three.md) [d](two.md#exit) [e](../x.md) [f](https://a.b/c)\n'
      writeFileSync(join(folder, 'one.md'), `${text}\`[g](four.md)\`\n`)
      assert.deepEqual(brokenLinks(folder, 'one.md'), [
        'one.md: three.md is not there',
        'one.md: two.md#exit has no such heading',
        'one.md: ../x.md leads out of the repository'
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('commands', async () => {
  const program = await commandTree()
  const calls = PAGES.flatMap((page) => shownCalls(page, textOf(page)))

  it('that the documents show exist, with the flags they are given', () => {
    assert.deepEqual(
      calls.map((call) => faultOf(program, call)).filter((fault) => fault !== undefined),
      []
    )
    assert.ok(calls.length > 30, `only ${calls.length} calls were found`)
  })

  it('that do not exist are found', () => {
    const faults = shownCalls(
      'one.md',
      'Say `sealsync begin` or `sealsync status --loud`.\n```\nsealsync run --data-dir a \\\n  --rol b &\nsealsync config show --origin > f\n```\n'
    ).map((call) => faultOf(program, call))
    assert.deepEqual(faults, [
      "one.md:3: 'sealsync run' has no flag --rol",
      undefined,
      "one.md:1: there is no command 'sealsync begin'",
      "one.md:1: 'sealsync status' has no flag --loud"
    ])
  })

  it('of npm are scripts of the project', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { readonly scripts: Readonly<Record<string, string>> }
    const shown = PAGES.flatMap((page) => npmScripts(textOf(page)).map((name) => ({ page, name })))
    assert.deepEqual(
      shown.filter(({ name }) => scripts[name] === undefined),
      []
    )
    assert.ok(shown.length > 10, `only ${shown.length} scripts were found`)
    assert.deepEqual(npmScripts('npm ci && npm test, npm run -s docs'), ['docs', 'test'])
  })

  it('in the tables of settings are flags of run', () => {
    const run = program.commands.find((command) => command.name() === 'run')
    const flags = run?.options.map(({ long }) => long) ?? []
    assert.deepEqual(
      CONFIG_KEYS.filter(({ flag }) => !flags.includes(`--${flag}`)).map(({ flag }) => flag),
      []
    )
  })

  it('flags named in the prose of the operators’ pages exist somewhere', () => {
    const known = new Set(allOptions(program))
    const foreign = new Set(['--help', '--global'])
    const named = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/benchmarks.md').flatMap((page) =>
      [...textOf(page).matchAll(/`(--[a-z][a-z-]+)/g)].map(([, flag = '']) => flag)
    )
    assert.deepEqual(
      named.filter((flag) => !known.has(flag) && !foreign.has(flag)),
      []
    )
  })
})

function allOptions(command: Awaited<ReturnType<typeof commandTree>>): string[] {
  return [...command.options.map(({ long }) => long ?? ''), ...command.commands.flatMap((of) => allOptions(of))]
}

describe('configuration files that the documents show', () => {
  const files = PAGES.flatMap((page) => tomlBlocks(textOf(page)).map((text) => ({ page, text })))

  it('are taken as they stand', () => {
    assert.ok(files.length >= 3, `only ${files.length} were found`)
    for (const { page, text } of files) assert.doesNotThrow(() => load(text), `${page}: ${text.slice(0, 60)}`)
  })

  it('would be refused with a key that does not exist', () => {
    assert.throws(() => load('[node]\nrol = "access"\n'), /unknown key 'node\.rol'/)
  })
})

function tomlBlocks(text: string): string[] {
  return [...text.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
}

function load(text: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'config-'))
  try {
    const path = join(folder, 'config.toml')
    writeFileSync(path, text)
    loadConfig({ flags: {}, env: {}, file: { path, required: true } })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('log lines that the documents quote', () => {
  const quoted = PAGES.flatMap((page) => codeLines(textOf(page)))
    .filter(({ text }) => text.startsWith('{"level"'))
    .map(({ text }) => JSON.parse(text) as { readonly level: number; readonly room: string; readonly msg: string })
  const sources = sourceFiles('src').map((file) => readFileSync(join(root, file), 'utf8'))

  it('are still written by something', () => {
    assert.ok(quoted.length > 10, `only ${quoted.length} were found`)
    assert.deepEqual(
      quoted.map(({ msg }) => msg).filter((msg) => !sources.some((source) => source.includes(`'${msg}'`))),
      []
    )
  })
})

describe('code lines', () => {
  it('are joined where they go on', () => {
    assert.deepEqual(codeLines('a\n```\nb \\\n  c\nd\n```\ne\n'), [
      { line: 3, text: 'b   c', language: '' },
      { line: 5, text: 'd', language: '' }
    ])
  })
})
