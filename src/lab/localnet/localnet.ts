/**
 * A staked network of real processes on loopback, from its keys to its report:
 *
 *   prepare (folders, ports, keys, identity table) → start → full mesh → blocks at a rate, faults half way → every live access node
 *   has caught up → quiet time → every block of every live access node compared, bit for bit → stop → report
 *
 * Whatever goes wrong on the way becomes a reason in the report; every process that was started is ended, also when the driver is.
 * A run is ok only when there is no reason against it.
 */
import { cpus, totalmem } from 'node:os'
import { messageOf, sleep } from '../../util/index.ts'
import { LabError } from '../errors.ts'
import type { LocalnetOptions } from '../options.ts'
import type { NetworkComponents } from './components.ts'
import { strike, type Restart } from './faults.ts'
import { Feeder, type FedBlock } from './feeder.ts'
import { LabHttp } from './http.ts'
import { NodeMonitor } from './monitor.ts'
import { Network } from './network.ts'
import { NodeProcess } from './node-process.ts'
import { execArguments, runArguments } from './plan.ts'
import { type PreparedNetwork, prepareNetwork } from './prepare.ts'
import type { Progress } from './progress.ts'
import { Relays } from './relays.ts'
import { buildReport, type LocalnetReport } from './report.ts'
import type { ResourceFigures } from './resources.ts'
import { Sampler } from './sampler.ts'
import { Samples } from './samples.ts'
import type { BlockSource } from './source.ts'
import { verifyBlocks } from './verdict.ts'
import { RowMaker } from './view.ts'

export interface LocalnetComponents extends NetworkComponents {
  readonly progress: Progress
}

/** A network in which no access node gained a height for so long has stopped. */
const STALLED_AFTER_MS = 60_000
const CATCH_UP_POLL_MS = 250

export class Localnet {
  readonly #components: LocalnetComponents
  readonly #options: LocalnetOptions
  readonly #source: BlockSource
  readonly #http = new LabHttp()
  readonly #rows = new RowMaker()
  readonly #reasons: string[] = []
  /** What nodes did not keep up with, though nothing went wrong. */
  readonly #shortfalls: string[] = []
  readonly #startedAtMs: number
  readonly #startedAt: string
  #fed: readonly FedBlock[] = []
  #phase = 'starting'
  #restarts: Restart[] = []
  readonly #samples: Samples
  #striking: Promise<void> | undefined

  constructor(
    components: LocalnetComponents,
    options: { readonly localnet: LocalnetOptions; readonly source: BlockSource }
  ) {
    this.#components = components
    this.#options = options.localnet
    this.#source = options.source
    this.#samples = new Samples({ clock: components.clock, blocks: () => this.#fed.length })
    this.#startedAtMs = components.clock.now()
    this.#startedAt = new Date(components.clock.wallNow()).toISOString()
  }

  /**
   * Runs to the end. The first abort of `signal` ends the workload (or the start) and goes on to the report. Throws LabError
   * `bad-option` when the run cannot begin.
   */
  async run(options: { readonly signal: AbortSignal }): Promise<LocalnetReport> {
    const prepared = await prepareNetwork(this.#components, this.#options)
    const { clock } = this.#components
    const relays =
      this.#options.delayMs > 0
        ? new Relays({ clock }, { delayMs: this.#options.delayMs, ports: prepared.ports })
        : undefined
    const network = new Network({ clock, nodes: this.#makeNodes(prepared), relays })
    const monitors = network.nodes.map((node) => new NodeMonitor({ clock }, node))
    const sampler = new Sampler({ clock, onSample: () => this.#show(sampler) }, monitors)
    let relayCpuSeconds: number | undefined
    let resources: ReadonlyMap<NodeMonitor, ResourceFigures> = new Map()
    try {
      sampler.start()
      await this.#stages({ network, sampler, prepared, signal: options.signal })
    } catch (error) {
      this.#fail(error)
    } finally {
      await this.#striking
      await this.#samples.stop()
      await sampler.stop()
      this.#phase = 'stopping'
      relayCpuSeconds = await network.stop({
        onLate: ({ plan }) => this.#shortfalls.push(`${plan.name} did not stop in time and was killed`)
      })
      this.#http.close()
      resources = await readResources(monitors)
      await prepared.cleanUp()
    }
    this.#judgeExits(network)
    return this.#report(sampler, { relayCpuSeconds, resources })
  }

  #makeNodes({ nodes, paths }: PreparedNetwork): NodeProcess[] {
    const { clock, launcher } = this.#components
    const shared = { options: this.#options, paths, firstHeight: this.#source.firstHeight }
    return nodes.map(
      (plan) =>
        new NodeProcess(
          { clock, http: this.#http },
          { plan, launch: { launcher, args: runArguments(plan, shared), execArgv: execArguments(plan, this.#options) } }
        )
    )
  }

  async #stages(run: {
    network: Network
    sampler: Sampler
    prepared: PreparedNetwork
    signal: AbortSignal
  }): Promise<void> {
    const { network, sampler, signal } = run
    await this.#bringUp(network, signal)
    sampler.markMesh()
    await sampler.scrapeAll('mesh')
    await this.#feed(run)
    await this.#catchUp(sampler)
    await sampler.scrapeAll('caughtUp')
    await this.#quiet(sampler, signal)
    await sampler.freeze()
    await this.#verify(network, signal)
  }

  async #bringUp(network: Network, signal: AbortSignal): Promise<void> {
    const { progress } = this.#components
    const count = network.nodes.length
    let up = 0
    progress.note(`starting ${count} nodes`)
    await network.start({
      signal,
      onReady: ({ plan, addresses }) => {
        up += 1
        progress.note(`${plan.name} is up (${up}/${count}), metrics http://${addresses?.metrics}/metrics`)
      }
    })
    this.#phase = 'connecting'
    await network.meshed({ signal, onProgress: (closed) => (this.#phase = `connecting ${closed}/${count}`) })
    progress.note('every node is connected with every other')
  }

  async #feed(run: {
    network: Network
    sampler: Sampler
    prepared: PreparedNetwork
    signal: AbortSignal
  }): Promise<void> {
    const { clock, ingest } = this.#components
    const { network, sampler, prepared, signal } = run
    const { rate, forMs } = this.#options
    this.#phase = 'syncing'
    if (this.#options.retention !== undefined) this.#samples.start(sampler.monitors)
    const halfWay = this.#halfWay(clock.now())
    const onBlock = (fed: readonly FedBlock[]): void => {
      this.#fed = fed
      if (halfWay(fed.length)) this.#striking ??= this.#strike(sampler, signal)
    }
    const feeder = new Feeder(
      { clock, ingest, targets: () => network.producers(), onBlock },
      { source: this.#source, blockList: prepared.paths.blockList, rate, forMs }
    )
    await feeder.run({ signal })
    await sampler.markLastBlock()
    const { total } = this.#source
    if (signal.aborted && total !== undefined && this.#fed.length < total) {
      this.#reasons.push(`interrupted after ${this.#fed.length} of ${total} blocks`)
    }
    await this.#striking
  }

  /** True once half of the blocks or of the time is over; never when the run has no end. */
  #halfWay(fromMs: number): (blocks: number) => boolean {
    const { clock } = this.#components
    const { total = Number.POSITIVE_INFINITY } = this.#source
    const { forMs = Number.POSITIVE_INFINITY } = this.#options
    return (blocks) => blocks >= Math.ceil(total / 2) || clock.now() - fromMs >= forMs / 2
  }

  async #strike(sampler: Sampler, signal: AbortSignal): Promise<void> {
    const { clock, progress } = this.#components
    try {
      this.#restarts = await strike(
        {
          clock,
          monitors: sampler.monitors,
          note: (line) => progress.note(line),
          head: () => this.#fed.at(-1)?.height
        },
        { signal }
      )
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Waits until each access node that answers has every block, or nothing moves any more. */
  async #catchUp(sampler: Sampler): Promise<void> {
    const { clock } = this.#components
    const last = this.#fed.at(-1)?.height
    if (last === undefined) return
    this.#phase = 'catching up'
    let best = -1
    let movedAtMs = clock.now()
    while (true) {
      await sampler.lookAtAll()
      const behind = sampler.monitors.filter(
        ({ node, status }) => judged(node) && (status?.heights.consecutive ?? -1) < last
      )
      if (behind.length === 0) return
      const progress = behind.reduce(
        (sum, { status }) => sum + (status?.heights.consecutive ?? 0) + (status?.payloadBytes.useful ?? 0),
        0
      )
      if (progress !== best) movedAtMs = clock.now()
      best = progress
      if (clock.now() - movedAtMs > STALLED_AFTER_MS) {
        for (const monitor of behind) this.#shortfalls.push(behindReason(monitor, last))
        return
      }
      await sleep(clock, CATCH_UP_POLL_MS)
    }
  }

  async #quiet(sampler: Sampler, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#options.quietMs === 0) return
    this.#phase = 'quiet'
    try {
      await sleep(this.#components.clock, this.#options.quietMs, signal)
      await sampler.lookAtAll()
      for (const monitor of sampler.monitors) monitor.markQuietEnd()
      await sampler.scrapeAll('quiet')
    } catch {
      // Interrupted: the report has no idle figures, everything else is known.
    }
  }

  async #verify(network: Network, signal: AbortSignal): Promise<void> {
    const nodes = network.nodes.filter((node) => judged(node))
    const { clock, progress } = this.#components
    if (this.#fed.length === 0) this.#reasons.push('no block was given')
    if (nodes.length === 0) this.#reasons.push('no access node is left to be checked')
    const { retention } = this.#options
    const fed = retention === undefined ? this.#fed : this.#fed.slice(-retention)
    progress.note(`comparing ${fed.length} blocks on ${nodes.length} access nodes`)
    const { wrong, lacking } = await verifyBlocks({ clock, http: this.#http }, nodes, {
      fed,
      // The interrupt that ended the workload is no reason not to look at what came of it.
      signal: signal.aborted ? new AbortController().signal : signal,
      onProgress: (share) => (this.#phase = `comparing ${Math.floor(share * 100)}%`),
      ...(this.#options.verifyMs === undefined ? {} : { limitMs: this.#options.verifyMs })
    })
    this.#reasons.push(...wrong)
    this.#shortfalls.push(...lacking)
  }

  #fail(error: unknown): void {
    this.#reasons.push(messageOf(error))
    const lines = error instanceof LabError ? error.details['lastLines'] : undefined
    if (Array.isArray(lines)) for (const line of lines) this.#components.progress.note(`  | ${line}`)
  }

  #judgeExits(network: Network): void {
    for (const node of network.nodes) {
      const { exit, plan, died } = node
      const told = [...this.#reasons, ...this.#shortfalls].some((reason) => reason.startsWith(`${plan.name} `))
      if (exit === undefined || told) continue
      if (died)
        this.#reasons.push(
          `${plan.name} ended with ${exit.signal ?? `exit code ${exit.code}`} though nobody asked it to`
        )
      // One that is ended on its way up has no say yet in how.
      else if (node.up && exit.code !== 0)
        this.#reasons.push(`${plan.name} did not stop cleanly: ${exit.signal ?? `exit code ${exit.code}`}`)
    }
  }

  #show(sampler: Sampler): void {
    const { clock, progress } = this.#components
    const height = this.#fed.at(-1)?.height
    progress.update({
      phase: this.#phase,
      elapsedMs: clock.now() - this.#startedAtMs,
      blocks: this.#fed.length,
      blocksTotal: this.#source.total,
      height,
      rows: this.#rows.rows(sampler.monitors, clock.now(), height)
    })
  }

  #report(
    sampler: Sampler,
    seen: {
      readonly relayCpuSeconds: number | undefined
      readonly resources: ReadonlyMap<NodeMonitor, ResourceFigures>
    }
  ): LocalnetReport {
    const { clock, build } = this.#components
    const { user, system } = process.cpuUsage()
    for (const { node, runs } of sampler.monitors) {
      const refetched = runs.reduce((sum, run) => sum + run.refetched, 0)
      if (refetched > 0)
        this.#reasons.push(`${node.plan.name} received ${refetched} blobs again that it had acknowledged`)
    }
    return buildReport({
      options: this.#options,
      reasons: [...this.#reasons, ...this.#shortfalls],
      measured: this.#reasons.length === 0,
      ...build,
      startedAt: this.#startedAt,
      machine: {
        cpus: cpus().length,
        memoryBytes: totalmem(),
        node: process.version,
        platform: `${process.platform}-${process.arch}`
      },
      source: this.#source.name,
      firstHeight: this.#source.firstHeight,
      fed: this.#fed,
      wallSeconds: (clock.now() - this.#startedAtMs) / 1000,
      monitors: sampler.monitors,
      steadyRate: (monitor) => sampler.steadyRate(monitor),
      resources: (monitor) => seen.resources.get(monitor),
      restarts: this.#restarts,
      samples: this.#samples.taken,
      driver: { cpuSeconds: (user + system) / 1e6, relayCpuSeconds: seen.relayCpuSeconds ?? null }
    })
  }
}

/** Before the logs go. */
async function readResources(monitors: readonly NodeMonitor[]): Promise<ReadonlyMap<NodeMonitor, ResourceFigures>> {
  const read = await Promise.all(monitors.map(async (monitor) => [monitor, await monitor.resources()] as const))
  return new Map(read.flatMap(([monitor, figures]) => (figures === undefined ? [] : [[monitor, figures] as const])))
}

/** Access nodes and observers that answer must hold everything; silent ones are only reported. */
const judged = (node: NodeProcess): boolean => node.plan.role !== 'execution' && node.answering

function behindReason({ node, status }: NodeMonitor, last: number): string {
  const stall = status?.stall
  const what =
    stall === undefined ? '' : `, waiting for ${stall.cid} of height ${stall.height} (${stall.askedPeers} peers asked)`
  return `${node.plan.name} stands at height ${status?.heights.consecutive ?? '-'} of ${last} and moved no more${what}`
}
