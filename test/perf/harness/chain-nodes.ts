import { execFile } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { LabHttp } from '#src/lab/localnet/http.ts'
import { NodeProcess } from '#src/lab/localnet/node-process.ts'
import type { Height, NodeRole, PeerIdText } from '#src/model/index.ts'
import { systemClock } from '#src/util/index.ts'

const LAUNCHER = fileURLToPath(new URL('../../../bin/sealsync.mjs', import.meta.url))
/** What a data directory has beside its keys. */
export const DATA = ['blobs', 'db'] as const

/** A node of the product's own, with its keys and its folder. */
export interface ChainNode {
  readonly name: string
  readonly role: NodeRole
  readonly dataDir: string
  readonly port: number
  readonly peerId: PeerIdText
  /** Its entry in the identity table. */
  readonly entry: { readonly NetworkPubKey: string }
}

/** What all nodes of a network are started with. */
export interface ChainSettings {
  readonly directory: string
  readonly identities: string
  readonly first: Height
  readonly security: 'tls' | 'noise'
  readonly http: LabHttp
}

export async function initNode(
  directory: string,
  { name, role, port }: { readonly name: string; readonly role: NodeRole; readonly port: number }
): Promise<ChainNode> {
  const dataDir = join(directory, name)
  await mkdir(dataDir)
  const entry = JSON.parse(
    await sealsync('init', '--data-dir', dataDir, '--role', role, '--address', `127.0.0.1:${port}`, '--json')
  ) as ChainNode['entry']
  const { peerId } = JSON.parse(await sealsync('identity', '--data-dir', dataDir, '--json')) as { peerId: PeerIdText }
  return { name, role, dataDir, port, peerId, entry }
}

/** Leaves a node its keys. */
export async function empty({ dataDir }: ChainNode): Promise<void> {
  for (const part of DATA) await rm(join(dataDir, part), { recursive: true, force: true })
}

/** `prefix`: a command that runs the node in its own place. */
export function nodeProcess(
  { directory, identities, first, security, http }: ChainSettings,
  {
    node,
    feed,
    prefix = [],
    flags: more = {}
  }: {
    readonly node: ChainNode
    readonly feed: string
    readonly prefix?: readonly string[]
    readonly flags?: Readonly<Record<string, string>>
  }
): NodeProcess {
  const { name, role, dataDir, peerId, port } = node
  const address = `127.0.0.1:${port}`
  const flags = {
    '--data-dir': dataDir,
    '--role': role,
    '--identities': identities,
    '--p2p-address': address,
    '--metrics-address': '127.0.0.1:0',
    '--api-address': '127.0.0.1:0',
    '--security': security,
    '--start-height': String(first),
    '--log-format': 'json',
    ...more
  }
  const follow = feed.startsWith('file:') ? ['--follow'] : []
  return new NodeProcess(
    { clock: systemClock, http },
    {
      plan: {
        ...{ name, role, dataDir, peerId, routing: 'none', policy: 'assigned', fault: 'none' },
        ...{ settings: {}, arm: 'a' },
        public: undefined,
        ...{ listenAddress: address, dialAddress: address, logFile: join(directory, `${name}.log`) }
      },
      launch: { launcher: LAUNCHER, prefix, args: ['run', '--feed', feed, ...follow, ...Object.entries(flags).flat()] }
    }
  )
}

export async function endAll(nodes: readonly NodeProcess[]): Promise<void> {
  for (const node of nodes) node.end('SIGTERM')
  await Promise.all(nodes.map((node) => node.ended()))
}

export async function pause(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise((resolve) => setTimeout(resolve, 50))
}

export async function sealsync(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [LAUNCHER, ...args], { maxBuffer: 64 * 1024 * 1024 })
  return stdout
}
