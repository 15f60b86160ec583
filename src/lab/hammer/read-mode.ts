import type { LoadPeer } from './load-peer.ts'
import { type LoadParts, Paging, readApi, readBlobs, walkFrom } from './load.ts'
import { chunksOf, type Stage } from './stage.ts'
import type { Tally } from './tally.ts'
import type { Mode } from './mode.ts'

type Load = (signal: AbortSignal) => Promise<void>

/** Loops of every peer, and as many clients of the HTTP interface as there are peers, each counted in the same tally. */
export function readers(stage: Stage, peers: readonly LoadPeer[], tally: Tally): Load[] {
  const parts: LoadParts = stage.parts
  const { load, client, rng } = stage.parts
  const each = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
  return [
    ...peers.flatMap((peer) => {
      const paging = new Paging(walkFrom(rng.next()))
      return each(load.inFlight, (): Load => (signal) => readBlobs(parts, peer, { tally, signal, paging }))
    }),
    ...each(load.connections, (): Load => (signal) => readApi(parts, client, { tally, signal }))
  ]
}

/** Many peers page blobs in at random, over a store far larger than memory, while blocks go on coming. */
export const read: Mode = {
  peers: ({ connections }) => ({ peers: connections, slow: 0 }),
  lagLimit: 2,
  recovers: true,
  async prepare(stage) {
    if (stage.parts.arena === undefined) return
    await stage.fill(stage.parts.sizeBytes, chunksOf(8, 256 * 1_024))
  },
  async run(stage) {
    const { options, load, peers, arena, watch, catalogue } = stage.parts
    await stage.phase('read', async (tally) => {
      watch.counting = arena !== undefined
      const feed: Load[] = arena === undefined ? [] : [(signal) => arena.feed({ shape: {}, rate: load.rate, signal })]
      await stage.during(options.forMs, [...feed, ...readers(stage, peers, tally)])
      watch.counting = false
      return { storeBytes: catalogue.bytes }
    })
  }
}
