import { setTimeout as pause } from 'node:timers/promises'
import type { StatsOutput, WantOutput } from '../peers/commands.ts'
import type { Contender } from './contender.ts'
import { Mesh, type MeshNode } from './mesh.ts'
import { memory, resetPeak } from './process-figures.ts'
import type { Figures } from './report.ts'
import { median } from './statistics.ts'

export interface FanOutPlan {
  readonly contender: Contender
  readonly recipients: number
  readonly security: 'tls' | 'noise'
  readonly nodeFlags: readonly string[]
}

const MIB = 1_048_576
/** The slow recipient's link: it needs ten seconds for the object. */
const SLOW_BYTES_PER_SECOND = 2 * MIB
const QUIET_MS = 2000

/**
 * An object of some MiB, in memory already, goes to several peers at once, one of them behind a slow link. What counts is how far
 * the sender's resident memory rises above its state with the object cached.
 */
export async function runObject(plan: FanOutPlan, objectBytes: number): Promise<Figures> {
  return withFanOut(plan, async ({ sender, fast, slow, mesh }) => {
    // Once with other blobs, so that what the first transfer brings to life is there.
    const warm = await put(sender, { from: 1, count: 4, size: MIB })
    await Promise.all([...fast, slow].map((node) => want(node, warm)))
    const cids = await put(sender, { from: 100, count: Math.ceil(objectBytes / MIB), size: MIB })
    await pause(QUIET_MS)
    resetPeak(sender.process.pid)
    const cached = memory(sender.process.pid).rssBytes
    const slowDone = want(slow, cids)
    const outs = await Promise.all(fast.map((node) => want(node, cids)))
    const slowOut = await slowDone
    const { sendBytesPeak = Number.NaN } = await mesh.stats(sender)
    return {
      rssAboveCachedMiB: (memory(sender.process.pid).peakBytes - cached) / MIB,
      rssCachedMiB: cached / MIB,
      fastestDoneMs: Math.min(...outs.map(lasted)),
      slowestFastDoneMs: Math.max(...outs.map(lasted)),
      slowDoneMs: lasted(slowOut),
      sendBytesPeakMiB: sendBytesPeak / MIB
    }
  })
}

export interface ManyPlan extends FanOutPlan {
  readonly bytes: number
}

const OBJECT_BLOBS = 4
const OBJECTS_AT_ONCE = 64

/** The same again so often: whatever is left behind of each pass would add up. */
const PASSES = 3

/**
 * Much data as objects of 4 MiB, 64 objects wanted at once by each of the recipients, one of them behind a slow link; then as much
 * again, and again. The sender makes the bytes when they are read, so what it holds is what is being sent. Resident memory goes up
 * and down with the collector, and a longer run sees more of its peaks: so what is compared is the peak within each pass, all of
 * them as long as the first.
 */
export async function runMany(plan: ManyPlan): Promise<Figures> {
  return withFanOut(plan, async (fanOut) => {
    const { sender, fast, slow, mesh } = fanOut
    const warm = await put(sender, { from: 1, count: 16, size: MIB })
    await Promise.all(fast.map((node) => want(node, warm)))
    await pause(QUIET_MS)
    const idle = memory(sender.process.pid).rssBytes
    const count = Math.ceil(plan.bytes / MIB)
    const passes: Pass[] = []
    for (let at = 0; at < PASSES; at += 1) passes.push(await pass(fanOut, { from: 1000 + at * 1_000_000, count }))
    const { sendBytesPeak = Number.NaN }: StatsOutput = await mesh.stats(sender)
    await Promise.all(passes.map((one) => slow.process.call('cancel', { want: one.slow })))
    const peaks = passes.map(({ peakBytes }) => (peakBytes - idle) / MIB)
    const ms = median(passes.map((one) => one.ms))
    return {
      bytesInFlightPeakMiB: sendBytesPeak / MIB,
      ...Object.fromEntries(peaks.map((peak, at) => [`rssAboveIdleMiBPass${at + 1}`, peak])),
      rssGrowthMiB: (peaks.at(-1) ?? Number.NaN) - (peaks[0] ?? Number.NaN),
      mbPerSecondAllFast: (fast.length * count * MIB) / ms / 1000,
      slowestFastDoneMs: ms
    }
  })
}

interface Pass {
  readonly peakBytes: number
  /** Until the last of the fast recipients had everything. */
  readonly ms: number
  /** The slow recipient's want, which goes on. */
  readonly slow: number
}

async function pass({ sender, fast, slow }: FanOut, blobs: { from: number; count: number }): Promise<Pass> {
  const cids = await put(sender, { ...blobs, size: MIB, onDemand: true })
  resetPeak(sender.process.pid)
  const inFlight = OBJECTS_AT_ONCE * OBJECT_BLOBS
  const slowWant = slow.process.begin<WantOutput>('want', { cids, inFlight })
  slowWant.out.catch(() => {})
  const outs = await Promise.all(fast.map((node) => want(node, cids, inFlight)))
  return {
    peakBytes: memory(sender.process.pid).peakBytes,
    ms: Math.max(...outs.map(lasted)),
    slow: slowWant.id
  }
}

interface FanOut {
  readonly mesh: Mesh
  readonly sender: MeshNode
  readonly fast: readonly MeshNode[]
  readonly slow: MeshNode
}

async function withFanOut(plan: FanOutPlan, measure: (fanOut: FanOut) => Promise<Figures>): Promise<Figures> {
  const mesh = await Mesh.start({
    contender: plan.contender,
    nodes: [
      { role: 'execution' },
      ...Array.from({ length: plan.recipients }, (_, at) => ({
        role: 'access' as const,
        keep: 0,
        ...(at === 0 ? { bytesPerSecond: SLOW_BYTES_PER_SECOND } : {})
      }))
    ],
    security: plan.security,
    nodeFlags: plan.nodeFlags
  })
  try {
    const [sender, slow, ...fast] = mesh.nodes
    if (sender === undefined || slow === undefined) throw new Error('a fan-out needs two nodes at least')
    return await measure({ mesh, sender, fast, slow })
  } finally {
    await mesh.stop()
  }
}

const put = async (node: MeshNode, input: object): Promise<string[]> =>
  (await node.process.call<{ cids: string[] }>('put', input)).cids

/** From the one that has it: recipients keep nothing. */
function want(node: MeshNode, cids: readonly string[], inFlight?: number): Promise<WantOutput> {
  return node.process.call<WantOutput>('want', { cids, ...(inFlight === undefined ? {} : { inFlight }) })
}

const lasted = ({ startedAt, storedAt }: WantOutput): number => Math.max(...storedAt) - startedAt
