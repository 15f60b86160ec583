import type { Height } from '../../model/index.ts'
import { type Clock, sleep } from '../../util/index.ts'
import type { NodeMonitor } from './monitor.ts'
import type { NodeProcess } from './node-process.ts'

const RESTART_AFTER_MS = 3_000
const HEAD_POLL_MS = 100
/** Longer than any node that comes back at all has taken. */
const HEAD_LIMIT_MS = 120_000

export interface FaultComponents {
  readonly clock: Clock
  readonly monitors: readonly NodeMonitor[]
  readonly note: (line: string) => void
  /** The height that was given last. */
  readonly head: () => Height | undefined
}

/** What happened to a node that was killed, for the report. */
export interface Restart {
  readonly name: string
  /** From its new start to its first answer. */
  readonly readyMs: number
  /** From its new start until `/readyz` says so; absent when it never did while it was looked at. */
  readonly healthyMs?: number
  /** From its new start until it held all that was given by then; absent as above. */
  readonly headMs?: number
  /** The same from the moment of its death, with the pause before the start. */
  readonly crashToHealthyMs?: number
  readonly crashToHeadMs?: number
}

/**
 * Does half way what the plan says: stops the silent nodes with SIGSTOP, kills the others and starts them again on the same data
 * directory. Resolves when those answer again. Throws what NodeProcess.ready throws.
 */
export async function strike(
  components: FaultComponents,
  options: { readonly signal: AbortSignal }
): Promise<Restart[]> {
  const { monitors, note } = components
  for (const { node } of monitors.filter(({ node: { plan } }) => plan.fault === 'silent')) {
    note(`${node.plan.name} is stopped with SIGSTOP`)
    node.pause()
  }
  const killed = monitors.filter(({ node }) => node.plan.fault === 'kill')
  return Promise.all(killed.map((monitor) => killAndRestart(components, monitor, options)))
}

async function killAndRestart(
  components: FaultComponents,
  monitor: NodeMonitor,
  options: { readonly signal: AbortSignal }
): Promise<Restart> {
  const { clock, note } = components
  const { node } = monitor
  const { name } = node.plan
  await monitor.look()
  note(`${name} is killed`)
  const killedAt = clock.now()
  node.end('SIGKILL')
  await node.ended()
  monitor.endRun()
  await sleep(clock, RESTART_AFTER_MS, options.signal)
  const startedAt = clock.now()
  await node.start()
  await node.ready(options)
  const readyMs = Math.round(clock.now() - startedAt)
  note(`${name} is back after ${readyMs} ms`)
  const { healthyAt, headAt } = await backToWork(components, node, options)
  const healthy =
    healthyAt === undefined
      ? {}
      : { healthyMs: span(startedAt, healthyAt), crashToHealthyMs: span(killedAt, healthyAt) }
  const head = headAt === undefined ? {} : { headMs: span(startedAt, headAt), crashToHeadMs: span(killedAt, headAt) }
  note(`${name} is ready after ${healthy.healthyMs ?? '–'} ms, at the head after ${head.headMs ?? '–'} ms`)
  return { name, readyMs, ...healthy, ...head }
}

const span = (from: number, to: number): number => Math.round(to - from)

/** When the node is ready again, and when it has caught up with the head. */
async function backToWork(
  { clock, head }: Pick<FaultComponents, 'clock' | 'head'>,
  node: NodeProcess,
  { signal }: { readonly signal: AbortSignal }
): Promise<{ readonly healthyAt: number | undefined; readonly headAt: number | undefined }> {
  const until = clock.now() + HEAD_LIMIT_MS
  let healthyAt: number | undefined
  let headAt: number | undefined
  while ((healthyAt === undefined || headAt === undefined) && clock.now() < until && node.answering) {
    if (healthyAt === undefined && (await node.isHealthy())) healthyAt = clock.now()
    const consecutive = (await node.status({ signal }).catch(() => undefined))?.heights.consecutive
    if (headAt === undefined && (consecutive ?? -1) >= (head() ?? 0)) headAt = clock.now()
    await sleep(clock, HEAD_POLL_MS, signal)
  }
  return { healthyAt, headAt }
}
