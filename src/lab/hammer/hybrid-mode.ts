import type { MadeBlock } from './arena.ts'
import { Tally } from './tally.ts'
import { chunksOf, type Stage } from './stage.ts'
import { callsBeside, startChain } from './calls-mode.ts'
import { fanOut, makeObject } from './fanout-mode.ts'
import type { Mode } from './mode.ts'
import { readers } from './read-mode.ts'

type Load = (signal: AbortSignal) => Promise<void>

const MIB = 1_048_576
const OBJECT_BYTES = 20 * MIB
const RECIPIENTS = 5
/** An object goes out so often. */
const OBJECT_EVERY_MS = 10_000
/** Objects that take turns: the same one goes to the same peers no more than once in a minute, which a node would take for waste. */
const OBJECTS = 7

/** Read, write, fan-out and calls at once for `ms`: a phase each, side by side. */
export async function mixed(stage: Stage, ms: number): Promise<void> {
  const { load, peers, slowPeers, arena, watch } = stage.parts
  const objects: MadeBlock[] = []
  const bytes = Math.min(OBJECT_BYTES, stage.parts.sizeBytes)
  for (let at = 0; at < Math.min(OBJECTS, Math.ceil(ms / OBJECT_EVERY_MS)); at += 1)
    objects.push(await makeObject(stage, bytes))
  const chain = await startChain(stage, stage.parts.options.hops)
  const [fanTally, callTally, writeTally] = [new Tally(), new Tally(), new Tally()]
  const recipients = [...slowPeers, ...peers].slice(0, RECIPIENTS)
  const stop = stage.onBlock(({ blobs }) => {
    writeTally.add({ kind: 'ok', bytes: blobs.reduce((sum, { size }) => sum + size, 0) }, 0)
  })
  const fan: Load = async (signal) => {
    for (let at = 0; !signal.aborted; at += 1) {
      const object = objects[at % objects.length]
      if (object !== undefined) await fanOut(stage, recipients, { object, tally: fanTally, signal })
      await stage.pause(OBJECT_EVERY_MS).catch(() => undefined)
    }
  }
  watch.counting = true
  try {
    const { seconds } = await stage.phase('read', (tally) =>
      stage.during(ms, [
        (signal) => arena?.feed({ shape: {}, rate: load.rate, signal }) ?? Promise.resolve(),
        ...readers(stage, peers, tally),
        callsBeside(stage, chain, { tally: callTally }),
        fan
      ])
    )
    const written = writeTally.report('write', seconds)
    stage.phases.push(
      { ...written, latencyMs: { p50: null, p99: null, max: null } },
      fanTally.report('fanout', seconds),
      callTally.report('calls', seconds)
    )
  } finally {
    watch.counting = false
    stop()
    await chain.stop()
  }
}

/** Everything at once. */
export const hybrid: Mode = {
  peers: ({ connections }) => ({ peers: connections, slow: 1 }),
  lagLimit: 2,
  recovers: true,
  async prepare(stage) {
    await stage.fill(stage.parts.sizeBytes, chunksOf(8, 256 * 1_024))
  },
  run: (stage) => mixed(stage, stage.parts.options.forMs)
}
