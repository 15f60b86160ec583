// What the repository may hold: nothing of the machine it was written on, nothing too large, no lock that does not fit.
import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { repositoryFiles, textOf } from './files.ts'
import { lockProblems, type Lock, manifestProblems, type Manifest } from './packages.ts'
import { type CheckResult, run } from './tool.ts'

const MIB = 1024 * 1024
/** A clone takes seconds on a slow line up to here. */
const MAX_REPOSITORY_BYTES = 60 * MIB
/** Larger files are made by a script, or are fixtures. */
const MAX_FILE_BYTES = 5 * MIB

/** A pattern that no line of certain files may match, and what it tells. */
interface LineRule {
  readonly files: RegExp
  readonly pattern: RegExp
  readonly text: string
}

const CODE = /^(src|cmd|bin|test|build)\/.*\.(ts|mjs|cjs|js)$/
const FIXTURES = /^test\/fixtures\//

const LINE_RULES: readonly LineRule[] = [
  { files: /./, pattern: /(?<![\w.})$-])\/(?:work|root|home)\/\w/, text: 'a path of some machine' },
  {
    files: /./,
    pattern: /registry\.(?:npmjs|yarnpkg|npmmirror)\.|^\s*registry\s*=\s*["']?https?:|index[-]url|GO[P]ROXY/,
    text: 'an address of a package registry'
  },
  {
    files: /package-lock\.json$/,
    pattern: /^\s*"resolved":/,
    text: 'a download address; run `node build/complete-lock.mjs`'
  },
  {
    files: /^test\/.*\.(?:ts|mjs)$/,
    pattern: /\b(?:test|it|describe|suite|t)\.(?:only|skip|todo)\b|[{,]\s*(?:only|skip|todo):(?!\s*false\b)/,
    text: 'a test that does not run, or keeps others from running'
  },
  { files: CODE, pattern: /\b(?:TO[D]O|FIX[M]E)\b/, text: 'unfinished work' },
  {
    files: CODE,
    pattern: /(?:ox|es)lint[-]disable|biome[-]ignore|@ts[-](?:ignore|nocheck)/,
    text: 'a rule is switched off; the rules have no exceptions list'
  },
  { files: /^(package\.json|\.ci\/|test\/|build\/)/, pattern: /--test-force[-]exit/, text: 'a leaked handle must show' }
]

/** Looks at every file that is in the repository or about to be. */
export async function checkHygiene(root: string): Promise<CheckResult> {
  const names = await repositoryFiles(root)
  const sizes = new Map(names.map((name) => [name, statSync(join(root, name)).size]))
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  const stored = await storedBytes(root)
  const manifest = readJson(root, 'package.json') as Manifest
  const problems = [
    ...[...sizes]
      .filter(([name, size]) => size > MAX_FILE_BYTES && !FIXTURES.test(name))
      .map(([name, size]) => `${name}: ${mib(size)} is more than ${mib(MAX_FILE_BYTES)}`),
    ...(Math.max(total, stored) > MAX_REPOSITORY_BYTES
      ? [`the repository takes ${mib(Math.max(total, stored))}, more than ${mib(MAX_REPOSITORY_BYTES)}`]
      : []),
    ...manifestProblems(manifest, names),
    ...lockProblems(readJson(root, 'package-lock.json') as Lock, manifest),
    ...lineProblems(root, names, [...LINE_RULES, ...(await rulesOfThisMachine(root))])
  ]
  if (names.length === 0) problems.push('no file was read')
  return { summary: `${names.length} files, ${mib(total)}`, problems }
}

function lineProblems(root: string, names: readonly string[], rules: readonly LineRule[]): string[] {
  return names.flatMap((name) => {
    const applying = rules.filter(({ files }) => files.test(name))
    const text = FIXTURES.test(name) && statSync(join(root, name)).size > MIB ? undefined : textOf(root, name)
    if (text === undefined) return []
    return text
      .split('\n')
      .flatMap((line, at) =>
        applying
          .filter(({ pattern }) => pattern.test(line))
          .map(({ text: meaning }) => `${name}:${at + 1}: ${meaning}: ${line.trim().slice(0, 100)}`)
      )
  })
}

/** Where this tree lies, where its user lives, and which registry its packages came from. */
async function rulesOfThisMachine(root: string): Promise<readonly LineRule[]> {
  const npm = await run('npm', ['config', 'get', 'registry'], { cwd: root }).catch(() => undefined)
  const host = npm?.code === 0 && URL.canParse(npm.stdout.trim()) ? new URL(npm.stdout.trim()).host : ''
  const paths = [root.replace(/\/*$/, '/'), `${homedir()}/`].filter((path) => path.length > 3)
  return [
    ...paths.map((path) => ({ files: /./, pattern: literal(path), text: 'a path of this machine' })),
    ...(host === '' ? [] : [{ files: /./, pattern: literal(host), text: 'the registry that this machine uses' }])
  ]
}

function literal(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
}

/** Bytes that git keeps for everything that can be reached from here; 0 where there is no git. */
async function storedBytes(root: string): Promise<number> {
  const { code, stdout } = await run('git', ['rev-list', '--disk-usage', '--objects', 'HEAD'], { cwd: root })
  return code === 0 ? Number(stdout.trim()) : 0
}

function readJson(root: string, name: string): unknown {
  return JSON.parse(readFileSync(join(root, name), 'utf8'))
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}
