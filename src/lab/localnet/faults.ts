import { type Clock, sleep } from '../../util/index.ts'
import type { NodeMonitor } from './monitor.ts'

const RESTART_AFTER_MS = 3_000

export interface FaultComponents {
  readonly clock: Clock
  readonly monitors: readonly NodeMonitor[]
  readonly note: (line: string) => void
}

/** What happened to a node that was killed, for the report. */
export interface Restart {
  readonly name: string
  /** From its new start to its first answer. */
  readonly readyMs: number
}

/**
 * Does half way what the plan says: stops the silent nodes with SIGSTOP, kills the others and starts them again on the same data
 * directory. Resolves when those answer again. Throws what NodeProcess.ready throws.
 */
export async function strike(
  components: FaultComponents,
  options: { readonly signal: AbortSignal }
): Promise<Restart[]> {
  const { clock, monitors, note } = components
  for (const { node } of monitors.filter(({ node: { plan } }) => plan.fault === 'silent')) {
    note(`${node.plan.name} is stopped with SIGSTOP`)
    node.pause()
  }
  const killed = monitors.filter(({ node }) => node.plan.fault === 'kill')
  return Promise.all(
    killed.map(async (monitor) => {
      const { node } = monitor
      await monitor.look()
      note(`${node.plan.name} is killed`)
      node.end('SIGKILL')
      await node.ended()
      monitor.endRun()
      await sleep(clock, RESTART_AFTER_MS, options.signal)
      const startedAt = clock.now()
      await node.start()
      await node.ready(options)
      const readyMs = Math.round(clock.now() - startedAt)
      note(`${node.plan.name} is back after ${readyMs} ms`)
      return { name: node.plan.name, readyMs }
    })
  )
}
