// The layers of the house, by dependency-cruiser with the rules of `.dependency-cruiser.cjs`.
//
// A cruiser that reads nothing finds nothing and is green, which has happened to it with a compiler it does not know. So this
// check trusts it only as far as it can see: every import that a second reader finds in the syntax tree must be an edge of the
// cruised graph, and a layer violation and a cycle planted in a small tree must be found each time.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  cruise,
  type ICruiseOptions,
  type ICruiseResult,
  type IFlattenedRuleSet,
  type IModule
} from 'dependency-cruiser'
import { readSource } from './syntax.ts'
import './swc-visitor.ts'
import type { CheckResult } from './tool.ts'

interface Configuration {
  readonly forbidden: NonNullable<IFlattenedRuleSet['forbidden']>
  readonly options: ICruiseOptions
  readonly rooms: readonly string[]
}

const FOLDERS = ['src', 'cmd', 'bin', 'test', 'build']
const DHT = '@libp2p/kad-dht'

/** Cruises the tree, with the rules that lie at its root. */
export async function checkLayers(root: string): Promise<CheckResult> {
  const configuration = loadConfiguration(root)
  const result = await cruiseTree(root, configuration)
  const own = result.modules.filter(({ source }) => isOwn(source))
  const edges = own.reduce((sum, module) => sum + module.dependencies.length, 0)
  const problems = [
    ...violationsOf(result, configuration),
    ...unknownRooms(root, configuration.rooms),
    ...own.flatMap((module) => lostEdges(root, module)),
    ...dhtProblems(own)
  ]
  if (own.length === 0) problems.push('the cruiser read no module')
  problems.push(...(await plantedProblems(root, configuration)))
  return { summary: `${own.length} modules, ${edges} edges, planted violations found`, problems }
}

/** One line a violated rule and edge. */
function violationsOf(result: ICruiseResult, configuration: Configuration): string[] {
  const comments = new Map(configuration.forbidden.map(({ name, comment }) => [name, comment]))
  return result.summary.violations.map(({ from, to, rule, cycle }) => {
    const way = cycle === undefined ? to : cycle.map(({ name }) => name).join(' → ')
    return `${from} → ${way}: ${rule.name}, ${comments.get(rule.name) ?? ''}`
  })
}

/** The graph of what lies in the known folders below `root`. */
async function cruiseTree(root: string, configuration: Configuration): Promise<ICruiseResult> {
  const { forbidden, options } = configuration
  const folders = FOLDERS.filter((folder) => existsSync(join(root, folder)))
  const ruleSet = { forbidden: forbidden.map((rule) => ({ ...rule })) }
  const { output } = await cruise(folders, { ...options, baseDir: root, validate: true, ruleSet })
  if (typeof output === 'string') throw new Error('dependency-cruiser gave text instead of a graph')
  return output
}

function loadConfiguration(root: string): Configuration {
  return createRequire(join(root, 'package.json'))('./.dependency-cruiser.cjs') as Configuration
}

function isOwn(source: string): boolean {
  return FOLDERS.some((folder) => source.startsWith(`${folder}/`)) && /\.(ts|mjs|cjs|js)$/.test(source)
}

function unknownRooms(root: string, rooms: readonly string[]): string[] {
  return readdirSync(join(root, 'src'))
    .filter((name) => !rooms.includes(name))
    .map((name) => `src/${name}: not a room that .dependency-cruiser.cjs names`)
}

function lostEdges(root: string, module: IModule): string[] {
  // A built-in module is named without `node:`, unless it has that name only (`node:test`).
  const seen = new Set(module.dependencies.flatMap(({ protocol, module: name }) => [name, `${protocol ?? ''}${name}`]))
  return readSource(join(root, module.source))
    .references.filter(({ specifier }) => !seen.has(specifier))
    .map(({ specifier }) => `${module.source}: the cruiser does not see its import of ${specifier}`)
}

/** The DHT is loaded by one dynamic import in one file, so that a node without it does not carry it. */
function dhtProblems(modules: readonly IModule[]): string[] {
  const users = modules
    .filter(({ source }) => !source.startsWith('test/'))
    .flatMap(({ source, dependencies }) =>
      dependencies
        .filter((dependency) => dependency.module.startsWith(DHT))
        .map((dependency) => ({ source, dependency }))
    )
  const eager = users.filter(({ dependency }) => !dependency.dynamic && !isTypeOnly(dependency.dependencyTypes))
  return [
    ...(new Set(users.map(({ source }) => source)).size > 1
      ? [`${DHT} is imported by more than one file: ${users.map(({ source }) => source).join(', ')}`]
      : []),
    ...eager.map(({ source }) => `${source}: ${DHT} is loaded by dynamic import only`)
  ]
}

function isTypeOnly(types: readonly string[]): boolean {
  return types.includes('type-only') || types.includes('type-import')
}

const PLANTED: Readonly<Record<string, string>> = {
  'src/model/index.ts': "import type { Up } from '../p2p/index.ts'\nexport type Model = Up\n",
  'src/p2p/index.ts': 'export interface Up { readonly name: string }\n',
  'src/util/one.ts': "import type { Two } from './two.ts'\nexport interface One { readonly two?: Two }\n",
  'src/util/two.ts': "import type { One } from './one.ts'\nexport interface Two { readonly one?: One }\n",
  'test/edge.test.ts': "import type { Model } from '#src/model/index.ts'\nexport type Edge = Model\n"
}

async function plantedProblems(root: string, configuration: Configuration): Promise<string[]> {
  const planted = mkdtempSync(join(tmpdir(), 'layers-'))
  try {
    copyFileSync(join(root, 'package.json'), join(planted, 'package.json'))
    for (const [name, text] of Object.entries(PLANTED)) {
      mkdirSync(dirname(join(planted, name)), { recursive: true })
      writeFileSync(join(planted, name), text)
    }
    const result = await cruiseTree(planted, configuration)
    const rules = result.summary.violations.map(({ rule }) => rule.name)
    const edge = result.modules
      .find(({ source }) => source === 'test/edge.test.ts')
      ?.dependencies.some(({ resolved }) => resolved === 'src/model/index.ts')
    return [
      ...(rules.includes('room-model') ? [] : ['a planted layer violation was not found']),
      ...(rules.includes('no-cycle') ? [] : ['a planted cycle of types was not found']),
      ...(edge === true ? [] : ['an import by #src/ was not followed'])
    ]
  } finally {
    rmSync(planted, { recursive: true })
  }
}
