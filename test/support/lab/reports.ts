import type { LocalnetReport, NodeReport } from '#src/lab/index.ts'
import type { LocalnetOptions } from '#src/lab/options.ts'

/** What a test's node used; the rest is the same everywhere. */
export interface NodeShape {
  readonly role?: 'access' | 'execution'
  readonly arm?: 'a' | 'b'
  readonly rssIdle?: number
  readonly useful?: number
  readonly duplicate?: number
  readonly cpuSeconds?: number
  readonly streamsPerSecond?: number
  readonly dhtRecords?: number
  readonly roundsEnded?: number
}

const MIB = 1_048_576

export function nodeReport(name: string, shape: NodeShape = {}): NodeReport {
  const { useful = 60 * MIB, duplicate = 0, rssIdle = 100 * MIB, streamsPerSecond = 0, dhtRecords } = shape
  const stream = { opened: streamsPerSecond * 20, openedPerSecond: streamsPerSecond }
  return {
    name,
    role: shape.role ?? 'access',
    peerId: 'Qm',
    pid: 1,
    routing: dhtRecords === undefined ? 'none' : 'dht',
    policy: 'assigned',
    arm: shape.arm ?? 'a',
    fault: 'none',
    ready: true,
    exitCode: 0,
    heights: { highest: 10, consecutive: 10 },
    payloadBytes: { received: useful + duplicate, useful, duplicate, partial: 0, sent: 0 },
    duplicateRatio: duplicate / useful,
    duplicateShareOfReceived: duplicate / (useful + duplicate),
    blobs: { received: 120, unique: 120 },
    wants: { sent: 120, cancelled: 0, hedged: 0, timedOut: 0 },
    streams: {
      opened: 4,
      inbound: 2,
      outbound: 2,
      openMax: 4,
      openedPerSecondSteady: streamsPerSecond,
      other: {}
    },
    connections: 9,
    rssBytes: { idle: rssIdle, peak: rssIdle * 2 },
    anonBytes: { idle: rssIdle / 2, peak: rssIdle },
    cpuSeconds: 9,
    eventLoopLagMs: { p99: 20 },
    resources: {
      windowSeconds: 20,
      cpuSeconds: shape.cpuSeconds ?? 3,
      heapBytes: { busy: 30 * MIB, idle: 30 * MIB },
      gcSeconds: 0.2,
      allocatedBytesPerSecond: 4 * MIB,
      messages: { received: 240, sent: 240 },
      wireBytes: { inbound: useful + duplicate, outbound: 0 },
      store: { reads: 5, writes: 120, cacheRequests: 100, cacheHits: 95 },
      downloads: 60,
      streams: [
        { protocol: 'execution-data-service/ipfs/bitswap/1.2.0', direction: 'outbound', ...stream },
        ...(dhtRecords === undefined
          ? []
          : [{ protocol: '/sealsync/dht/kad/1.0.0', direction: 'inbound', opened: 400, openedPerSecond: 20 }])
      ],
      dht:
        dhtRecords === undefined
          ? null
          : {
              messages: 800,
              additions: 300,
              additionKeys: 290,
              ownRecords: 120,
              providerRecords: dhtRecords,
              providerRecordBytes: dhtRecords * 100,
              provided: 120,
              reprovided: 40,
              reprovidedPerSecond: 2,
              reprovideBacklog: 19_000,
              rounds: { begun: 1, ended: shape.roundsEnded ?? 0, overtaken: 0 },
              queries: 160,
              lookups: 1,
              lookedUpBlocks: 0,
              routingTable: 9
            }
    }
  }
}

/** A report of a localnet in which everything went as it should, unless `change` says otherwise. */
export function localnetReport(
  nodes: readonly NodeReport[],
  options: Pick<LocalnetOptions, 'routing' | 'policy' | 'settings'>,
  change: Partial<LocalnetReport> = {}
): LocalnetReport {
  const useful = nodes.reduce((sum, node) => sum + node.payloadBytes.useful, 0)
  return {
    schema: 'sealsync.localnet/1',
    ok: true,
    reasons: [],
    measured: true,
    seed: 1,
    version: '1',
    revision: 'abc',
    startedAt: '2026-01-01T00:00:00.000Z',
    machine: { cpus: 2, memoryBytes: 8 * 1024 * MIB, node: 'v24', platform: 'linux-x64' },
    arm: { ...options, security: 'tls', profile: 'standard' },
    workload: {
      source: 'synthetic',
      blocks: 60,
      blobs: 120,
      bytes: 60 * MIB,
      blockRate: 3,
      delayMs: 10,
      firstHeight: 1,
      lastHeight: 60
    },
    wallSeconds: 50,
    nodes,
    totals: {
      duplicateRatio: 0,
      usefulBytes: useful,
      duplicateBytes: 0,
      producerUploadShare: 0.5,
      streamsOpenedPerSecondPerNode: 0
    },
    latencyMs: {
      announceToStored: { count: 100, p50: 80, p95: 120, p99: 150, p999: 200, max: 210, method: 'histogram' }
    },
    driver: { cpuSeconds: 1, relayCpuSeconds: 1 },
    ...change
  }
}
