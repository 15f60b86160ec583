import type { NodeMonitor } from './monitor.ts'
import { duplicateRatio, sumPayload } from './figures.ts'
import type { NodeRow } from './table.ts'

interface Seen {
  readonly atMs: number
  readonly blobs: number
  readonly bytes: number
}

/** Turns what the monitors saw into rows, with rates against the look before. */
export class RowMaker {
  readonly #before = new Map<NodeMonitor, Seen>()

  rows(monitors: readonly NodeMonitor[], nowMs: number, lastHeight: number | undefined): NodeRow[] {
    return monitors.map((monitor) => this.#row(monitor, nowMs, lastHeight))
  }

  #row(monitor: NodeMonitor, nowMs: number, lastHeight: number | undefined): NodeRow {
    const { node, status, runs } = monitor
    const payload = sumPayload(runs.map((run) => run.payloadBytes))
    const seen = { atMs: nowMs, blobs: runs.reduce((sum, run) => sum + run.blobs.unique, 0), bytes: payload.useful }
    const before = this.#before.get(monitor) ?? seen
    this.#before.set(monitor, seen)
    const seconds = (seen.atMs - before.atMs) / 1000
    const rate = (now: number, then: number): number => (seconds > 0 ? Math.max(0, now - then) / seconds : 0)
    const height = status?.heights.consecutive
    return {
      name: node.plan.name,
      state: stateOf(monitor),
      height,
      lag: height === undefined || lastHeight === undefined ? undefined : Math.max(0, lastHeight - height),
      blobsPerSecond: rate(seen.blobs, before.blobs),
      bytesPerSecond: rate(seen.bytes, before.bytes),
      duplicateRatio: duplicateRatio(payload),
      streams: status?.streams.open ?? 0,
      connections: status?.connections ?? 0,
      rssBytes: monitor.rssBytes,
      metrics: node.addresses?.metrics
    }
  }
}

function stateOf({ node, status }: NodeMonitor): NodeRow['state'] {
  if (!node.running) return node.pid === undefined ? 'starting' : 'down'
  if (!node.answering) return 'silent'
  return status === undefined ? 'starting' : 'up'
}
