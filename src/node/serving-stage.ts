import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AdminListener,
  type ApiMetrics,
  type ExecutionDataReaderComponents,
  type ListenerComponents,
  type AdminRoute,
  ApiListener,
  type BoundAddress,
  createAdminRoutes,
  createApiMetrics,
  ExecutionDataReader,
  type HealthInputs,
  healthChecks,
  MetricsListener
} from '../api/index.ts'
import { PUBLIC_EXECUTION_DATA_PREFIX } from '../exchange/index.ts'
import { isLogLevel } from '../log/index.ts'
import type { ExecutionDataReading } from './execution-data-reading.ts'
import type { Service } from '../util/index.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import type { NodeJob } from './job.ts'
import { DiskWatch, defaultDiskWatchOptions, diskRoomOf } from './disk-watch.ts'
import { EXCHANGE_PROTOCOL, type NodeNetwork } from './network-stage.ts'
import type { PublicSide } from './public-stage.ts'
import { peersReport, type StatusComponents, statusReport } from './status.ts'
import { requestLimits } from './request-limits.ts'
import { prunePorts } from './pruning-stage.ts'
import type { Pruner, Verifier } from '../pruner/index.ts'
import { dbPorts } from './store-check.ts'
import type { WindingDown } from './wind-down-stage.ts'
import { revision, version } from './version.ts'

/** What keeps the node's data in order. */
export interface AttachedParts {
  readonly pruner: Pruner
  readonly windingDown: WindingDown
  readonly verifier: Verifier
}

/** Where a running node is reached; also in `addresses.json` of its data directory. */
export interface NodeAddresses {
  /** Multiaddrs with the peer id. */
  readonly p2p: readonly string[]
  /** Where observers connect, at an access node that serves them. */
  readonly public?: readonly string[]
  /** `host:port` */
  readonly metrics: string | null
  readonly api: string | null
}

export interface Serving {
  readonly metrics: MetricsListener
  readonly api: ApiListener
  readonly admin: Service
  /** Writes `addresses.json` when everything listens, removes it when the node stops. */
  readonly addressFile: Service
  readonly disk: DiskWatch
  /** Bytes that clients of the API and operators were sent since the start: the metrics listener's are not load. */
  readonly sentBytes: number
  /** The job exists only after the network, the metrics listener is wanted before: until then the status says so. */
  attach(job: NodeJob, parts: AttachedParts): void
  /** Health answers 503 from now on. */
  stopping(): void
  addresses(): NodeAddresses
}

export interface ServingComponents {
  readonly context: NodeContext
  readonly data: NodeData
  readonly network: NodeNetwork
  readonly reading: ExecutionDataReading
  readonly publicSide: PublicSide | undefined
  readonly requestStop: () => void
}

/** Metrics and health, the API, the admin socket. */
export function createServing(components: ServingComponents): Serving {
  return new NodeServing(components)
}

class NodeServing implements Serving {
  readonly metrics: MetricsListener
  readonly api: ApiListener
  readonly admin: Service
  readonly addressFile: Service
  readonly disk: DiskWatch
  readonly #components: ServingComponents
  readonly #status: Omit<StatusComponents, 'job'>
  #job: NodeJob | undefined
  #parts: AttachedParts | undefined
  #started = false
  #stopping = false
  #sentBytes = 0

  constructor(components: ServingComponents) {
    this.#components = components
    const { context } = components
    const metrics = createApiMetrics(context.register)
    const shared = { clock: context.clock, logger: context.logger.child('api'), metrics }
    const counted = {
      ...shared,
      onSent: (bytes: number): void => {
        this.#sentBytes += bytes
      }
    }
    const reader = this.#readerComponents(metrics)
    this.#status = statusComponents(components)
    this.metrics = this.#metricsListener(shared)
    this.api = new ApiListener(
      {
        ...counted,
        reader: new ExecutionDataReader(reader, context.rooms.api.reader),
        blobs: components.data.warehouse,
        account: reader.account
      },
      { ...context.rooms.api.api, ...context.config.apiAddress }
    )
    this.admin = this.#adminService(counted, new ExecutionDataReader(reader, context.rooms.api.adminReader))
    this.addressFile = this.#addressFileService()
    this.disk = new DiskWatch(
      {
        disk: diskRoomOf(context.config.dataDir),
        clock: context.clock,
        metrics: context.metrics,
        logger: context.logger.child('disk')
      },
      defaultDiskWatchOptions
    )
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  attach(job: NodeJob, parts: AttachedParts): void {
    this.#job = job
    this.#parts = parts
  }

  stopping(): void {
    this.#stopping = true
  }

  addresses(): NodeAddresses {
    const { network, publicSide } = this.#components
    return {
      p2p: network.host.addresses(),
      ...(publicSide === undefined ? {} : { public: publicSide.host.addresses() }),
      metrics: hostPort(this.metrics.address),
      api: hostPort(this.api.address)
    }
  }

  async #report(): Promise<object> {
    const job = this.#job
    return job === undefined
      ? { running: true, starting: true }
      : { ...(await statusReport({ ...this.#status, job: () => job.status() })), ...this.#upkeep() }
  }

  #upkeep(): object {
    const { pruner, windingDown, verifier } = this.#parts ?? {}
    return { pruner: pruner?.status(), windDown: windingDown?.status(), verify: verifier?.status() }
  }

  #healthInputs(): HealthInputs {
    const { data, network } = this.#components
    const { host } = network
    const peers = host.peerStatuses()
    const stall = this.#job?.stall()
    return {
      databaseOpen: data.open,
      peersConnected: peers.filter((peer) => peer.connected).length,
      peersExpected: peers.length,
      lag: this.#job?.lag(),
      stall:
        stall === undefined
          ? undefined
          : {
              ...stall,
              lastAnswerMsAgo: stall.lastAnswerMsAgo ?? undefined,
              nextTryMs: stall.nextTryMs ?? undefined
            },
      halted: this.#job?.halted(),
      stopping: this.#stopping,
      windingDown: this.#parts?.windingDown.reason,
      admitted: network.isAdmitted(),
      diskOk: this.disk.ok
    }
  }

  #metricsListener(shared: ListenerComponents): MetricsListener {
    const { config, register, rooms } = this.#components.context
    return new MetricsListener(
      {
        ...shared,
        register,
        checks: () => healthChecks(this.#healthInputs(), rooms.api.health),
        started: () => this.#started,
        stopping: () => this.#stopping,
        status: () => this.#report()
      },
      { ...rooms.api.metrics, ...config.metricsAddress }
    )
  }

  #readerComponents(metrics: ApiMetrics): ExecutionDataReaderComponents {
    const { context, data, reading } = this.#components
    return {
      tracker: data.tracker,
      feedHighest: () => this.#job?.status().heights.feed ?? undefined,
      ...reading.ports,
      metrics,
      account: context.budget.account('api')
    }
  }

  /** The routes depend on the job, which is attached before anything starts. */
  #adminService(shared: ListenerComponents, reader: ExecutionDataReader): Service {
    const { config, rooms } = this.#components.context
    const options = { ...rooms.api.admin, dataDir: config.dataDir, fallbackDir: tmpdir() }
    let listener: AdminListener | undefined
    return {
      start: async () => {
        listener = new AdminListener({ ...shared, routes: this.#adminRoutes(reader) }, options)
        await listener.start()
      },
      stop: async () => {
        await listener?.stop()
      }
    }
  }

  #adminRoutes(reader: ExecutionDataReader): AdminRoute[] {
    const { data, context, requestStop } = this.#components
    const ingest = this.#job?.ingest
    const parts = this.#parts
    return createAdminRoutes({
      status: () => this.#report(),
      peers: async () => ({ peers: peersReport(this.#status) }),
      setLogLevel: (level, room) => isLogLevel(level) && context.logger.setLevel(level, room),
      stop: requestStop,
      tracker: data.tracker,
      reader,
      ...(ingest === undefined ? {} : { ingest }),
      ...(parts === undefined
        ? {}
        : {
            prune: prunePorts(parts.pruner, context.logger.child('pruner')),
            windDown: (order) => parts.windingDown.order(order),
            db: dbPorts(data, parts.verifier)
          })
    })
  }

  #addressFileService(): Service {
    const path = join(this.#components.context.config.dataDir, 'addresses.json')
    return {
      start: async () => {
        const addresses = this.addresses()
        await writeFile(path, `${JSON.stringify(addresses)}\n`)
        this.#started = true
        this.#components.context.logger.child('node').info(addresses, 'the node runs')
      },
      stop: () => rm(path, { force: true })
    }
  }
}

function statusComponents({
  context,
  data,
  network,
  reading,
  publicSide
}: ServingComponents): Omit<StatusComponents, 'job'> {
  return {
    config: context.config,
    version: version(),
    revision: revision(),
    nodeId: network.self.nodeId,
    host: network.host,
    exchangeProtocol: context.config.role === 'observer' ? PUBLIC_EXECUTION_DATA_PREFIX : EXCHANGE_PROTOCOL,
    exchange: network.exchange,
    publicSide,
    blockstore: data.blockstore,
    presentAtStart: data.presentAtStart,
    refetched: async () => (await reading.metrics.refetchedBlobs.get()).values[0]?.value ?? 0,
    budget: context.budget,
    requestLimits: requestLimits(context.rooms),
    pressure() {
      const { limitBytes, unaccountedBytes, level } = context.memory.watch.reading
      return { limitBytes, unaccountedBytes, pressure: level }
    },
    probe: context.probe,
    clock: context.clock,
    startedAtMs: context.clock.now()
  }
}

function hostPort(address: BoundAddress | undefined): string | null {
  if (address === undefined) return null
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}
