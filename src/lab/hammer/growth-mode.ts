import { makeHistory } from '../compare/history.ts'
import { SYNTHETIC_FIRST_HEIGHT } from '../localnet/synthetic-source.ts'
import type { Mode } from './mode.ts'
import { chunksOf, type Stage } from './stage.ts'
import { sizeOf } from './options.ts'

const STEPS = [100, 1_000, 10_000, 100_000, 1_000_000]
const DEFAULT_BLOCKS = 10_000
/** More bytes than any cache of a small profile, through the node before the first look. */
const FILL_BLOCKS = 16
const FILL = chunksOf(8, 256 * 1_024)
/** Memory of two steps is the same when it is within this. */
const SAME = 0.05
const SYNC_LIMIT_MS = 1_800_000
/** What a step is looked at for, at most. */
const LOOK_MS = 5_000

async function step(stage: Stage, use: { readonly upTo: number; readonly listed: number }): Promise<number> {
  const { options, watch, signal } = stage.parts
  const { upTo, listed } = use
  const first = SYNTHETIC_FIRST_HEIGHT - (options.blocks ?? DEFAULT_BLOCKS)
  const phase = await stage.phase(`${upTo} blocks`, async (tally) => {
    const startedAt = stage.parts.clock.now()
    await watch.markPeak()
    await stage.arena.list(stage.parts.listed.slice(listed, upTo + FILL_BLOCKS), first + upTo - 1)
    await stage.arena.synced({ limitMs: SYNC_LIMIT_MS, signal, consecutive: stage.consecutive })
    const seconds = (stage.parts.clock.now() - startedAt) / 1000
    for (let at = listed; at < upTo + FILL_BLOCKS; at += 1) tally.add({ kind: 'ok', bytes: sizeOf(options) }, 0)
    const peakBytes = await watch.peakSince()
    // A node that has come to rest gives back what only its speed has taken: what is left is what the blocks have left.
    await stage.pause(options.quietMs)
    const { rssBytes = 0, anonBytes = 0 } = watch.recent(Math.min(LOOK_MS, options.quietMs)) ?? {}
    return {
      blocks: upTo,
      rssBytes,
      anonBytes,
      peakBytes,
      blocksPerSecond: Math.round((upTo + FILL_BLOCKS - listed) / seconds)
    }
  })
  return Number(phase.figures?.['rssBytes'] ?? 0)
}

/** More and more blocks through the node, and its memory at each power of ten. */
export const growth: Mode = {
  peers: () => ({ peers: 0, slow: 0 }),
  recovers: false,
  async history(options, { signal, note }) {
    const blocks = options.blocks ?? DEFAULT_BLOCKS
    const lines: string[] = []
    const history = await makeHistory(
      {
        blocks: blocks + FILL_BLOCKS,
        seed: options.seed,
        shapeOf: (at) => (at < FILL_BLOCKS ? FILL : { blobSize: sizeOf(options), blobsPerBlock: 1 })
      },
      { signal, onProgress: (done) => note(`${done} of ${blocks} blocks made`), onLine: (line) => lines.push(line) }
    )
    return {
      history: history.dataDir,
      lines,
      firstHeight: SYNTHETIC_FIRST_HEIGHT - blocks - FILL_BLOCKS,
      remove: () => history.remove()
    }
  },
  async run(stage) {
    const { options, signal } = stage.parts
    const most = options.blocks ?? DEFAULT_BLOCKS
    const steps = [...STEPS.filter((blocks) => blocks < most), most]
    const seen: number[] = []
    let listed = 0
    for (const upTo of steps) {
      if (signal.aborted) return
      seen.push(await step(stage, { upTo, listed }))
      listed = upTo + FILL_BLOCKS
    }
    const [before, last] = seen.slice(-2)
    if (before === undefined || last === undefined) return
    const share = last / before - 1
    if (share > SAME)
      stage.reasons.push(`memory grew by ${(100 * share).toFixed(1)} % in the last step: more than ${100 * SAME} %`)
  }
}
