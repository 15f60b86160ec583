import { defaultExecutionDataOptions, readCar } from '../execution-data/index.ts'
import { createFeedMetrics, FileFeed } from '../feed/index.ts'
import {
  createAnnounceMetrics,
  createAnnounceServer,
  decodeSigned,
  defaultAnnounceOptions,
  encodeSigned,
  signAnnouncement
} from '../p2p/index.ts'
import {
  createProvider,
  createProviderMetrics,
  defaultProviderOptions,
  openAnnouncementLog,
  type Provider
} from '../provider/index.ts'
import type { NodeContext } from './context.ts'
import { NodeError } from './errors.ts'
import type { JobParts } from './following-stage.ts'
import { NO_LATENCY, type NodeJob } from './job.ts'

/** The job of an execution node: block list and ingested blobs → announcements. Adds its services, and the host's, to the stack. */
export async function createProducing(context: NodeContext, parts: JobParts): Promise<NodeJob> {
  const { config, services, logger, clock, rng, register } = context
  const { data, network, reading } = parts
  const { key } = network
  if (key === undefined) throw new NodeError('config', 'an execution node needs a staked key')
  if (config.feed.kind !== 'file') throw new NodeError('config', 'an execution node needs --feed file:PATH')
  const feed = new FileFeed(
    { clock, metrics: createFeedMetrics(register) },
    { path: config.feed.path, follow: config.feed.follow }
  )
  const metrics = createProviderMetrics(register)
  const log = await openAnnouncementLog(
    {
      space: data.directory.database.space('announcements'),
      encode: encodeSigned,
      decode: decodeSigned,
      prunedTo: () => data.tracker.prunedTo,
      metrics,
      logger: logger.child('provider')
    },
    defaultProviderOptions.log
  )
  const announce = await createAnnounceServer(
    {
      host: network.host,
      table: network.table,
      announcements: log,
      clock,
      log: logger.child('announce'),
      metrics: createAnnounceMetrics(register)
    },
    defaultAnnounceOptions
  )
  const provider = createProvider(
    {
      feed,
      putBlobs: (blobs) => data.blockstore.putMany(blobs),
      checkTree: (id, options) => reading.store.checkTree(id, options),
      tracker: data.tracker,
      log,
      sign: (announcement) => signAnnouncement(key, announcement),
      publish: (announcement) => announce.publish(announcement),
      notifyNewBlobs: (cids) => network.exchange.notifyNewBlobs(cids),
      metrics,
      logger: logger.child('provider'),
      clock,
      rng
    },
    defaultProviderOptions
  )
  services.add('feed', feed)
  services.add('host', network.host)
  services.add('announce', { start: () => Promise.resolve(), stop: async () => announce.stop() })
  services.add('provider', provider)
  return producingJob(provider, data)
}

function producingJob(provider: Provider, data: JobParts['data']): NodeJob {
  const stall = () => provider.status().stall ?? undefined
  return {
    status() {
      const { feed, highest, consecutive, lowest, waiting, ended } = provider.status()
      return {
        heights: {
          feed: feed ?? null,
          highest: highest ?? null,
          consecutive: consecutive ?? null,
          lowest: lowest ?? null,
          prunedTo: data.tracker.prunedTo ?? null
        },
        stall: stall() ?? null,
        announceToStoredMs: NO_LATENCY,
        sync: { waiting, ended }
      }
    },
    doneWith: () => provider.status().consecutive,
    halted: () => undefined,
    stall,
    lag() {
      const { feed, consecutive } = provider.status()
      return feed === undefined || consecutive === undefined ? undefined : Math.max(0, feed - consecutive)
    },
    async ingest(block, car, options) {
      const file = await readCar(car, defaultExecutionDataOptions)
      return provider.ingest(block, file.blobs, options)
    }
  }
}
