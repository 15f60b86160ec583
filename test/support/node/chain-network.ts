/** A staked network of real processes that holds the fixture chain: one or more execution nodes that have it, access nodes that fetch it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chainBlockList, chainFixture, freePort, lastJson, RunningNode, sealsync, until } from './cli.ts'

/** Heights of the fixture chain. */
export const CHAIN = { first: 1_000_000, last: 1_000_071 } as const

export interface ChainNetworkPlan {
  /** Folder for the data directories. */
  readonly home: string
  readonly executions: number
  /** Name of each access node, and what `run` gets beside the usual flags. */
  readonly access: Readonly<Record<string, readonly string[]>>
  /** How long the access nodes may take until they hold the chain, ms. */
  readonly limitMs?: number
}

export interface ChainNetwork {
  /** The access nodes by name. */
  readonly access: ReadonlyMap<string, RunningNode>
  stop(): Promise<void>
}

/** Resolves when every access node holds the chain and all are connected with all. Whatever was started is stopped when that fails. */
export async function startChainNetwork(plan: ChainNetworkPlan): Promise<ChainNetwork> {
  const executions = Array.from({ length: plan.executions }, (_, at) => `execution-${at + 1}`)
  const names = [...executions, ...Object.keys(plan.access)]
  const identities = join(plan.home, 'identities.json')
  const entries: { readonly Address: string }[] = []
  for (const name of names) entries.push(await initialised(join(plan.home, name), roleOf(name, executions)))
  writeFileSync(identities, JSON.stringify(entries))
  const feed = ['--feed', `file:${chainBlockList}`]
  for (const name of executions) {
    lastJson(await sealsync(['import', '--data-dir', join(plan.home, name), ...feed, '--json', chainFixture]))
  }
  const nodes = new Map<string, RunningNode>()
  const stop = async (): Promise<void> => {
    await Promise.all([...nodes.values()].map((node) => node.stop()))
  }
  try {
    for (const [at, name] of names.entries()) {
      const own = plan.access[name] ?? [...feed, '--follow']
      nodes.set(
        name,
        new RunningNode(join(plan.home, name), [
          ...['--identities', identities, '--p2p-address', entries[at]?.Address ?? ''],
          ...['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0', '--log-format', 'json'],
          ...(name in plan.access ? ['--start-height', String(CHAIN.first)] : []),
          ...own
        ])
      )
    }
    const access = new Map([...nodes].filter(([name]) => name in plan.access))
    for (const node of access.values()) {
      const synced = async (): Promise<boolean> => {
        const status = await node.status()
        return status?.heights.consecutive === CHAIN.last && status.connections === names.length - 1
      }
      await until(node, synced, plan.limitMs)
    }
    return { access, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const roleOf = (name: string, executions: readonly string[]): string =>
  executions.includes(name) ? 'execution' : 'access'

async function initialised(dataDir: string, role: string): Promise<{ readonly Address: string }> {
  const address = `127.0.0.1:${await freePort()}`
  return lastJson(await sealsync(['init', '--data-dir', dataDir, '--role', role, '--address', address, '--json']))
}
