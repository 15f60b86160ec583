import type { MemoryBudget } from '../budget/index.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { ProcessProbe } from '../metrics/index.ts'
import type { Height, NodeId, PeerIdText } from '../model/index.ts'
import type { Host } from '../p2p/index.ts'
import type { LatencySummary } from '../requester/index.ts'
import type { Blockstore } from '../store/index.ts'
import type { Clock } from '../util/index.ts'
import type { NodeConfig } from './config/node-config.ts'
import type { RequestLimit } from './request-limits.ts'

/** What the node's job (following or announcing) says of itself. */
export interface JobStatus {
  readonly heights: {
    readonly feed: Height | null
    readonly highest: Height | null
    readonly consecutive: Height | null
    readonly lowest: Height | null
    readonly prunedTo: Height | null
  }
  readonly stall: object | null
  readonly announceToStoredMs: LatencySummary
  /** Further facts of the job, shown as they are. */
  readonly sync: object
}

export interface StatusComponents {
  readonly config: NodeConfig
  readonly version: string
  readonly revision: string
  readonly nodeId: NodeId
  readonly host: Pick<Host, 'peerId' | 'streams' | 'peerStatuses'>
  /** Prefix of the protocol ids whose streams count as the exchange's. */
  readonly exchangeProtocol: string
  readonly exchange: Pick<Exchange, 'status'>
  /** At an access node that serves observers. */
  readonly publicSide: { readonly exchange: Pick<Exchange, 'status'>; readonly observers: () => number } | undefined
  readonly blockstore: Pick<Blockstore, 'stats'>
  /** Blobs in the store when the node started. */
  readonly presentAtStart: number
  readonly budget: MemoryBudget
  readonly requestLimits: readonly RequestLimit[]
  /** The pressure of memory, and what stands in no account. */
  readonly pressure: () => { readonly limitBytes: number; readonly unaccountedBytes: number; readonly pressure: string }
  readonly probe: ProcessProbe
  readonly job: () => JobStatus
  /** Blobs that were fetched although the store had them; 0 unless something is wrong. */
  readonly refetched: () => Promise<number>
  readonly clock: Clock
  readonly startedAtMs: number
}

/** The status report: what `GET /v1/status` and `status --json` give. */
export async function statusReport(components: StatusComponents): Promise<object> {
  const { config, exchange, budget, job, clock, publicSide } = components
  const exchanged = exchange.status()
  const { payloadBytes } = exchanged
  const process = components.probe.read()
  const { sync, ...jobStatus } = job()
  const peers = peersReport(components)
  return {
    running: true,
    version: components.version,
    revision: components.revision,
    role: config.role,
    profile: config.profile,
    routing: config.routing,
    policy: config.policy,
    variant: config.variant,
    peerId: components.host.peerId,
    nodeId: components.nodeId,
    uptimeSeconds: Math.round(clock.now() - components.startedAtMs) / 1000,
    heights: jobStatus.heights,
    blobs: components.blockstore.stats(),
    payloadBytes,
    ...duplicateFigures(payloadBytes),
    blobsExchanged: exchanged.blobs,
    wants: exchanged.wants,
    streams: { ...exchanged.streams, other: otherStreams(components) },
    messages: exchanged.messages,
    ...(publicSide === undefined
      ? {}
      : {
          public: {
            observers: publicSide.observers(),
            sentBytes: publicSide.exchange.status().payloadBytes.sent
          }
        }),
    connections: peers.filter((peer) => peer.connected).length,
    peers,
    memory: {
      rssBytes: process.rssBytes,
      anonBytes: process.anonBytes,
      fileBytes: process.fileBytes,
      budgetBytes: budget.totalBytes,
      accounts: budget.readings(),
      caps: budget.caps(),
      limits: components.requestLimits,
      ...components.pressure()
    },
    cpuSeconds: process.cpuSeconds,
    eventLoopLagMs: process.eventLoopLagMs,
    stall: jobStatus.stall,
    announceToStoredMs: jobStatus.announceToStoredMs,
    run: { presentAtStart: components.presentAtStart, refetched: await components.refetched() },
    sync
  }
}

export interface PeerReport {
  readonly peerId: PeerIdText
  readonly role: string
  readonly connected: boolean
  readonly rttMs: number | null
}

/** The staked peers; the exchange's own round trips, where it has measured them, are fresher than the keep-alive's. */
export function peersReport(components: Pick<StatusComponents, 'host' | 'exchange'>): PeerReport[] {
  const { rttMs } = components.exchange.status()
  return components.host.peerStatuses().map((peer) => ({ ...peer, rttMs: rttMs.get(peer.peerId) ?? peer.rttMs }))
}

/** (duplicate + partial) / useful, and duplicate over everything received: both forms of the contract. */
export function duplicateFigures(payload: {
  readonly received: number
  readonly useful: number
  readonly duplicate: number
  readonly partial: number
}): { readonly duplicateRatio: number; readonly duplicateShareOfReceived: number } {
  const waste = payload.duplicate + payload.partial
  return {
    // With nothing useful yet, any waste at all is as bad as can be, but a ratio has to be finite to be shown.
    duplicateRatio: payload.useful > 0 ? waste / payload.useful : waste > 0 ? 1 : 0,
    duplicateShareOfReceived: payload.received > 0 ? payload.duplicate / payload.received : 0
  }
}

function otherStreams({ host, exchangeProtocol }: StatusComponents): Record<string, { open: number; opened: number }> {
  const others: Record<string, { open: number; opened: number }> = {}
  for (const { protocol, open, opened } of host.streams()) {
    if (protocol.startsWith(exchangeProtocol)) continue
    const sum = others[protocol] ?? { open: 0, opened: 0 }
    others[protocol] = { open: sum.open + open, opened: sum.opened + opened }
  }
  return others
}
