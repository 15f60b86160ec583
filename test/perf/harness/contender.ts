import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../../bin/node-settings.mjs'
import type { ListenInput, WantInput } from '../peers/commands.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BOXO_FOLDER = join(ROOT, 'test', 'interop', 'boxo-peer')
const BOXO_BINARY = join(ROOT, 'test', 'interop', 'bin', 'boxo-peer')
/** Where the packages of contenders in JavaScript that are not ours lie. */
export const HELIA_FOLDER = join(ROOT, 'test', 'interop', 'helia-peer')

/** What a node process is started with, here as in production. */
const ENVIRONMENT = { ...NODE_ENVIRONMENT, NODE_COMPILE_CACHE: join(ROOT, '.cache', 'compile') }

export interface Launch {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** An implementation with its settings. */
export interface Contender {
  readonly name: string
  readonly version: string
  launch(options: LaunchOptions): Launch
  readonly listen: ListenInput
  /** What its wants need beside the CIDs. */
  readonly want: Pick<WantInput, 'session' | 'inFlight'>
}

export interface LaunchOptions {
  /** Another program than the contender's own, of `test/perf/peers`; at the lowest priority, as if on a machine of its own. */
  readonly hostile?: boolean
  /** Core to stay on; no other when undefined. */
  readonly core: number | undefined
  readonly nodeFlags: readonly string[]
}

export interface LeftOut {
  readonly name: string
  readonly reason: string
}

export function isLeftOut(contender: Contender | LeftOut): contender is LeftOut {
  return 'reason' in contender
}

export const CONTENDERS = [
  'sealsync',
  'classic',
  'boxo',
  'boxo-shared',
  'boxo-patient',
  'helia',
  'helia-tuned'
] as const
export type ContenderName = (typeof CONTENDERS)[number]

/** Makes a contender ready: built, installed. What cannot be had here is left out with a reason. */
export async function prepare(name: ContenderName): Promise<Contender | LeftOut> {
  switch (name) {
    case 'sealsync':
      return sealsync('sealsync', 'assigned')
    case 'classic':
      return sealsync('classic', 'classic')
    case 'boxo':
      return boxo(name, {}, { session: 'each' })
    case 'boxo-shared':
      return boxo(name, {}, { session: 'shared' })
    case 'boxo-patient':
      return boxo(name, { patient: true }, { session: 'each' })
    case 'helia':
      return helia(name, { flags: [], environment: {} })
    case 'helia-tuned':
      return helia(name, { flags: NODE_FLAGS, environment: ENVIRONMENT })
  }
}

/** `taskset` keeps a process on one core, so that a receiver's figure is one core's. */
function pinned(launch: Launch, core: number | undefined): Launch {
  if (core === undefined) return launch
  return { ...launch, file: 'taskset', args: ['-c', String(core), launch.file, ...launch.args] }
}

export function canPin(): boolean {
  return (
    availableParallelism() > 1 && (process.env['PATH'] ?? '').split(':').some((at) => existsSync(join(at, 'taskset')))
  )
}

async function sealsync(name: string, policy: 'assigned' | 'classic'): Promise<Contender> {
  const { version } = readJson(join(ROOT, 'package.json')) as { version: string }
  const peers = await bundledPeers()
  return {
    name,
    version: `sealsync ${version}`,
    launch: ({ core, nodeFlags, hostile = false }) => {
      const node = [process.execPath, ...NODE_FLAGS, ...nodeFlags, hostile ? peers.hostile : peers.own]
      const [file = '', ...args] = hostile ? ['nice', '-n', '19', ...node] : node
      return pinned({ file, args, env: ENVIRONMENT }, core)
    },
    listen: { policy },
    want: {}
  }
}

interface BundledPeers {
  readonly own: string
  readonly hostile: string
}

let bundled: Promise<BundledPeers> | undefined

/** Our peer as it ships: in one bundle with its hostile twin. Within the repository, where it finds the packages that stay outside. */
function bundledPeers(): Promise<BundledPeers> {
  const folder = join(ROOT, '.cache', 'bench', String(process.pid))
  bundled ??= (async () => {
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const sources = ['sealsync-peer.ts', 'hostile-peer.ts'].map((file) => join(ROOT, 'test', 'perf', 'peers', file))
    const script = join(ROOT, 'build', 'build.mjs')
    const { code, output } = await run(process.execPath, [script, '--outdir', folder, ...sources], ROOT)
    if (code !== 0) throw new Error(`our peer cannot be bundled: ${output.trim()}`)
    return { own: join(folder, 'sealsync-peer.js'), hostile: join(folder, 'hostile-peer.js') }
  })()
  return bundled
}

/**
 * Whether Go's peer can be had without waiting for downloads: built already, or with a Go whose module cache has boxo. Building
 * it takes a minute or two the first time.
 */
export async function boxoIsNear(): Promise<boolean> {
  if (existsSync(BOXO_BINARY)) return true
  const { code, output } = await run('go', ['env', 'GOMODCACHE'], BOXO_FOLDER)
  if (code !== 0) return false
  const wanted = /github\.com\/ipfs\/boxo (v\S+)/.exec(readFileSync(join(BOXO_FOLDER, 'go.mod'), 'utf8'))?.[1] ?? ''
  return existsSync(join(output.trim(), 'github.com', 'ipfs', `boxo@${wanted}`))
}

/** Go's peer; built when there is a Go, or there already. Gives its path, or why it cannot be had. */
async function buildBoxoPeer(): Promise<{ readonly path: string } | { readonly reason: string }> {
  const built = await run('go', ['build', '-trimpath', '-o', BOXO_BINARY, '.'], BOXO_FOLDER)
  if (built.code === 0 || (built.code === undefined && existsSync(BOXO_BINARY))) return { path: BOXO_BINARY }
  if (built.code === undefined) return { reason: 'there is no Go to build it with' }
  return { reason: `go build failed: ${built.output.trim().split('\n').at(-1) ?? ''}` }
}

async function boxo(name: string, listen: ListenInput, want: Contender['want']): Promise<Contender | LeftOut> {
  const peer = await buildBoxoPeer()
  if ('reason' in peer) return { name, reason: peer.reason }
  const { output } = await run(peer.path, ['--version'], ROOT)
  return {
    name,
    version: output.trim(),
    launch: ({ core }) =>
      pinned({ file: peer.path, args: [], env: core === undefined ? {} : { GOMAXPROCS: '1' } }, core),
    listen,
    want
  }
}

/** Several contenders may need the packages at the same time: they are installed once. */
let installing: ReturnType<typeof run> | undefined

/** The version of one of the packages beside Helia's peer, all of which are installed when it is not there; or why it cannot be had. */
export async function beside(name: string): Promise<{ readonly version: string } | { readonly reason: string }> {
  const installed = join(HELIA_FOLDER, 'node_modules', name, 'package.json')
  if (installing !== undefined || !existsSync(installed)) {
    installing ??= run('npm', ['ci', '--no-progress', '--ignore-scripts'], HELIA_FOLDER)
    const { code, output } = await installing
    if (code !== 0) return { reason: `its packages cannot be installed: ${output.trim().split('\n').at(-1) ?? ''}` }
  }
  return readJson(installed) as { version: string }
}

/** `helia` as its users start it, or with what our nodes are started with: a larger young generation does it good as well. */
async function helia(
  name: string,
  start: { readonly flags: readonly string[]; readonly environment: Readonly<Record<string, string>> }
): Promise<Contender | LeftOut> {
  const bitswap = await beside('@helia/bitswap')
  if ('reason' in bitswap) return { name, reason: bitswap.reason }
  const libp2p = createRequire(join(HELIA_FOLDER, 'package.json')).resolve('libp2p')
  return {
    name,
    version: `@helia/bitswap ${bitswap.version}, libp2p ${versionBeside(libp2p)}`,
    launch: ({ core, nodeFlags }) =>
      pinned(
        {
          file: process.execPath,
          args: [...start.flags, ...nodeFlags, join(HELIA_FOLDER, 'peer.mjs')],
          env: start.environment
        },
        core
      ),
    listen: {},
    // More at a time makes it slower: it runs through all its wants for every block.
    want: { inFlight: 64 }
  }
}

/** The version of the package that a file belongs to. */
function versionBeside(file: string): string {
  const folder = file.slice(0, file.lastIndexOf('/dist/'))
  return (readJson(join(folder, 'package.json')) as { version: string }).version
}

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))

/** Runs to the end; `code` is undefined when there is no such program. */
function run(
  file: string,
  args: readonly string[],
  cwd: string
): Promise<{ code: number | undefined; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (text) => (output += text))
    child.stderr.on('data', (text) => (output += text))
    child.once('error', () => resolve({ code: undefined, output }))
    child.once('exit', (code) => resolve({ code: code ?? 1, output }))
  })
}
