import { LabError } from '../errors.ts'

/**
 * What the lab reads of `GET /v1/status`. Fields that a node does not give are 0 or absent: an older or smaller node can still
 * be measured.
 */
export interface NodeStatus {
  readonly version: string
  readonly revision: string
  readonly peerId: string
  readonly uptimeSeconds: number
  readonly heights: {
    readonly feed?: number
    readonly highest?: number
    readonly consecutive?: number
    readonly lowest?: number
  }
  readonly payloadBytes: PayloadBytes
  readonly blobs: { readonly received: number; readonly unique: number }
  readonly wants: WantCounts
  readonly streams: {
    readonly open: number
    readonly opened: number
    readonly inbound: number
    readonly outbound: number
    readonly openMax: number
    readonly other: Readonly<Record<string, unknown>>
  }
  readonly connections: number
  readonly memory: { readonly rssBytes: number; readonly anonBytes: number }
  readonly cpuSeconds: number
  readonly eventLoopLagP99Ms: number
  readonly run: { readonly presentAtStart: number; readonly refetched: number }
  readonly announceToStored: LatencyFigures
  readonly stall?: { readonly height?: number; readonly cid?: string; readonly askedPeers?: number }
}

export interface PayloadBytes {
  readonly received: number
  readonly useful: number
  readonly duplicate: number
  readonly partial: number
  readonly sent: number
}

export interface WantCounts {
  readonly sent: number
  readonly cancelled: number
  readonly hedged: number
  readonly timedOut: number
}

/** Milliseconds; `buckets` are `[upper bound, observations at or below it and above the one before]`. */
export interface LatencyFigures {
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly p999: number
  readonly max: number
  readonly buckets?: readonly (readonly [upperMs: number, count: number])[]
}

type Json = Readonly<Record<string, unknown>>

const objectAt = (from: Json, key: string): Json => {
  const value = from[key]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}
/** Heights and big numbers are strings above 2^53. */
const optionalNumber = (from: Json, key: string): number | undefined => {
  const value = Number(from[key] ?? Number.NaN)
  return Number.isFinite(value) ? value : undefined
}
const numberAt = (from: Json, key: string): number => optionalNumber(from, key) ?? 0
const textAt = (from: Json, key: string): string => (typeof from[key] === 'string' ? from[key] : '')

function numbersAt<Key extends string>(from: Json, keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, numberAt(from, key)])) as Record<Key, number>
}

/** A histogram has some dozens of buckets; the bound keeps a broken answer from filling the driver. */
const MAX_BUCKETS = 10_000

function latencyOf(from: Json): LatencyFigures {
  const figures = numbersAt(from, ['count', 'p50', 'p95', 'p99', 'p999', 'max'])
  const rows: unknown = from['buckets']
  if (!Array.isArray(rows) || rows.length > MAX_BUCKETS) return figures
  const buckets = rows.map((row: unknown) => {
    const [upper, count] = Array.isArray(row) ? (row as unknown[]) : []
    return [upper === null || upper === '+Inf' ? Number.POSITIVE_INFINITY : Number(upper), Number(count)] as const
  })
  return buckets.some(([upper, count]) => Number.isNaN(upper) || !(count >= 0)) ? figures : { ...figures, buckets }
}

function stallOf(from: Json): NodeStatus['stall'] {
  if (typeof from['stall'] !== 'object' || from['stall'] === null) return undefined
  const stall = objectAt(from, 'stall')
  const height = optionalNumber(stall, 'height')
  const askedPeers = optionalNumber(stall, 'askedPeers')
  return {
    cid: textAt(stall, 'cid'),
    ...(height === undefined ? {} : { height }),
    ...(askedPeers === undefined ? {} : { askedPeers })
  }
}

function heightsOf(from: Json): NodeStatus['heights'] {
  const heights = objectAt(from, 'heights')
  const entries = (['feed', 'highest', 'consecutive', 'lowest'] as const).map(
    (key) => [key, optionalNumber(heights, key)] as const
  )
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** Reads a status document. Throws LabError `bad-answer` when it is not an object. */
export function parseNodeStatus(value: unknown): NodeStatus {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LabError('bad-answer', 'the status is not a JSON object')
  }
  const from = value as Json
  const streams = objectAt(from, 'streams')
  const lag = objectAt(from, 'eventLoopLagMs')
  const stall = stallOf(from)
  return {
    version: textAt(from, 'version'),
    revision: textAt(from, 'revision'),
    peerId: textAt(from, 'peerId'),
    uptimeSeconds: numberAt(from, 'uptimeSeconds'),
    heights: heightsOf(from),
    payloadBytes: numbersAt(objectAt(from, 'payloadBytes'), ['received', 'useful', 'duplicate', 'partial', 'sent']),
    blobs: numbersAt(objectAt(from, 'blobsExchanged'), ['received', 'unique']),
    wants: numbersAt(objectAt(from, 'wants'), ['sent', 'cancelled', 'hedged', 'timedOut']),
    streams: {
      ...numbersAt(streams, ['open', 'opened', 'inbound', 'outbound', 'openMax']),
      other: objectAt(streams, 'other')
    },
    connections: numberAt(from, 'connections'),
    memory: numbersAt(objectAt(from, 'memory'), ['rssBytes', 'anonBytes']),
    cpuSeconds: numberAt(from, 'cpuSeconds'),
    eventLoopLagP99Ms: numberAt(lag, 'p99'),
    run: numbersAt(objectAt(from, 'run'), ['presentAtStart', 'refetched']),
    announceToStored: latencyOf(objectAt(from, 'announceToStoredMs')),
    ...(stall === undefined ? {} : { stall })
  }
}
