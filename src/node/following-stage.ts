import {
  type AnnounceClient,
  createAnnounceClient,
  createAnnounceMetrics,
  defaultAnnounceOptions
} from '../p2p/index.ts'
import { Downloader, isMalformed } from '../execution-data/index.ts'
import {
  AnnouncementsFeed,
  type AnnouncementTransport,
  createFeedMetrics,
  defaultFlowAccessOptions,
  FileFeed,
  FlowAccessFeed,
  loadAccessHosts,
  type SealedBlockFeed
} from '../feed/index.ts'
import {
  createProgressReporter,
  createRequester,
  createRequesterMetrics,
  defaultProgressReporterOptions,
  type FailureKind,
  type Requester,
  type RequesterOptions
} from '../requester/index.ts'
import { StoreError } from '../store/index.ts'
import { TrackerError } from '../tracker/index.ts'
import { type ContentCheck, createContentCheck, createNoContentCheck } from './content-check.ts'
import type { NodeContext } from './context.ts'
import type { NodeData } from './data-stage.ts'
import type { DiskWatch } from './disk-watch.ts'
import type { ExecutionDataReading } from './execution-data-reading.ts'
import type { NodeJob } from './job.ts'
import { MissingBlobs } from './missing-blobs.ts'
import type { NodeNetwork } from './network-stage.ts'
import type { PublicSide } from './public-stage.ts'
import { duplicateFigures, type JobStatus } from './status.ts'

export interface JobParts {
  readonly data: NodeData
  readonly network: NodeNetwork
  readonly reading: ExecutionDataReading
  /** At an access node that serves observers. */
  readonly publicSide?: PublicSide | undefined
  readonly disk: DiskWatch
}

/** A block announced live is in few hands; one that is replayed, or read from a file, is everywhere. */
const TEMPERATURE = { live: 'hot', other: 'cold' } as const

/** The job of an access node: feed → requester → downloader → exchange. Adds its services, and the host's, to the stack. */
export async function createFollowing(context: NodeContext, parts: JobParts): Promise<NodeJob> {
  const { services, logger, clock, rng, register } = context
  const { data, network, disk } = parts
  const feed = await createFeed(context, parts)
  const missing = new MissingBlobs()
  const downloader = createDownloader(context, { ...parts, missing })
  const requester = createRequester(
    {
      feed,
      tracker: data.tracker,
      progress: data.progress,
      download: (block, options) => downloader.download(block, options),
      decode: contentCheck(context, parts.reading),
      classify: (error) => classifyFailure(error, disk),
      missing: (height) => missing.of(height),
      fetching: () => (disk.ok ? context.memory.fetching() : 'none'),
      wantState: (cid) => network.exchange.wantState(cid),
      metrics: createRequesterMetrics(register),
      logger: logger.child('requester'),
      clock,
      rng
    },
    requesterOptions(context)
  )
  services.add('requester', requester)
  services.add('progress', progressLines(context, { network, requester }))
  return followingJob({ requester, data })
}

function contentCheck({ config, metrics, logger }: NodeContext, { store }: ExecutionDataReading): ContentCheck {
  const log = logger.child('execution-data')
  if (config.checkContent === 'all') return createContentCheck({ store, metrics, logger: log })
  log.info({}, 'sync.check-content is none: blocks count as soon as they are stored, and are not decoded first')
  return createNoContentCheck(metrics)
}

/** The feed listens before the network starts; announcements are asked for after it. */
async function createFeed(context: NodeContext, { network, publicSide }: JobParts): Promise<SealedBlockFeed> {
  const { config, services, logger, clock, rng, register } = context
  const log = logger.child('feed')
  const metrics = createFeedMetrics(register)
  if (config.feed.kind === 'file') {
    const feed = new FileFeed({ clock, metrics }, { path: config.feed.path, follow: config.feed.follow })
    services.add('feed', feed)
    services.add('host', network.host)
    return feed
  }
  if (config.feed.kind === 'flow-access') {
    const hosts = await loadAccessHosts(config.feed.hosts, defaultFlowAccessOptions)
    const feed = new FlowAccessFeed({ hosts, clock, rng, log, metrics }, { quorum: config.feed.quorum })
    services.add('host', network.host)
    services.add('feed', feed)
    return feed
  }
  const client = createAnnounceClient(
    {
      host: network.host,
      table: network.announcers,
      clock,
      rng,
      log: logger.child('announce'),
      metrics: createAnnounceMetrics(register)
    },
    defaultAnnounceOptions
  )
  const transport = publicSide === undefined ? client : relaying(client, publicSide)
  const feed = new AnnouncementsFeed(
    { transport, clock, rng, log, metrics },
    { ...context.rooms.feed, quorum: config.feed.quorum }
  )
  services.add('feed', feed)
  services.add('host', network.host)
  services.add('announce', client)
  return feed
}

/** What is handed to the feed is also passed on to the observers. */
function relaying(client: AnnounceClient, publicSide: PublicSide): AnnouncementTransport {
  return {
    listen: (handlers) =>
      client.listen({
        onAnnouncement(from, announcement, live) {
          handlers.onAnnouncement(from, announcement, live)
          publicSide.relay(from.signer, announcement)
        },
        onAnnouncer: (peer, offered) => handlers.onAnnouncer(peer, offered),
        onAnnouncerGone: (peer) => handlers.onAnnouncerGone(peer)
      }),
    announcers: () => client.announcers(),
    stakedAnnouncerCount: () => client.stakedAnnouncerCount(),
    request: (peer, from, to) => client.request(peer, from, to)
  }
}

function createDownloader(context: NodeContext, parts: JobParts & { readonly missing: MissingBlobs }): Downloader {
  const { data, network, reading, missing } = parts
  const isObserver = context.config.role === 'observer'
  return new Downloader(
    {
      openSession(block) {
        // An observer is connected to none of the announcers: its blobs are where its access nodes have them.
        const isHot = block.live === true && !isObserver
        const session = network.exchange.createSession({
          ...(block.origins === undefined || isObserver ? {} : { origins: block.origins }),
          temperature: isHot ? TEMPERATURE.live : TEMPERATURE.other
        })
        return missing.watch(block.height, session)
      },
      blockstore: data.blockstore,
      onStored(cid) {
        network.exchange.notifyNewBlobs([cid])
        parts.publicSide?.exchange.notifyNewBlobs([cid])
      },
      logger: context.logger.child('execution-data'),
      metrics: reading.metrics,
      clock: context.clock
    },
    context.rooms.executionData
  )
}

/** Errors of download, tracking and decode: what halts the height, what ends the node; the rest is asked for again. */
function classifyFailure(error: unknown, disk: Pick<DiskWatch, 'noteFull'>): FailureKind {
  if (isMalformed(error)) return 'malformed'
  if (error instanceof TrackerError) {
    if (error.code === 'blobs-gone') return 'transient'
    return error.code === 'too-many-cids' ? 'malformed' : 'fatal'
  }
  // More waits for the disk than may: it is taken again when the disk has caught up.
  if (error instanceof StoreError && error.code === 'disk-full') return disk.noteFull() ? 'transient' : 'fatal'
  if (error instanceof StoreError) return error.code === 'overloaded' ? 'transient' : 'fatal'
  return 'transient'
}

function requesterOptions({ config, rooms }: NodeContext): RequesterOptions {
  const start = config.startHeight
  return {
    ...rooms.requester,
    startHeight: start === undefined ? undefined : 'height' in start ? start.height : start,
    maxSearchAhead: config.searchAhead.heights,
    maxInFlightBytes: config.searchAhead.bytes,
    unsettledAfterMs: config.unsettledAfterMs,
    checkpointEveryMs: config.checkpointEveryMs
  }
}

function progressLines(context: NodeContext, parts: { readonly network: NodeNetwork; readonly requester: Requester }) {
  const { clock, logger, probe } = context
  const { host, exchange } = parts.network
  return createProgressReporter(
    {
      clock,
      logger: logger.child('sync'),
      read: () => {
        const { feed, consecutive, stall } = parts.requester.status()
        const peers = host.peerStatuses()
        const { duplicateRatio } = duplicateFigures(exchange.status().payloadBytes)
        return {
          feed,
          consecutive,
          stall,
          peers: { connected: peers.filter((peer) => peer.connected).length, known: peers.length },
          duplicateRatio,
          rssBytes: probe.read().rssBytes
        }
      }
    },
    defaultProgressReporterOptions
  )
}

function followingJob({ requester, data }: { readonly requester: Requester; readonly data: NodeData }): NodeJob {
  const status = (): JobStatus => {
    const all = requester.status()
    return {
      heights: {
        feed: all.feed ?? null,
        highest: all.highest ?? null,
        consecutive: all.consecutive ?? null,
        lowest: all.lowest ?? null,
        prunedTo: data.tracker.prunedTo ?? null
      },
      stall: all.stall,
      announceToStoredMs: all.announceToStoredMs,
      sync: {
        notified: all.notified ?? null,
        inProgress: all.inProgress,
        halted: all.halted,
        haltedCount: all.haltedCount,
        unobtainable: all.unobtainable,
        notificationWaitsFor: all.notificationWaitsFor
      }
    }
  }
  return {
    status,
    doneWith: () => requester.notified,
    halted() {
      const halt = requester.status().halted[0]
      return halt === undefined ? undefined : { height: halt.height, reason: halt.message }
    },
    stall: () => requester.status().stall ?? undefined,
    lag() {
      const { feed, consecutive, lowest } = requester.status()
      const reached = consecutive ?? (lowest === undefined ? undefined : lowest - 1)
      return feed === undefined || reached === undefined ? undefined : Math.max(0, feed - reached)
    }
  }
}
