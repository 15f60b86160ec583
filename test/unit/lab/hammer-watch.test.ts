import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TargetWatch } from '#src/lab/hammer/watch.ts'
import type { Target } from '#src/lab/hammer/target.ts'
import { parseNodeStatus } from '#src/lab/localnet/status.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

/** A target whose answers take `answerMs`, and one that says where it is now. */
function watched(made: () => number | undefined) {
  const clock = new VirtualClock()
  const at = { heard: undefined as number | undefined, feed: 0, consecutive: 0, answerMs: 1 }
  const status: Target['status'] = async () => {
    await new Promise<void>((resolve) => clock.setTimer(at.answerMs, resolve))
    return parseNodeStatus({ heights: { feed: at.feed, consecutive: at.consecutive } })
  }
  const target = { pid: undefined, status } as unknown as Target
  const watch = new TargetWatch({ clock, target }, { made, heard: () => at.heard })
  watch.counting = true
  watch.start()
  const run = (ms: number): Promise<unknown> => clock.run(clock.now() + ms)
  const stop = async (): Promise<void> => {
    const stopped = watch.stop()
    await run(1_000)
    await stopped
  }
  return { at, watch, run, stop }
}

describe('the lag of a hammered node', () => {
  it('is what was announced and is not synced, to the node or to others', async () => {
    const { at, watch, run, stop } = watched(() => 9)
    Object.assign(at, { feed: 5, consecutive: 4 })
    await run(1_000)
    assert.equal(watch.lagMax, 1, 'made and announced to nobody: 9')
    at.heard = 7
    await run(1_000)
    assert.equal(watch.lagMax, 3, 'others have heard of more than the node')
    at.feed = 8
    await run(1_000)
    assert.equal(watch.lagMax, 4, 'the node has heard of more than others')
    await stop()
  })

  it('leaves out what is announced while an answer is on its way', async () => {
    const { at, watch, run, stop } = watched(() => 9)
    Object.assign(at, { heard: 5, feed: 5, consecutive: 5, answerMs: 200 })
    // The second look begins at 250 ms.
    await run(300)
    Object.assign(at, { heard: 9, feed: 6 })
    await run(180)
    assert.equal(watch.lagMax, 1)
    await stop()
  })

  it('is none where nobody knows what was made', async () => {
    const { at, watch, run, stop } = watched(() => undefined)
    Object.assign(at, { feed: 9, consecutive: 4 })
    await run(1_000)
    assert.equal(watch.lagMax, 0)
    await stop()
  })
})
