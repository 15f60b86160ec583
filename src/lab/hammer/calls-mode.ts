import { CallChain } from './chain.ts'
import { chunksOf, type Stage } from './stage.ts'
import { Tally } from './tally.ts'
import type { Mode } from './mode.ts'

type Load = (signal: AbortSignal) => Promise<void>

/** A chunk of about that length fits one blob of 1 MiB. */
const MOST_CHUNK = 1_000_000
const HOP_MS = 60
const MESSAGES_PER_SECOND = 200
/** Messages of the second phase: what counts there is their number. */
const SMALL_BYTES = 4_096
/** So many to a block: a block is durable before it is announced, and a disk does some dozens a second. */
const SMALL_COUNT = 16

interface ChainUse {
  /** Counts the hop through the target, when it is to be apart. */
  readonly first?: Tally
  readonly tally: Tally
  /** Blobs of a block that are sent, the largest first; default 1. */
  readonly messages?: number
}

/** Sends the largest blobs of each announced block down a chain, beside whatever else goes on. */
export function callsBeside(stage: Stage, chain: CallChain, use: ChainUse): Load {
  return async (signal) => {
    const under = new Set<Promise<unknown>>()
    const stop = stage.arena.onAnnounced(({ blobs }) => {
      const largest = blobs.toSorted((a, b) => b.size - a.size)
      for (const message of largest.slice(0, use.messages ?? 1)) {
        const sent = chain.send(message, { ...use, signal }).finally(() => under.delete(sent))
        under.add(sent)
      }
    })
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    stop()
    await Promise.allSettled(under)
  }
}

export async function startChain(stage: Stage, hops: number): Promise<CallChain> {
  const { clock, rng, signal, peers } = stage.parts
  const [head] = peers
  if (head === undefined) throw new Error('a chain needs a peer of the target')
  return CallChain.start({ clock, rng, head }, { hops, signal })
}

async function latency(stage: Stage, chain: CallChain): Promise<void> {
  const { load, options, sizeBytes } = stage.parts
  const first = new Tally()
  const phase = await stage.phase('latency', async (tally) => {
    const shape = chunksOf(1, Math.min(sizeBytes, MOST_CHUNK))
    await stage.during(options.forMs / 2, [
      (signal) => stage.arena.feed({ shape, rate: load.rate, signal }),
      callsBeside(stage, chain, { first, tally })
    ])
    return {
      hops: options.hops,
      messageBytes: sizeBytes,
      throughTargetP50Ms: first.latency.quantile(0.5),
      throughTargetP99Ms: first.latency.quantile(0.99)
    }
  })
  const { p50 } = phase.latencyMs
  if (p50 === null || p50 > HOP_MS) stage.reasons.push(`a hop took ${p50 ?? '-'} ms (p50): more than ${HOP_MS}`)
}

async function messages(stage: Stage, chain: CallChain): Promise<void> {
  const { options, clock } = stage.parts
  await stage.phase('messages', async (tally) => {
    const startedAt = clock.now()
    await stage.during(options.forMs / 2, [
      (signal) => stage.push({ shape: chunksOf(SMALL_COUNT, SMALL_BYTES), signal }).catch(ignoreAbort(signal)),
      callsBeside(stage, chain, { tally, messages: SMALL_COUNT })
    ])
    const perSecond = (tally.ok * 1000) / (clock.now() - startedAt)
    if (perSecond < MESSAGES_PER_SECOND)
      stage.reasons.push(
        `${perSecond.toFixed(0)} messages a second went through the chain: fewer than ${MESSAGES_PER_SECOND}`
      )
    return { hops: options.hops, messageBytes: SMALL_BYTES, messagesPerSecond: Math.round(perSecond) }
  })
}

const ignoreAbort =
  (signal: AbortSignal) =>
  (error: unknown): void => {
    if (!signal.aborted) throw error
  }

/** Each block goes through so many access nodes in a row, each asking the one before. */
export const calls: Mode = {
  peers: () => ({ peers: 1, slow: 0 }),
  recovers: true,
  async run(stage) {
    const chain = await startChain(stage, stage.parts.options.hops)
    try {
      await latency(stage, chain)
      await messages(stage, chain)
    } finally {
      await chain.stop()
    }
  }
}
