import type { Mode } from './mode.ts'
import { chunksOf } from './stage.ts'

/** A chunk of about that length fits one blob of 1 MiB. */
const MOST_CHUNK = 1_000_000
/** Syncing stands still no longer than this while blocks are waiting. */
const LONGEST_PAUSE_MS = 2_000

/** Blocks arrive as fast as the node takes them. */
export const write: Mode = {
  peers: () => ({ peers: 1, slow: 0 }),
  recovers: true,
  async run(stage) {
    const { options, sizeBytes, watch, signal } = stage.parts
    await stage.phase('write', async (tally) => {
      const madeAt = new Map<number, number>()
      const { clock } = stage.parts
      const count = Math.ceil(sizeBytes / MOST_CHUNK)
      const shape = chunksOf(count, Math.round(sizeBytes / count))
      let bytes = 0
      const sizes = new Map<number, number>()
      const stop = stage.onBlock(({ height, blobs }) => {
        madeAt.set(height, clock.now())
        sizes.set(
          height,
          blobs.reduce((sum, { size }) => sum + size, 0)
        )
      })
      const settle = (): void => {
        for (const [height, at] of madeAt) {
          if (height > (watch.consecutive ?? 0)) return
          const size = sizes.get(height) ?? 0
          bytes += size
          tally.add({ kind: 'ok', bytes: size }, clock.now() - at)
          madeAt.delete(height)
          sizes.delete(height)
        }
      }
      const startedAt = clock.now()
      watch.resetLag()
      watch.counting = true
      try {
        await stage.during(options.forMs, [
          (until) => stage.push({ shape, signal: AbortSignal.any([signal, until]) }),
          async (until) => {
            while (!until.aborted) {
              settle()
              await stage.pause(10)
            }
          }
        ])
      } finally {
        stop()
        settle()
        watch.counting = false
      }
      const pause = watch.pauseMaxMs ?? 0
      if (pause > LONGEST_PAUSE_MS)
        stage.reasons.push(`syncing stood still for ${pause} ms: more than ${LONGEST_PAUSE_MS}`)
      return { bytesPerSecond: Math.round((bytes * 1000) / (clock.now() - startedAt)), longestPauseMs: pause }
    })
  }
}
