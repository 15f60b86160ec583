import type { LatencyFigures, NodeStatus, PayloadBytes, WantCounts } from './status.ts'

/** One life of a node, from its start to its end or to the last look at it. */
export interface RunFigures {
  readonly presentAtStart: number
  /** Blobs that had been acknowledged and were received again; must be 0. */
  readonly refetched: number
  readonly payloadBytes: PayloadBytes
  readonly blobs: { readonly received: number; readonly unique: number }
  readonly wants: WantCounts
  readonly streams: {
    readonly opened: number
    readonly inbound: number
    readonly outbound: number
    readonly openMax: number
    readonly other: Readonly<Record<string, unknown>>
  }
  readonly cpuSeconds: number
  readonly eventLoopLagP99Ms: number
  readonly announceToStored: LatencyFigures
}

/** `cpuSeconds` by the kernel where it says so, otherwise by the node. */
export function runFigures(status: NodeStatus, cpuSeconds: number | undefined): RunFigures {
  const { payloadBytes, blobs, wants, streams, run, announceToStored, eventLoopLagP99Ms } = status
  const { open: _open, ...counted } = streams
  return {
    ...run,
    payloadBytes,
    blobs,
    wants,
    streams: counted,
    cpuSeconds: cpuSeconds ?? status.cpuSeconds,
    eventLoopLagP99Ms,
    announceToStored
  }
}

/** All lives of a node as one: counters add up, maxima stay maxima. */
export interface NodeFigures extends Omit<RunFigures, 'presentAtStart' | 'refetched' | 'announceToStored'> {
  readonly duplicateRatio: number
  readonly duplicateShareOfReceived: number
  readonly announceToStored: readonly LatencyFigures[]
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0)
const most = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((top, item) => Math.max(top, of(item)), 0)

function sumFields<Key extends string>(
  items: readonly Readonly<Record<Key, number>>[],
  keys: readonly Key[]
): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, sum(items, (item) => item[key])])) as Record<Key, number>
}

export function sumPayload(all: readonly PayloadBytes[]): PayloadBytes {
  return sumFields(all, ['received', 'useful', 'duplicate', 'partial', 'sent'])
}

/** (duplicate + partial) / useful; 0 when nothing was received, and everything that was received counts against nothing useful. */
export function duplicateRatio(bytes: PayloadBytes): number {
  const wasted = bytes.duplicate + bytes.partial
  return bytes.useful > 0 ? wasted / bytes.useful : wasted > 0 ? 1 : 0
}

/** duplicate / received, the form of Flow's 15 % and 2.5 %. */
export function duplicateShare(bytes: PayloadBytes): number {
  return bytes.received > 0 ? bytes.duplicate / bytes.received : 0
}

export function nodeFigures(runs: readonly RunFigures[]): NodeFigures {
  const payloadBytes = sumPayload(runs.map((run) => run.payloadBytes))
  return {
    payloadBytes,
    duplicateRatio: duplicateRatio(payloadBytes),
    duplicateShareOfReceived: duplicateShare(payloadBytes),
    blobs: sumFields(
      runs.map((run) => run.blobs),
      ['received', 'unique']
    ),
    wants: sumFields(
      runs.map((run) => run.wants),
      ['sent', 'cancelled', 'hedged', 'timedOut']
    ),
    streams: {
      ...sumFields(
        runs.map((run) => run.streams),
        ['opened', 'inbound', 'outbound']
      ),
      openMax: most(runs, (run) => run.streams.openMax),
      other: runs.at(-1)?.streams.other ?? {}
    },
    cpuSeconds: sum(runs, (run) => run.cpuSeconds),
    eventLoopLagP99Ms: most(runs, (run) => run.eventLoopLagP99Ms),
    announceToStored: runs.map((run) => run.announceToStored)
  }
}

/** The middle value; the mean of the two middle ones for an even number; `undefined` for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  const at = sorted.length >> 1
  const upper = sorted[at]
  const lower = sorted[sorted.length % 2 === 1 ? at : at - 1]
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2
}
