import { setTimeout as pause } from 'node:timers/promises'
import type { NodeProcess } from '#src/lab/localnet/node-process.ts'
import { monotonicMs } from '../peers/line-protocol.ts'
import type { MadeChain } from './chain-source.ts'
import { cpuSeconds, memory } from './process-figures.ts'
import type { Figures } from './report.ts'
import { sum } from './statistics.ts'

/** The end is seen that late at most. */
const LOOK_EVERY_MS = 100

/**
 * Follows a node from the first of its blocks to the last. The clock runs from `begin`, or, where the node began by itself, from its first
 * sign of life, until the last block counts (stored, tracked, and decoded where it is to be) and the checkpoint says so.
 */
export async function followToEnd(
  nodes: { readonly follower: NodeProcess; readonly holderPids: readonly number[]; readonly chain: MadeChain },
  options: { readonly signal: AbortSignal; begin(): Promise<void> }
): Promise<Figures> {
  const { follower, holderPids, chain } = nodes
  const pid = follower.pid ?? 0
  const holdersBefore = sum(holderPids.map(cpuSeconds))
  const first = await follower.status(options)
  const begun = (first.heights.consecutive ?? 0) >= chain.first || first.payloadBytes.received > 0
  const cpuBefore = begun ? 0 : cpuSeconds(pid)
  let startedAt = monotonicMs()
  if (begun) startedAt -= first.uptimeSeconds * 1000
  await options.begin()
  let status = first
  while (status.heights.consecutive !== chain.last) {
    await pause(LOOK_EVERY_MS, undefined, options)
    status = await follower.status(options)
  }
  const seconds = (monotonicMs() - startedAt) / 1000
  const { useful, duplicate, partial } = status.payloadBytes
  const cpu = cpuSeconds(pid) - cpuBefore
  return {
    blocksPerSecond: chain.blocks / seconds,
    mbPerSecond: chain.bytes / seconds / 1e6,
    seconds,
    duplicateRatio: (duplicate + partial) / useful,
    missingBytes: chain.bytes - useful,
    cpuMsPerBlock: (1000 * cpu) / chain.blocks,
    cpuSecondsPerGb: (cpu / chain.bytes) * 1e9,
    holdersCpuSecondsPerGb: ((sum(holderPids.map(cpuSeconds)) - holdersBefore) / chain.bytes) * 1e9,
    loopLagP99Ms: status.eventLoopLagP99Ms,
    wantsTimedOut: status.wants.timedOut,
    rssPeakMiB: memory(pid).peakBytes / 1_048_576
  }
}
