import type { LocalnetReport, NodeReport } from '../localnet/report.ts'
import { median } from '../localnet/figures.ts'

/** The nodes of one side: all access nodes of its own run, or its part of a mixed mesh. */
export interface Side {
  readonly report: LocalnetReport
  readonly nodes: readonly NodeReport[]
}

/** Something that costs an operator, as one number a run. */
export interface Measure {
  readonly metric: string
  readonly unit: string
  /** What is better. */
  readonly better: 'less' | 'more'
  readonly of: (side: Side) => number | null
  /** The least that can be seen: what 0 counts as in a ratio. Without one, a measure that is 0 has no ratio. */
  readonly floor?: (side: Side) => number
  /** It cannot be told apart by node, so not in a mixed mesh. */
  readonly wholeRun?: true
}

const GIB = 1024 ** 3
const EXCHANGE = 'execution-data-service'
const DHT = '/sealsync/dht/'

const present = (values: readonly (number | null | undefined)[]): number[] =>
  values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value))

/** The middle node's; `null` when no node tells. */
const middle = (side: Side, of: (node: NodeReport) => number | null | undefined): number | null =>
  median(present(side.nodes.map(of))) ?? null

/** Of all nodes together; `null` when no node tells. */
const total = (side: Side, of: (node: NodeReport) => number | null | undefined): number | null => {
  const values = present(side.nodes.map(of))
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0)
}

const mean = (side: Side, of: (node: NodeReport) => number | null | undefined): number | null => {
  const sum = total(side, of)
  return sum === null ? null : sum / side.nodes.length
}

const over = (part: number | null, whole: number | null): number | null =>
  part === null || whole === null || whole === 0 ? null : part / whole

const useful = (side: Side): number | null => total(side, ({ payloadBytes }) => payloadBytes.useful)
const wasted = (side: Side): number | null =>
  total(side, ({ payloadBytes }) => payloadBytes.duplicate + payloadBytes.partial)
const meanBlob = ({ report: { workload } }: Side): number => workload.bytes / Math.max(1, workload.blobs)
const perGiB = (side: Side, of: (node: NodeReport) => number | null | undefined): number | null =>
  over(total(side, of), over(useful(side), GIB))

/** Streams opened a second and node. */
function streams(side: Side, prefix: string | undefined, direction?: string): number | null {
  return mean(side, ({ resources }) =>
    resources?.streams
      .filter((one) => prefix === undefined || one.protocol.startsWith(prefix))
      .filter((one) => direction === undefined || one.direction === direction)
      .reduce((sum, one) => sum + one.openedPerSecond, 0)
  )
}

/** One stream, or message, in the whole window, over all nodes. */
const oneASecond = (side: Side): number =>
  1 / Math.max(1, mean(side, ({ resources }) => resources?.windowSeconds) ?? 1) / Math.max(1, side.nodes.length)

const rate = (metric: string, of: (side: Side) => number | null): Measure => ({
  metric,
  unit: '1/s',
  better: 'less',
  of,
  floor: oneASecond
})

const dht =
  (of: (figures: NonNullable<NonNullable<NodeReport['resources']>['dht']>) => number) =>
  (side: Side): number | null =>
    mean(side, ({ resources }) => (resources === null ? null : resources.dht === null ? 0 : of(resources.dht)))

const less = (metric: string, unit: string, of: (side: Side) => number | null): Measure => ({
  ...{ metric, unit, of },
  better: 'less'
})

const latency = (key: 'p50' | 'p95' | 'p99'): Measure => ({
  ...less(`announceToStoredMs.${key}`, 'ms', ({ report }) => report.latencyMs.announceToStored[key]),
  wholeRun: true
})

const MEMORY: readonly Measure[] = [
  less('rssBytes.idle', 'bytes', (side) => middle(side, (node) => node.rssBytes.idle)),
  less('rssBytes.peak', 'bytes', (side) => middle(side, (node) => node.rssBytes.peak)),
  less('anonBytes.idle', 'bytes', (side) => middle(side, (node) => node.anonBytes.idle)),
  less('anonBytes.peak', 'bytes', (side) => middle(side, (node) => node.anonBytes.peak)),
  less('heapBytes.busy', 'bytes', (side) => middle(side, (node) => node.resources?.heapBytes.busy)),
  less('heapBytes.idle', 'bytes', (side) => middle(side, (node) => node.resources?.heapBytes.idle)),
  less('allocatedBytesPerSecond', 'bytes/s', (side) => middle(side, (node) => node.resources?.allocatedBytesPerSecond))
]

const CPU: readonly Measure[] = [
  less('cpuSecondsPerGiB', 's/GiB', (side) => perGiB(side, (node) => node.resources?.cpuSeconds)),
  less('gcSecondsPerGiB', 's/GiB', (side) => perGiB(side, (node) => node.resources?.gcSeconds)),
  less('eventLoopLagMs.p99', 'ms', (side) => middle(side, (node) => node.eventLoopLagMs.p99))
]

const STREAMS: readonly Measure[] = [
  rate('streamsOpenedPerSecond', (side) => streams(side, undefined)),
  rate('streamsOpenedPerSecond.exchange.steady', (side) => mean(side, (node) => node.streams.openedPerSecondSteady)),
  rate('streamsOpenedPerSecond.exchange.inbound', (side) => streams(side, EXCHANGE, 'inbound')),
  rate('streamsOpenedPerSecond.exchange.outbound', (side) => streams(side, EXCHANGE, 'outbound')),
  rate('streamsOpenedPerSecond.dht.inbound', (side) => streams(side, DHT, 'inbound')),
  rate('streamsOpenedPerSecond.dht.outbound', (side) => streams(side, DHT, 'outbound')),
  less('streamsOpenMax', 'streams', (side) => middle(side, (node) => node.streams.openMax))
]

const BYTES: readonly Measure[] = [
  {
    ...less('duplicateBytes', 'bytes', wasted),
    floor: meanBlob
  },
  {
    ...less('duplicateRatio', '1', (side) => over(wasted(side), useful(side))),
    floor: (side) => meanBlob(side) / Math.max(1, useful(side) ?? 1)
  },
  // Of one load: who has less did not keep up with it.
  { ...less('usefulBytes', 'bytes', useful), better: 'more' },
  less('wireBytesPerUsefulByte', '1', (side) =>
    over(
      total(side, (node) => node.resources?.wireBytes.inbound),
      useful(side)
    )
  ),
  less('messagesReceivedPerBlob', '1', (side) =>
    over(
      total(side, (node) => node.resources?.messages.received),
      total(side, (node) => node.blobs.unique)
    )
  ),
  {
    ...less('producerUploadShare', '1', ({ report }) => report.totals.producerUploadShare),
    wholeRun: true
  }
]

const SERVICE: readonly Measure[] = [
  {
    metric: 'downloadsPerSecond',
    unit: '1/s',
    better: 'more',
    of: (side) => mean(side, ({ resources }) => over(resources?.downloads ?? null, resources?.windowSeconds ?? null))
  },
  latency('p50'),
  latency('p95'),
  latency('p99'),
  less('storeReadsPerBlob', '1', (side) =>
    over(
      total(side, (node) => node.resources?.store.reads),
      total(side, (node) => node.blobs.unique)
    )
  ),
  {
    metric: 'cacheHitRatio',
    unit: '1',
    better: 'more',
    of: (side) =>
      over(
        total(side, (node) => node.resources?.store.cacheHits),
        total(side, (node) => node.resources?.store.cacheRequests)
      )
  }
]

const perSecond = (of: (figures: NonNullable<NonNullable<NodeReport['resources']>['dht']>) => number) => (side: Side) =>
  over(
    dht(of)(side),
    mean(side, ({ resources }) => resources?.windowSeconds)
  )

const ROUTING: readonly Measure[] = [
  rate(
    'dht.messagesPerSecond',
    perSecond(({ messages }) => messages)
  ),
  rate(
    'dht.additionsPerSecond',
    perSecond(({ additions }) => additions)
  ),
  rate(
    'dht.reprovidedPerSecond',
    perSecond(({ reprovided }) => reprovided)
  ),
  {
    ...less(
      'dht.providerRecords',
      'records',
      dht(({ providerRecords }) => providerRecords)
    ),
    floor: () => 1
  },
  {
    ...less(
      'dht.providerRecordBytes',
      'bytes',
      dht(({ providerRecordBytes }) => providerRecordBytes)
    ),
    floor: () => 100
  },
  {
    ...less(
      'dht.reprovideBacklog',
      'blobs',
      dht(({ reprovideBacklog }) => reprovideBacklog)
    ),
    floor: () => 1
  }
]

/** Everything that is compared, in the order of the table. */
export const MEASURES: readonly Measure[] = [...MEMORY, ...CPU, ...STREAMS, ...BYTES, ...SERVICE, ...ROUTING]
