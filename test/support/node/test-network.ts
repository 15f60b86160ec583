import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import type { NodeIdentity } from '#src/model/index.ts'
import { parseIdentities } from '#src/p2p/index.ts'
import { toHex } from '#src/util/index.ts'
import { chainBlockList, chainFixture, freePort, lastJson, RunningNode, sealsync, temporaryDirectory } from './cli.ts'

/** Free ports and lines that a program reads. */
const LISTENERS = ['--metrics-address', '127.0.0.1:0', '--api-address', '127.0.0.1:0', '--log-format', 'json']

/** Somebody of the identity table whom the tests themselves play. */
export interface Played {
  readonly role: 'execution' | 'access'
  /** The public key's point: 64 bytes. */
  readonly point: Uint8Array
  /** `host:port`. */
  readonly address: string
}

/** The nodes of one suite of tests: their folder, their identity table and their processes, all of which go when the suite ends. */
export class TestNetwork {
  readonly #home = temporaryDirectory()
  readonly #running: RunningNode[] = []

  get path(): string {
    return this.#home.path
  }

  /** The identity table of everybody whom {@link init} made. */
  get identities(): string {
    return join(this.path, 'identities.json')
  }

  dataDir(name: string): string {
    return join(this.path, name)
  }

  /**
   * Makes a data directory for each node, of the role that stands beside its name, and the table of them and of those who are `played`.
   * Resolves with the table, in that order.
   */
  async init(
    nodes: Readonly<Record<string, 'execution' | 'access'>>,
    played: readonly Played[] = []
  ): Promise<readonly NodeIdentity[]> {
    const entries: unknown[] = []
    for (const [name, role] of Object.entries(nodes)) {
      const address = `127.0.0.1:${await freePort()}`
      const words = ['--data-dir', this.dataDir(name), '--role', role, '--address', address, '--json']
      entries.push(lastJson(await sealsync(['init', ...words])))
    }
    const text = JSON.stringify([...entries, ...played.map(entryOf)])
    writeFileSync(this.identities, text)
    return parseIdentities(text)
  }

  /** Puts the genuine blocks of the fixtures into a node that does not run; resolves with what `import` reports. */
  async importChain<T>(name: string): Promise<T> {
    const words = ['--data-dir', this.dataDir(name), '--feed', `file:${chainBlockList}`, '--json', chainFixture]
    return lastJson<T>(await sealsync(['import', ...words]))
  }

  /** `prefix`: words before the command, as a cgroup has them. */
  start(name: string, args: readonly string[], prefix: readonly string[] = []): RunningNode {
    const words = ['--identities', this.identities, ...args, ...LISTENERS]
    const node = new RunningNode(this.dataDir(name), words, { prefix })
    this.#running.push(node)
    return node
  }

  async close(): Promise<void> {
    for (const node of this.#running) await node.stop()
    this.#home.remove()
  }
}

const entryOf = ({ role, point, address }: Played): unknown => ({
  Role: role,
  Address: address,
  NodeID: createHash('sha256').update(point).digest('hex'),
  NetworkPubKey: toHex(point)
})

/** A network for the suite in which this is called. */
export function testNetwork(): TestNetwork {
  const network = new TestNetwork()
  after(() => network.close())
  return network
}
