import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { Height, SealedBlock } from '#src/model/index.ts'
import { RequesterError } from '#src/requester/index.ts'
import { blockAt } from '#test/support/requester/blocks.ts'
import { giveAll, Harness } from '#test/support/requester/harness.ts'

let open: Harness[] = []

function harness(...options: ConstructorParameters<typeof Harness>): Harness {
  const made = new Harness(...options)
  open.push(made)
  return made
}

/** Collects what the listeners are told. */
function listen(h: Harness): Height[] {
  const heights: Height[] = []
  h.requester.onBlock((block) => {
    heights.push(block.height)
  })
  return heights
}

const range = (from: Height, to: Height): SealedBlock[] =>
  Array.from({ length: to - from + 1 }, (_, at) => blockAt(from + at))

afterEach(async () => {
  for (const h of open) {
    const stopping = h.requester.stop()
    await h.clock.advance(10_000)
    await stopping
  }
  open = []
})

describe('requester: start height', () => {
  test('a fresh node begins where it is told', async () => {
    const h = harness({ startHeight: 40 })
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(40, 44))
    await h.clock.advance(10)
    const { lowest, consecutive, highest, feed } = h.requester.status()
    assert.deepEqual({ lowest, consecutive, highest, feed }, { lowest: 40, consecutive: 44, highest: 44, feed: 44 })
  })

  test('by default it begins a window below the newest, but not below what is offered', async () => {
    for (const [offered, start] of [
      [undefined, 900],
      [950, 950],
      [10, 900]
    ] as const) {
      const h = harness({ defaultWindowHeights: 100 })
      h.feed.lowestOffered = offered
      giveAll(h.feed, [blockAt(1_000)])
      await h.start()
      await h.clock.advance(10)
      assert.equal(h.requester.status().lowest, start, `offered ${offered}`)
    }
  })

  test('so many below the latest', async () => {
    const h = harness({ startHeight: { latestMinus: 7 } })
    await h.start()
    assert.equal(h.requester.status().lowest, undefined)
    assert.equal(h.requester.readiness().ok, false)
    giveAll(h.feed, [blockAt(3)])
    await h.clock.advance(10)
    assert.equal(h.requester.status().lowest, 0)
  })

  test('progress from an earlier run wins over another start height, and the log says so', async () => {
    const h = harness({ startHeight: 5 })
    h.auto = 10
    giveAll(h.feed, range(5, 9))
    await h.start()
    await h.clock.advance(10)
    await h.requester.stop()
    h.create({ startHeight: 7 })
    await h.start()
    assert.equal(h.requester.status().lowest, 5)
    assert.equal(h.requester.status().consecutive, 9)
    assert.equal(h.log.count('the start height is not used'), 1)
  })

  test('height 0 is a height like any other', async () => {
    const h = harness({ startHeight: 0 })
    const heights = listen(h)
    h.auto = 10
    await h.start()
    assert.equal(h.requester.status().consecutive, undefined)
    giveAll(h.feed, range(0, 1))
    await h.clock.advance(10)
    assert.deepEqual(heights, [0, 1])
    assert.equal(h.requester.status().consecutive, 1)
  })
})

describe('requester: order and progress', () => {
  test('downloads end in any order, listeners hear of heights one by one and only below a gap', async () => {
    const h = harness({ startHeight: 1 })
    const heights = listen(h)
    await h.start()
    giveAll(h.feed, range(1, 5))
    await h.clock.advance(10)
    for (const height of [3, 5, 2]) h.downloads.get(height)?.finish()
    await h.clock.advance(10)
    assert.deepEqual(heights, [])
    assert.equal(h.requester.status().highest, 5)
    h.downloads.get(1)?.finish()
    await h.clock.advance(10)
    assert.deepEqual(heights, [1, 2, 3])
    assert.equal(h.requester.status().consecutive, 3)
    h.downloads.get(4)?.finish()
    await h.clock.advance(10)
    assert.deepEqual(heights, [1, 2, 3, 4, 5])
    assert.equal(h.progress.heights.get('requester-notified'), 5)
    assert.equal(h.feed.released, 5)
  })

  test('nobody is told before the quorum agrees and the checkpoint is written', async () => {
    const h = harness({ startHeight: 1 })
    const heights = listen(h)
    h.auto = 10
    await h.start()
    h.feed.give(blockAt(1), { settled: false })
    await h.clock.advance(10)
    assert.equal(h.requester.status().consecutive, 1)
    assert.equal(h.requester.status().notificationWaitsFor, 'quorum')
    assert.deepEqual(heights, [])
    h.feed.settle(blockAt(1))
    await h.clock.advance(10)
    assert.deepEqual(heights, [1])
  })

  test('heights that come while a checkpoint is being written share the next write', async () => {
    const h = harness({ startHeight: 1 })
    let release: () => void = () => undefined
    const set = h.progress.set.bind(h.progress)
    h.progress.set = async (name, height) => {
      if (name === 'requester-consecutive') await new Promise<void>((resolve) => (release = resolve))
      await set(name, height)
    }
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(1, 1))
    await h.clock.advance(10)
    giveAll(h.feed, range(2, 20))
    await h.clock.advance(10)
    assert.equal(h.requester.status().consecutive, undefined)
    release()
    await h.clock.advance(10)
    giveAll(h.feed, range(21, 30))
    await h.clock.advance(20)
    release()
    await h.clock.advance(10)
    const writes = h.progress.writes.filter(([name]) => name === 'requester-consecutive').map(([, height]) => height)
    assert.deepEqual(writes, [1, 30], 'of so many, the next write waits for some more')
  })

  test('no more than one write of a height in the time that is set, and the last one when it stops', async () => {
    const h = harness({ startHeight: 1, checkpointEveryMs: 1_000 })
    const writes = (): Height[] =>
      h.progress.writes.filter(([name]) => name === 'requester-consecutive').map(([, height]) => height)
    h.auto = 10
    await h.start()
    for (let height = 1; height <= 9; height += 1) {
      giveAll(h.feed, range(height, height))
      await h.clock.advance(100)
    }
    assert.deepEqual(writes(), [1])
    assert.equal(h.requester.status().consecutive, 1)
    await h.clock.advance(200)
    assert.deepEqual(writes(), [1, 9])
    giveAll(h.feed, range(10, 10))
    await h.clock.advance(100)
    assert.deepEqual(writes(), [1, 9])
    await h.requester.stop()
    assert.deepEqual(writes(), [1, 9, 10])
  })

  test('a listener that fails gets the same height again, later ones wait', async () => {
    const h = harness({ startHeight: 1 })
    const heights: Height[] = []
    let failures = 2
    h.requester.onBlock(async (block) => {
      heights.push(block.height)
      if (block.height === 2 && failures > 0) {
        failures -= 1
        throw new Error('full')
      }
    })
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(1, 3))
    await h.clock.advance(10)
    assert.deepEqual(heights, [1, 2])
    assert.equal(h.requester.status().notificationWaitsFor, 'listener')
    await h.clock.advance(5_000)
    assert.deepEqual(heights, [1, 2, 2, 2, 3])
    assert.equal(await h.metric('sealsync_requester_listener_failures_total'), 2)
  })

  test('after a restart tracked heights above the checkpoint count without the feed', async () => {
    const h = harness({ startHeight: 1 })
    h.progress.heights.set('requester-start', 1)
    h.progress.heights.set('requester-consecutive', 2)
    h.progress.heights.set('requester-notified', 1)
    for (const block of range(1, 6)) await h.tracker.track(block, [])
    h.tracker.tracked.delete(5)
    const heights = listen(h)
    h.auto = 10
    for (const block of range(1, 6)) h.feed.settle(block)
    await h.start()
    await h.clock.advance(10)
    assert.equal(h.requester.status().consecutive, 4)
    assert.equal(h.requester.status().highest, 6)
    assert.deepEqual(heights, [2, 3, 4])
    assert.deepEqual(h.began, [3, 4, 6])
  })

  test('listeners run ahead of what is saved as notified by a bounded number', async () => {
    const h = harness({ startHeight: 1, maxUnsavedNotifications: 3 })
    const heights = listen(h)
    let release: () => void = () => undefined
    const set = h.progress.set.bind(h.progress)
    h.progress.set = async (name, height) => {
      if (name === 'requester-notified') await new Promise<void>((resolve) => (release = resolve))
      await set(name, height)
    }
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(1, 20))
    await h.clock.advance(1_000)
    assert.deepEqual(heights, [1, 2, 3])
    release()
    await h.clock.advance(1_000)
    // Saved is 1 now; what had gathered is being written.
    assert.deepEqual(heights, [1, 2, 3, 4])
    release()
    await h.clock.advance(10)
    h.progress.set = set
    release()
    await h.clock.advance(10)
  })

  test('stop writes the checkpoint, aborts downloads, and may be called again; a second start is refused', async () => {
    const h = harness({ startHeight: 1 })
    await h.start()
    giveAll(h.feed, range(1, 3))
    await h.clock.advance(10)
    const set = h.progress.set.bind(h.progress)
    h.progress.set = (name, height) => new Promise((resolve) => h.clock.setTimer(100, () => resolve(set(name, height))))
    h.downloads.get(1)?.finish()
    await h.clock.advance(10)
    const other = h.downloads.get(2)
    const stopping = Promise.all([h.requester.stop(), h.requester.stop()])
    assert.equal(h.progress.heights.get('requester-consecutive'), undefined)
    await h.clock.advance(100)
    await stopping
    assert.equal(h.progress.heights.get('requester-consecutive'), 1)
    assert.equal(other?.signal.aborted, true)
    assert.equal(h.clock.timers, 0)
    await assert.rejects(h.requester.start(), { code: 'already-started' })
  })

  test('stop does not wait for ever for a listener that hangs', async () => {
    const h = harness({ startHeight: 1, stopTimeoutMs: 5_000 })
    h.requester.onBlock(() => new Promise(() => undefined))
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(1, 1))
    await h.clock.advance(10)
    let ended = false
    const stopping = h.requester.stop().then(() => (ended = true))
    await h.clock.advance(4_999)
    assert.equal(ended, false)
    await h.clock.advance(1)
    await stopping
    assert.equal(h.log.count('has not ended'), 1)
  })

  test('a tracker that fails fails the requester', async () => {
    const h = harness({ startHeight: 1 })
    h.tracker.track = () => Promise.reject(new Error('no space'))
    h.auto = 10
    await h.start()
    giveAll(h.feed, range(1, 1))
    await assert.rejects(h.requester.failed, (error) => error instanceof RequesterError && error.code === 'broken')
  })
})
