import { bisect } from './bisect.ts'
import { probesOf } from './probes.ts'
import { LabError } from '../errors.ts'
import type { Mode } from './mode.ts'
import { chunksOf } from './stage.ts'
import { makeObject } from './fanout-mode.ts'

/** A block that does not fit into sockets' buffers, so that its readers stay readers. */
const LARGE_BYTES = 20 * 1_048_576

/** Halving what is above a message's limit and above a block's takes 13 and 11 attempts, each of which costs a peer. */
const SPARE = 24

/** Finds each limit of a request: the largest that is served, and a clean refusal right above it. */
export const probe: Mode = {
  // One asks; a further one is used up whenever the target cuts one off.
  peers: () => ({ peers: 1 + SPARE, slow: 0 }),
  // What was made for it, thousands of small blobs, stays in indexes; how memory comes back is shown by the loads.
  recovers: false,
  async prepare(stage) {
    if (stage.parts.arena === undefined) return
    await stage.push({ shape: chunksOf(4, 1_024), blocks: 64 })
  },
  async run(stage) {
    const { parts } = stage
    const [peer] = parts.peers
    if (peer === undefined) throw new LabError('bad-option', 'a peer is needed that asks')
    const { arena, catalogue, options } = parts
    const large = arena === undefined ? catalogue.heightAt(0) : (await makeObject(stage, LARGE_BYTES)).height
    for (const one of probesOf(stage, { peer, large: large ?? 0, spare: parts.peers.slice(1) })) {
      if (parts.signal.aborted) return
      const { name, unit } = one
      await stage.phase(name, async (tally) => {
        const found = await bisect(one, async (value) => {
          const startedAt = parts.clock.now()
          const outcome = await one.attempt(value)
          tally.add(outcome.kind === 'ok' ? { kind: 'ok', bytes: 0 } : outcome, parts.clock.now() - startedAt)
          return outcome
        })
        if (found.smallestRefused !== null && (!found.clean || found.largestServed === null))
          stage.reasons.push(
            `${name}: ${found.smallestRefused} ${unit} ended with ${found.refusedBy}, which is no clean refusal`
          )
        return { unit, ...found }
      })
    }
    const peak = parts.watch.rssPeakBytes ?? 0
    if (options.memoryBytes !== undefined && peak > options.memoryBytes)
      stage.reasons.push(`resident memory peaked at ${peak} bytes: more than the limit of ${options.memoryBytes}`)
  }
}
