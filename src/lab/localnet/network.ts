import { type Clock, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import type { NodeProcess } from './node-process.ts'
import type { Relays } from './relays.ts'

/** A few at a time: a dozen Node processes that compile at once on 2 cores are all up later than in turn. */
const STARTS_AT_ONCE = 3
/** Connecting takes a moment; nodes that come late are dialled again after a back-off. */
const MESH_LIMIT_MS = 60_000
const MESH_LIMIT_PER_NODE_MS = 2_000
const MESH_POLL_MS = 100
/** Above the node's own limit for an orderly stop, so that its exit code says what went wrong. */
const STOP_LIMIT_MS = 40_000

export interface NetworkComponents {
  readonly clock: Clock
  readonly nodes: readonly NodeProcess[]
  readonly relays: Relays | undefined
}

/** Starts and stops the processes of a localnet. It signals processes by their own ids only. */
export class Network {
  readonly nodes: readonly NodeProcess[]
  readonly #clock: Clock
  readonly #relays: Relays | undefined
  readonly #onExit = (): void => this.kill()

  constructor(components: NetworkComponents) {
    this.#clock = components.clock
    this.nodes = components.nodes
    this.#relays = components.relays
  }

  /** Execution nodes that answer. */
  producers(): NodeProcess[] {
    return this.nodes.filter((node) => node.plan.role === 'execution' && node.answering)
  }

  /**
   * Starts everything and waits until each node answers. `onReady` is called for each. Throws what NodeProcess.ready throws, or
   * the signal's reason.
   */
  async start(options: { readonly signal: AbortSignal; readonly onReady: (node: NodeProcess) => void }): Promise<void> {
    // The last resort: a driver that ends in whatever way leaves no process behind.
    // First in line: what else is done at the end, such as removing data, is done when nobody writes any more.
    process.prependOnceListener('exit', this.#onExit)
    await this.#relays?.start(options)
    const failed = new AbortController()
    const signal = AbortSignal.any([options.signal, failed.signal])
    const waiting = [...this.nodes]
    const worker = async (): Promise<void> => {
      for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
        signal.throwIfAborted()
        await node.start()
        await node.ready({ signal })
        options.onReady(node)
      }
    }
    // One that fails ends the others, and only when all have ended nothing is started any more.
    const workers = Array.from({ length: STARTS_AT_ONCE }, () =>
      worker().catch((error: unknown) => failed.abort(error))
    )
    await Promise.all(workers)
    signal.throwIfAborted()
  }

  /** Waits until every execution and access node is connected with every other. Throws LabError `not-ready` or `node-died`. */
  async meshed(options: {
    readonly signal: AbortSignal
    readonly onProgress: (closed: number) => void
  }): Promise<void> {
    const members = this.nodes.filter((node) => node.plan.role !== 'observer')
    const until = this.#clock.now() + MESH_LIMIT_MS + MESH_LIMIT_PER_NODE_MS * members.length
    const wanted = members.length - 1
    while (true) {
      const counts = await Promise.all(members.map((node) => connectionsOf(node, options.signal)))
      options.signal.throwIfAborted()
      await this.assertAlive()
      const closed = counts.filter((count) => count >= wanted).length
      options.onProgress(closed)
      if (closed === members.length) return
      if (this.#clock.now() > until) {
        const open = members.flatMap((node, at) =>
          (counts[at] ?? 0) < wanted ? [`${node.plan.name} has ${counts[at]}`] : []
        )
        throw new LabError('not-ready', `the mesh did not close: ${open.join(', ')} of ${wanted} connections`)
      }
      await sleep(this.#clock, MESH_POLL_MS, options.signal)
    }
  }

  /** Throws LabError `node-died` when a node ended that should run. */
  async assertAlive(): Promise<void> {
    const dead = this.nodes.find((node) => node.died)
    if (dead !== undefined) throw await dead.deathReport()
  }

  /** Asks every process to end, waits, and kills what does not. Gives the relay's CPU time, if there is one. */
  async stop(options: { readonly onLate: (node: NodeProcess) => void }): Promise<number | undefined> {
    await Promise.all(this.nodes.map((node) => this.#stopNode(node, options.onLate)))
    const cpuSeconds = await this.#relays?.stop()
    process.off('exit', this.#onExit)
    return cpuSeconds
  }

  /** Ends everything at once. */
  kill(): void {
    for (const node of this.nodes) node.end('SIGKILL')
    this.#relays?.kill()
  }

  async #stopNode(node: NodeProcess, onLate: (node: NodeProcess) => void): Promise<void> {
    if (!node.running) return
    const timer = this.#clock.setTimer(STOP_LIMIT_MS, () => {
      onLate(node)
      node.end('SIGKILL')
    })
    node.end('SIGTERM')
    await node.ended()
    timer.cancel()
  }
}

async function connectionsOf(node: NodeProcess, signal: AbortSignal): Promise<number> {
  try {
    return (await node.status({ signal })).connections
  } catch {
    return 0
  }
}
