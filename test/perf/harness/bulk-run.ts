import type { PutInput, WantInput, WantOutput } from '../peers/commands.ts'
import { canPin, type Contender } from './contender.ts'
import { Mesh } from './mesh.ts'
import { cpuSeconds, memory, resetPeak } from './process-figures.ts'
import type { Figures } from './report.ts'
import { latencies, sum } from './statistics.ts'

export interface BulkPlan {
  readonly contender: Contender
  readonly holders: number
  readonly bytes: number
  readonly blobBytes: number
  readonly security: 'tls' | 'noise'
  /** The receiver on one core, the holders on the other. */
  readonly pin: boolean
  readonly nodeFlags: readonly string[]
}

/** From each holder, so that its code is compiled, however many share the bytes that count. */
const WARM_UP_BYTES = 64 * 1024 * 1024
const MB = 1e6

/** One receiver that keeps nothing, holders that hold everything in memory, all blobs wanted at once. */
export async function runBulk(plan: BulkPlan): Promise<Figures> {
  return withHolders(plan, async (fetch) => {
    const warmUpBytes = Math.min(plan.bytes, plan.holders * WARM_UP_BYTES)
    await fetch({ from: 1, count: Math.ceil(warmUpBytes / plan.blobBytes), size: plan.blobBytes }, {})
    const count = Math.max(1, Math.round(plan.bytes / plan.blobBytes))
    const { figures } = await fetch({ from: 1_000_000, count, size: plan.blobBytes }, {})
    return figures
  })
}

export interface SequentialPlan extends BulkPlan {
  /** Blobs that are fetched one after the other. */
  readonly count: number
}

/** One blob at a time. */
export async function runOneByOne(plan: SequentialPlan): Promise<Figures> {
  return withHolders(plan, async (fetch) => {
    await fetch({ from: 1, count: 20, size: plan.blobBytes }, { inFlight: 1 })
    const { out, figures } = await fetch({ from: 1000, count: plan.count, size: plan.blobBytes }, { inFlight: 1 })
    const times = out.storedAt.map((at, index) => at - (out.storedAt[index - 1] ?? out.startedAt))
    const { p50, p99, max } = latencies(times)
    return { p50Ms: p50, p99Ms: p99, maxMs: max, duplicateRatio: figures['duplicateRatio'] ?? Number.NaN }
  })
}

type Fetch = (put: PutInput, want: Partial<WantInput>) => Promise<{ out: WantOutput; figures: Figures }>

async function withHolders(plan: BulkPlan, measure: (fetch: Fetch) => Promise<Figures>): Promise<Figures> {
  const pin = plan.pin && canPin()
  const mesh = await Mesh.start({
    contender: plan.contender,
    nodes: Array.from({ length: plan.holders + 1 }, (_, at) =>
      at === 0
        ? { role: 'access' as const, keep: 0, core: pin ? 0 : undefined }
        : { role: 'execution' as const, core: pin ? 1 : undefined }
    ),
    security: plan.security,
    nodeFlags: plan.nodeFlags
  })
  try {
    return await measure((put, want) => fetchFrom(mesh, put, want))
  } finally {
    await mesh.stop()
  }
}

async function fetchFrom(
  mesh: Mesh,
  put: PutInput,
  want: Partial<WantInput>
): Promise<{ out: WantOutput; figures: Figures }> {
  const [receiver, ...holders] = mesh.nodes
  if (receiver === undefined) throw new Error('a mesh without a receiver')
  const made = await Promise.all(holders.map(({ process }) => process.call<{ cids: string[] }>('put', put)))
  const before = await mesh.stats(receiver)
  const cpuBefore = cpuSeconds(receiver.process.pid)
  const holdersBefore = sum(holders.map(({ process }) => cpuSeconds(process.pid)))
  resetPeak(receiver.process.pid)
  const out = await receiver.process.call<WantOutput>('want', {
    cids: made[0]?.cids ?? [],
    session: 'one',
    ...bulkWant(mesh.contender),
    ...want
  })
  const cpuAfter = cpuSeconds(receiver.process.pid)
  const holdersAfter = sum(holders.map(({ process }) => cpuSeconds(process.pid)))
  const after = await mesh.stats(receiver)
  const bytes = put.count * put.size
  const seconds = (Math.max(...out.storedAt) - out.startedAt) / 1000
  const grown = (key: 'useful' | 'duplicate' | 'partial'): number => after.payloadBytes[key] - before.payloadBytes[key]
  return {
    out,
    figures: {
      mbPerSecond: bytes / seconds / MB,
      duplicateRatio: (grown('duplicate') + grown('partial')) / grown('useful'),
      receiverCpuSecondsPerGb: ((cpuAfter - cpuBefore) / bytes) * 1e9,
      holdersCpuSecondsPerGb: ((holdersAfter - holdersBefore) / bytes) * 1e9,
      receiverBusyPercent: (100 * (cpuAfter - cpuBefore)) / seconds,
      receiverRssPeakMiB: memory(receiver.process.pid).peakBytes / 1_048_576,
      ...(after.wants === undefined ? {} : { wantsPerBlob: (after.wants.sent - (before.wants?.sent ?? 0)) / put.count })
    }
  }
}

/** boxo gets all CIDs in one session, which suits it best here; the others what suits them. */
const bulkWant = ({ want: { inFlight } }: Contender): Partial<WantInput> => (inFlight === undefined ? {} : { inFlight })
