import type { Blob, PeerIdText } from '#src/model/index.ts'
import { codeOf } from '#src/util/index.ts'
import { type Sim, simBlob } from './sim.ts'
import type { SimNode } from './sim-node.ts'

export interface HerdReport {
  readonly usefulBytes: number
  readonly duplicateRatio: number
  readonly partialBytes: number
  /** Announce to stored, ms, over all nodes and blobs, ascending. */
  readonly latencies: readonly number[]
  readonly missing: number
  readonly producerCopies: number
}

export interface HerdShape {
  readonly blobs: number
  readonly everyMs: number
  readonly fromMs?: number
  readonly firstNumber?: number
  readonly blobBytes?: number
  /** Nodes that fetch. */
  readonly fetchers: readonly SimNode[]
  /** Those of them that are not waited for, because they fall silent. */
  readonly uncounted?: readonly SimNode[]
  readonly origins?: readonly PeerIdText[]
}

/** Producers make a blob every so often, and everybody wants it at once, as after an announcement. */
export function startHerd(sim: Sim, shape: HerdShape): () => HerdReport {
  const latencies: number[] = []
  let missing = 0
  const origins = shape.origins ?? sim.producers.map((node) => node.peer)
  for (let number = 0; number < shape.blobs; number += 1) {
    const blob = simBlob((shape.firstNumber ?? 0) + number, shape.blobBytes)
    sim.clock.setTimer((shape.fromMs ?? 200) + number * shape.everyMs, () => {
      for (const producer of sim.producers) make(producer, blob)
      for (const node of shape.fetchers) {
        const counted = shape.uncounted?.includes(node) !== true
        if (counted) missing += 1
        const announced = sim.clock.now() + 3 + sim.rng.next() * 30
        sim.clock.setTimer(announced - sim.clock.now(), () => {
          const done = (): void => {
            missing -= 1
            latencies.push(sim.clock.now() - announced)
          }
          // What is under way when the simulation ends is missing, and no failure of its own.
          const failed = (error: unknown): void => {
            if (counted && codeOf(error) !== 'stopped') throw error
          }
          void fetch(node, blob, origins).then(counted ? done : () => {}, failed)
        })
      }
    })
  }
  return () => report(sim, shape, { latencies: latencies.sort((a, b) => a - b), missing })
}

function report(sim: Sim, shape: HerdShape, seen: { latencies: number[]; missing: number }): HerdReport {
  let [useful, waste, partial] = [0, 0, 0]
  for (const node of shape.fetchers) {
    const { payloadBytes } = node.exchange.status()
    useful += payloadBytes.useful
    waste += payloadBytes.duplicate + payloadBytes.partial
    partial += payloadBytes.partial
  }
  const copies = sim.producers.reduce((sum, node) => sum + node.exchange.status().blobs.sent, 0)
  return {
    usefulBytes: useful,
    duplicateRatio: waste / useful,
    partialBytes: partial,
    latencies: seen.latencies,
    missing: seen.missing,
    producerCopies: copies / sim.producers.length / shape.blobs
  }
}

export function make(node: SimNode, blob: Blob): void {
  node.blobs.put(blob)
  node.exchange.notifyNewBlobs([blob.cid])
}

export async function fetch(
  node: SimNode,
  blob: Pick<Blob, 'cid'>,
  origins: readonly PeerIdText[] | undefined,
  signal = new AbortController().signal
): Promise<Blob> {
  const session = node.exchange.createSession(
    origins === undefined ? { temperature: 'cold' } : { temperature: 'hot', origins }
  )
  const got = await session.fetch(blob.cid, { signal })
  make(node, got)
  return got
}

export const quantile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
