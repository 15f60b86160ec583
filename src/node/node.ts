import type { RootLogger } from '../log/index.ts'
import { createProcessProbe, createRegistry, registerBuildInfo } from '../metrics/index.ts'
import { databaseDirectory } from '../store/index.ts'
import { messageOf, type Service, systemClock, systemRng } from '../util/index.ts'
import type { NodeConfig } from './config/node-config.ts'
import type { NodeContext } from './context.ts'
import { type NodeData, openData } from './data-stage.ts'
import { createExecutionDataReading, type ExecutionDataReading } from './execution-data-reading.ts'
import { filePager } from './mapped-pages.ts'
import { createMemory, readMachineMemory } from './memory-stage.ts'
import { createNodeMetrics } from './metrics.ts'
import { heapTrimmer } from './native-heap.ts'
import { createNetwork, type NodeNetwork } from './network-stage.ts'
import { createObserverNetwork } from './observer-stage.ts'
import { createPreload } from './preload.ts'
import { createPublicSide, type PublicSide } from './public-stage.ts'
import { createServing, type NodeAddresses } from './serving-stage.ts'
import { roomOptions } from './profiles.ts'
import { ServiceStack } from './service-stack.ts'
import { revision, version } from './version.ts'
import { removeShed } from './wind-down-record.ts'
import { createWork } from './work-stage.ts'

/** A node, made and not yet started. */
export interface SealsyncNode {
  /** Throws the error of the first service that cannot start; what had started is stopped again. */
  start(): Promise<void>
  /** Idempotent, bounded step by step. Throws StopError `stop-timeout`. */
  stop(): Promise<void>
  /** Rejects with the first failure of a service. */
  readonly failed: Promise<never>
  /** Resolves when an operator asked the node to stop through its admin socket. */
  readonly stopRequested: Promise<void>
  addresses(): NodeAddresses
}

/**
 * Data → network → the node's job → listeners. Throws what the stages throw: StoreError, P2pError, NodeError; the data directory is
 * released then.
 */
export async function createNode(
  config: NodeConfig,
  components: { readonly logger: RootLogger }
): Promise<SealsyncNode> {
  const context = createContext(config, components.logger)
  const data = await openNodeData(context)
  context.memory.attach(data.warehouse)
  context.metrics.uncleanStart.set(data.directory.uncleanOwner === undefined ? 0 : 1)
  try {
    const network = await (config.role === 'observer' ? createObserverNetwork : createNetwork)(context, data)
    const publicSide = await publicSideOf(context, { data, network })
    const reading = readingOf(context, data)
    const parts = { data, network, reading, publicSide }
    const stopRequest = Promise.withResolvers<void>()
    const serving = createServing({ context, ...parts, requestStop: stopRequest.resolve })
    const { services } = context
    services.add('data', { start: () => Promise.resolve(), stop: () => data.close() })
    services.add('cache', data.warehouse)
    services.add('metrics', serving.metrics)
    services.add('memory', context.memory.watch)
    services.add(
      'idle',
      context.memory.idleWatch(() => movedBytes(parts) + serving.sentBytes)
    )
    services.add('disk', serving.disk)
    if (network.dht !== undefined) services.add('dht', network.dht)
    services.add('exchange', network.exchange)
    const windingDown = await createWork(context, { ...parts, serving, requestStop: stopRequest.resolve })
    for (const [name, service] of publicSide?.services ?? []) services.add(name, service)
    services.add('identities', network.identities)
    services.add('api', serving.api)
    services.add('admin', serving.admin)
    services.add('addresses', serving.addressFile)
    services.add('preload', preloadOf(context, data))
    return {
      start: () => services.start(),
      async stop() {
        serving.stopping()
        await services.stop()
        context.probe.stop()
        if (windingDown.shed !== undefined) await removeShed(config.dataDir, windingDown.shed)
      },
      failed: services.failed,
      stopRequested: stopRequest.promise,
      addresses: () => serving.addresses()
    }
  } catch (error) {
    await data.close()
    throw error
  }
}

function openNodeData(context: NodeContext): Promise<NodeData> {
  const { config } = context
  return openData(
    { ...context, account: context.budget.account('cache') },
    {
      dataDir: config.dataDir,
      cacheBytes: context.memory.plan.cacheBytes,
      cacheIdleMs: config.cache.idleMs,
      store: { ...context.rooms.store, indexEveryBytes: config.indexEveryBytes },
      database: context.rooms.database
    }
  )
}

function readingOf(context: NodeContext, data: NodeData): ExecutionDataReading {
  return createExecutionDataReading({
    // Whole blocks are read through, once: that must not flush what peers ask for.
    blockstore: data.warehouse.as('once'),
    derived: (root, make) => data.warehouse.derived(root, make),
    register: context.register,
    memory: context.budget.account('decode'),
    options: context.rooms.executionData
  })
}

function preloadOf(context: NodeContext, data: NodeData): Service {
  const { config, logger, memory } = context
  const { tracker, warehouse } = data
  return createPreload(
    { tracker, warehouse, logger: logger.child('store') },
    { heights: config.cache.preloadHeights, cacheBytes: memory.plan.cacheBytes }
  )
}

/** Bytes of blobs that peers sent and were sent. */
function movedBytes({
  network,
  publicSide
}: {
  readonly network: NodeNetwork
  readonly publicSide: PublicSide | undefined
}): number {
  const { received, sent } = network.exchange.status().payloadBytes
  return received + sent + (publicSide?.exchange.status().payloadBytes.sent ?? 0)
}

async function publicSideOf(
  context: NodeContext,
  { data, network }: { readonly data: NodeData; readonly network: NodeNetwork }
): Promise<PublicSide | undefined> {
  const settings = context.config.public
  if (settings === undefined || network.key === undefined) return undefined
  return createPublicSide(context, { data, key: network.key, settings })
}

/** Only a process that was started with `--expose-gc`, as the launcher does, can be asked for it. */
function collect(flavor: 'regular' | 'last-resort'): void {
  globalThis.gc?.({ type: 'major', flavor })
}

function createContext(config: NodeConfig, logger: RootLogger): NodeContext {
  const register = createRegistry()
  registerBuildInfo(register, {
    version: version(),
    revision: revision(),
    role: config.role,
    profile: config.profile,
    routing: config.routing,
    policy: config.policy,
    variant: config.variant
  })
  const clock = systemClock
  const memory = createMemory(config, {
    clock,
    register,
    logger: logger.child('budget'),
    readMachine: readMachineMemory,
    readResident: () => process.memoryUsage.rss(),
    collect,
    trim: heapTrimmer((cause) => {
      logger.child('budget').info({ error: messageOf(cause) }, 'freed memory stays with the process: no malloc_trim')
    }),
    pageOut: filePager(databaseDirectory(config.dataDir), (cause) => {
      logger.child('budget').info({ error: messageOf(cause) }, 'mapped pages stay with the process: no madvise')
    })
  })
  return {
    config,
    rooms: roomOptions(config.profile),
    clock,
    rng: systemRng,
    logger,
    register,
    budget: memory.budget,
    memory,
    probe: createProcessProbe(register),
    metrics: createNodeMetrics(register),
    services: new ServiceStack({ clock, logger: logger.child('node') })
  }
}
