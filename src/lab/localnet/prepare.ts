import { rmSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { NodeRole, PeerIdText } from '../../model/index.ts'
import type { Rng } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import type { LocalnetOptions } from '../options.ts'
import { type NetworkPaths, type NodePlan, type NodePorts, nodeCount, planNodes, publicCount } from './plan.ts'
import { freePorts } from './ports.ts'

/** Makes a node's data directory and key; gives its entry of the identity table. */
export type InitNode = (options: {
  readonly dataDir: string
  readonly role: NodeRole
  readonly address: string
  readonly publicAddress?: string
}) => Promise<{ readonly entry: unknown; readonly peerId: PeerIdText }>

/** A node whose data directory and key are there. */
export interface PreparedNode extends NodePlan {
  readonly peerId: PeerIdText
}

export interface PreparedNetwork {
  readonly paths: NetworkPaths
  readonly ports: readonly NodePorts[]
  readonly nodes: readonly PreparedNode[]
  /** Removes what is not to be kept. */
  cleanUp(): Promise<void>
}

/** Where everything of the run goes. Throws LabError `bad-option` when `out` holds an earlier run. */
async function makePaths(options: LocalnetOptions): Promise<{ paths: NetworkPaths; temporary: string | undefined }> {
  const out = options.out === undefined ? undefined : resolve(options.out)
  if (out !== undefined) {
    await mkdir(out, { recursive: true })
    const left = (await readdir(out)).find((name) => /^(execution|access|observer)-\d+(\.log)?$/.test(name))
    if (left !== undefined)
      throw new LabError('bad-option', `--out ${out} holds an earlier run (${left}): give an empty folder`)
  }
  const temporary = options.keepData ? undefined : await mkdtemp(join(tmpdir(), 'sealsync-localnet-'))
  const dataRoot = temporary ?? out ?? tmpdir()
  const shared = out ?? dataRoot
  const paths = {
    dataRoot,
    logRoot: shared,
    identities: join(shared, 'identities.json'),
    blockList: join(shared, 'blocks.jsonl')
  }
  return { paths, temporary }
}

async function makePorts(options: LocalnetOptions, rng: Rng): Promise<NodePorts[]> {
  const count = nodeCount(options) + publicCount(options)
  const ports = await freePorts(options.delayMs > 0 ? 2 * count : count, rng)
  return Array.from({ length: count }, (_, at) => {
    const listen = ports[at] ?? 0
    return { listen, dial: options.delayMs > 0 ? (ports[count + at] ?? 0) : listen }
  })
}

/** Puts blobs and indexes of a stopped node in the place of those that were just made; the key stays. */
export async function copyHistory(from: string, to: string): Promise<void> {
  for (const name of ['db', 'blobs']) {
    await rm(join(to, name), { recursive: true, force: true })
    await cp(join(from, name), join(to, name), { recursive: true })
  }
}

/** Makes folders, keys, the identity table and an empty block list. Throws LabError `bad-option`, or what `initNode` throws. */
export async function prepareNetwork(
  components: { readonly rng: Rng; readonly initNode: InitNode },
  options: LocalnetOptions
): Promise<PreparedNetwork> {
  const { paths, temporary } = await makePaths(options)
  const onExit = (): void => {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  process.once('exit', onExit)
  const cleanUp = async (): Promise<void> => {
    process.off('exit', onExit)
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const ports = await makePorts(options, components.rng)
    const entries: unknown[] = []
    const nodes: PreparedNode[] = []
    for (const plan of planNodes(options, paths, ports)) {
      await mkdir(plan.dataDir, { recursive: true })
      const { entry, peerId } = await components.initNode({
        dataDir: plan.dataDir,
        role: plan.role,
        address: plan.dialAddress,
        ...(plan.public === undefined ? {} : { publicAddress: plan.public.dialAddress })
      })
      if (options.history !== undefined) await copyHistory(options.history, plan.dataDir)
      // observers need not be known to anybody
      if (plan.role !== 'observer') entries.push(entry)
      nodes.push({ ...plan, peerId })
    }
    await writeFile(paths.identities, `${JSON.stringify(entries, null, 2)}\n`)
    await writeFile(paths.blockList, '')
    return { paths, ports, nodes, cleanUp }
  } catch (error) {
    await cleanUp()
    throw error
  }
}
