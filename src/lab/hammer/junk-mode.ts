import { Attack } from './attack.ts'
import { HOSTILE_MODES } from './attacks.ts'
import { chunksOf, type Stage } from './stage.ts'
import type { Mode } from './mode.ts'
import { readers } from './read-mode.ts'

/** What is done, in this order; `none` first, to be compared with. */
const ATTACKS = Object.keys(HOSTILE_MODES)
/** Blobs that an attacker knows the target to have. */
const KNOWN = 512
/** Phases end with attacks; honest readers go on. */
const LEAST_PHASE_MS = 250

async function attack(stage: Stage, name: string, ms: number): Promise<void> {
  const { parts } = stage
  const { peers, load, arena, watch, catalogue, rng, target } = parts
  const honest = peers.slice(0, load.connections)
  const hostile = peers[load.connections + ATTACKS.indexOf(name)]
  const mode = HOSTILE_MODES[name]
  if (hostile === undefined || mode === undefined) throw new Error(`no peer is left for ${name}`)
  const cids = Array.from({ length: KNOWN }, () => catalogue.blobAt(rng.next())?.cid.toExecutionDataId())
  await stage.phase(name, async (tally) => {
    await watch.markPeak()
    const before = watch.recent(2_000)?.rssBytes ?? 0
    const { host, exchange } = hostile
    const input = { target: target.peerId, cids: cids.filter((cid) => cid !== undefined) }
    const running = new Attack({ libp2p: host.libp2p, exchange, mode }, input)
    running.start()
    let figures = {}
    try {
      await stage.during(ms, [
        (signal) => arena?.feed({ shape: {}, rate: load.rate, signal }) ?? Promise.resolve(),
        ...readers(stage, honest, tally)
      ])
    } finally {
      const { done, shutOut } = await running.stop()
      parts.note(`${name}: ${done} done, shut out ${shutOut} times`)
      figures = { done, shutOut, rssRise: Math.max(0, (await watch.peakSince()) - before) }
    }
    return figures
  })
}

/** Peers gone bad in every way that the threats name, one way after the other, beside honest ones. */
export const junk: Mode = {
  peers: ({ connections }) => ({ peers: connections + ATTACKS.length, slow: 0 }),
  recovers: true,
  async prepare(stage) {
    await stage.fill(Math.min(stage.parts.sizeBytes, 64 * 1_048_576), chunksOf(8, 256 * 1_024))
  },
  async run(stage) {
    const { options, watch, signal } = stage.parts
    const ms = Math.max(LEAST_PHASE_MS, options.forMs / ATTACKS.length)
    watch.counting = true
    for (const name of ATTACKS) if (!signal.aborted) await attack(stage, name, ms)
    watch.counting = false
  }
}
