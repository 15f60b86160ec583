import type { MadeBlock } from './arena.ts'
import type { LoadPeer } from './load-peer.ts'
import { counted, fetchBlob } from './load.ts'
import { chunksOf, type Stage } from './stage.ts'
import type { Tally } from './tally.ts'
import type { Mode } from './mode.ts'

const MIB = 1_048_576
/** A chunk of about that length fits one blob. */
const CHUNK = 1_000_000
/** What resident memory may rise by, besides the object itself. */
const ABOVE_OBJECT_BYTES = 12 * MIB
/** Objects one after the other. */
const TIMES = 3

/** Has the target sync an object of so many bytes, as one block of blobs of about 1 MB. */
export async function makeObject(stage: Stage, bytes: number): Promise<MadeBlock> {
  let made: MadeBlock | undefined
  const stop = stage.onBlock((block) => {
    made = block
  })
  try {
    await stage.push({ shape: chunksOf(Math.ceil(bytes / CHUNK), Math.min(CHUNK, bytes)), blocks: 1 })
  } finally {
    stop()
  }
  if (made === undefined) throw stage.parts.signal.reason
  return made
}

/** Everybody wants all blobs of the object, all at once. */
export async function fanOut(
  stage: Stage,
  recipients: readonly LoadPeer[],
  use: { readonly object: MadeBlock; readonly tally: Tally; readonly signal: AbortSignal }
): Promise<void> {
  const { parts } = stage
  const { object, tally, signal } = use
  await Promise.all(
    recipients.flatMap((peer) =>
      object.blobs.map((blob) => counted(parts, { tally, signal }, () => fetchBlob(parts, peer, { blob, signal })))
    )
  )
}

/** One large object to several peers at once, some of them slow, several times. */
export const fanout: Mode = {
  peers: ({ connections }) => ({ peers: Math.max(1, connections), slow: 1 }),
  recovers: true,
  async prepare(stage) {
    // Once with another object, so that what the first transfer brings to life is there.
    const object = await makeObject(stage, Math.min(4 * MIB, stage.parts.sizeBytes))
    const { peers, slowPeers, signal } = stage.parts
    await stage.phase('warm-up', (tally) => fanOut(stage, [...peers, ...slowPeers], { object, tally, signal }))
  },
  async run(stage) {
    const { sizeBytes, watch, peers, slowPeers, signal, options } = stage.parts
    for (let time = 1; time <= TIMES && !signal.aborted; time += 1) {
      const object = await makeObject(stage, sizeBytes)
      await stage.pause(Math.min(3_000, options.quietMs))
      await stage.phase(`fanout ${time}`, async (tally) => {
        await watch.markPeak()
        const before = watch.recent(1_000)?.rssBytes ?? 0
        await fanOut(stage, [...peers, ...slowPeers], { object, tally, signal })
        const above = (await watch.peakSince()) - before
        const aboveObject = above - sizeBytes
        if (aboveObject > ABOVE_OBJECT_BYTES)
          stage.reasons.push(
            `fan-out ${time} took ${above} bytes, ${aboveObject} more than the object: more than ${ABOVE_OBJECT_BYTES}`
          )
        return {
          recipients: peers.length + slowPeers.length,
          slow: slowPeers.length,
          rssBefore: before,
          rssRise: above
        }
      })
    }
  }
}
