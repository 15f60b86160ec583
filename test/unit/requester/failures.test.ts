import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { BlobCid, Height, SealedBlock } from '#src/model/index.ts'
import { blockAt, cidsOf } from '#test/support/requester/blocks.ts'
import { giveAll, Harness } from '#test/support/requester/harness.ts'

const FLOW = 'state_synchronization_execution_data_requester_'
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

describe('requester: failures of heights', () => {
  test('what is missing is asked for again for ever, with growing pauses, and holds no slot meanwhile', async () => {
    const h = harness({ startHeight: 1, concurrency: 2, retry: { initialMs: 1_000, maxMs: 4_000, jitter: 0 } })
    await h.start()
    giveAll(h.feed, range(1, 3))
    const starts: number[] = []
    for (let ms = 0; ms < 20_000; ms += 250) {
      await h.clock.advance(250)
      if (h.downloads.has(1)) starts.push(ms)
      h.downloads.get(1)?.fail('transient')
      h.downloads.get(2)?.finish()
    }
    assert.equal(h.downloads.has(3), true, 'height 3 got a slot though 1 keeps failing')
    const pauses = starts.slice(1).map((at, index) => at - (starts[index] ?? 0))
    assert.deepEqual(pauses.slice(0, 4), [1_000, 2_000, 4_000, 4_000])
    assert.equal(await h.metric(`${FLOW}execution_data_failed_downloads_total`), starts.length)
    assert.equal(await h.metric(`${FLOW}execution_requester_download_retries_total`), starts.length - 1)
  })

  test('a try that takes too long is ended and repeated with more time', async () => {
    const h = harness({ startHeight: 1, attemptTimeoutMs: 1_000, maxAttemptTimeoutMs: 3_000 })
    await h.start()
    giveAll(h.feed, range(1, 1))
    await h.clock.advance(20_000)
    assert.ok(h.began.length >= 4 && h.began.length <= 10, `${h.began.length} tries`)
  })

  test('malformed data halts its height alone, once in the log, and says so', async () => {
    const h = harness({ startHeight: 1 })
    const heights = listen(h)
    h.auto = 10
    h.malformed.add(blockAt(2).executionDataId)
    await h.start()
    h.feed.give(blockAt(1))
    h.feed.give(blockAt(2), { settled: false })
    giveAll(h.feed, range(3, 6))
    await h.clock.advance(100_000)
    const { consecutive, highest, halted, haltedCount, stall } = h.requester.status()
    assert.deepEqual({ consecutive, highest, haltedCount }, { consecutive: 1, highest: 6, haltedCount: 1 })
    assert.equal(halted[0]?.height, 2)
    assert.equal(halted[0]?.confirmed, false)
    assert.equal(stall?.reason, 'malformed')
    assert.equal(h.log.count('is malformed'), 1)
    assert.match(h.requester.readiness().reason, /height 2 is malformed/)
    assert.equal(await h.metric('sealsync_requester_halted_heights'), 1)
    assert.deepEqual(heights, [1])
    h.feed.settle(blockAt(2, { fork: 'b' }))
    await h.clock.advance(1_000)
    assert.deepEqual(heights, [1, 2, 3, 4, 5, 6])
    assert.equal(h.requester.status().stall, null)
    assert.equal(h.tracker.tracked.get(2)?.executionDataId, blockAt(2, { fork: 'b' }).executionDataId)
  })

  test('malformed data that the quorum confirms stays halted, and the remedy says who is to be told', async () => {
    const h = harness({ startHeight: 1 })
    h.auto = 10
    h.malformed.add(blockAt(1).executionDataId)
    await h.start()
    giveAll(h.feed, range(1, 2))
    await h.clock.advance(60_000)
    assert.equal(h.requester.status().halted[0]?.confirmed, true)
    assert.match(h.requester.status().stall?.remedy ?? '', /tell the operators/)
    assert.deepEqual(h.began, [1, 2])
  })

  test('the settled block replaces one that was downloaded already, and is what listeners hear of', async () => {
    const h = harness({ startHeight: 1 })
    const ids: string[] = []
    h.requester.onBlock((block) => {
      ids.push(block.executionDataId)
    })
    h.auto = 10
    await h.start()
    h.feed.give(blockAt(1, { fork: 'wrong' }), { settled: false })
    giveAll(h.feed, range(2, 3))
    await h.clock.advance(1_000)
    assert.equal(h.requester.status().consecutive, 3)
    assert.deepEqual(ids, [])
    h.feed.settle(blockAt(1))
    await h.clock.advance(1_000)
    assert.deepEqual(
      ids,
      range(1, 3).map((block) => block.executionDataId)
    )
    assert.equal(h.requester.status().consecutive, 3)
    assert.equal(await h.metric('sealsync_requester_settled_differently_total'), 1)
    assert.equal(h.tracker.tracked.get(1)?.executionDataId, blockAt(1).executionDataId)
  })

  test('data that does not exist, named by a false first announcer, gives way to the quorum', async () => {
    const h = harness({ startHeight: 1, settleWatchAfterMs: 500 })
    const heights = listen(h)
    await h.start()
    const wrong = blockAt(1, { fork: 'wrong' })
    h.feed.give(wrong, { settled: false })
    await h.clock.advance(5_000)
    assert.equal(h.downloads.get(1)?.block, wrong)
    h.feed.settle(blockAt(1))
    await h.clock.advance(1_000)
    assert.equal(h.downloads.get(1)?.block.executionDataId, blockAt(1).executionDataId)
    h.downloads.get(1)?.finish()
    await h.clock.advance(10)
    assert.deepEqual(heights, [1])
  })

  test('the quorum’s word that comes as the height is completed does not fetch it again', async () => {
    const h = harness({ startHeight: 1, settleWatchAfterMs: 500 })
    const settled = h.feed.settled.bind(h.feed)
    h.feed.settled = async (height, options) => {
      if (height === 1) h.downloads.get(1)?.finish()
      const block = await settled(height, options)
      // The answer of the quorum arrives some turns later than the download ends.
      for (let turn = 0; turn < 50; turn += 1) await Promise.resolve()
      return block
    }
    const heights = listen(h)
    await h.start()
    giveAll(h.feed, range(1, 1))
    await h.clock.advance(5_000)
    assert.deepEqual(heights, [1])
    assert.deepEqual(h.began, [1])
  })

  test('heights that nobody offers any more are told with the remedy, later ones go on, and all ends well when they come back', async () => {
    const h = harness({ startHeight: 1, unobtainableAfterMs: 10_000, stallAfterMs: 15_000, stallLogEveryMs: 60_000 })
    const heights = listen(h)
    h.auto = 10
    h.feed.lowestOffered = 4
    giveAll(h.feed, range(4, 8))
    await h.start()
    await h.clock.advance(9_000)
    assert.deepEqual(h.began, [])
    await h.clock.advance(171_000)
    assert.deepEqual(h.began, [4, 5, 6, 7, 8])
    const { stall, unobtainable, consecutive } = h.requester.status()
    assert.deepEqual(unobtainable, { from: 1, to: 3 })
    assert.equal(stall?.reason, 'unobtainable')
    assert.match(stall?.remedy ?? '', /heights 1 to 3 any more.*import/)
    assert.equal(consecutive, undefined)
    assert.equal(await h.metric('sealsync_requester_unobtainable_heights'), 3)
    assert.equal(h.log.count('sync has stalled'), 3, 'once a minute')
    giveAll(h.feed, range(2, 3))
    h.feed.lowestOffered = 2
    await h.clock.advance(1_000)
    assert.deepEqual(h.requester.status().unobtainable, { from: 1, to: 1 })
    giveAll(h.feed, range(1, 1))
    h.feed.lowestOffered = 1
    await h.clock.advance(1_000)
    assert.deepEqual(heights, [1, 2, 3, 4, 5, 6, 7, 8])
    assert.equal(h.requester.status().unobtainable, null)
    assert.equal(h.log.count('sync goes on'), 1)
  })

  test('a stall names the height, the missing blob, who was asked and the next try, at bounded intervals', async () => {
    const h = harness({ startHeight: 1, stallAfterMs: 15_000, stallLogEveryMs: 60_000 })
    await h.start()
    giveAll(h.feed, range(1, 2))
    await h.clock.advance(10)
    h.downloads.get(1)?.finish()
    const cid = cidsOf(blockAt(2))[1] as BlobCid
    h.missing.set(2, [cid])
    h.wants.set(cid.toString(), { askedPeers: 6, lastAnswerMsAgo: 31_000.4, nextTryMs: 1_999.6 })
    await h.clock.advance(10_000)
    assert.equal(h.requester.status().stall, null)
    assert.equal(h.requester.readiness().ok, true)
    await h.clock.advance(20_000)
    const { remedy, sinceMs, ...rest } = h.requester.status().stall ?? { remedy: '', sinceMs: 0 }
    const expected = {
      height: 2,
      cid: cid.toString(),
      askedPeers: 6,
      lastAnswerMsAgo: 31_000,
      nextTryMs: 2_000,
      reason: 'missing'
    }
    assert.deepEqual(rest, expected)
    assert.match(remedy, /sealsync peers/)
    assert.ok(sinceMs >= 15_000)
    assert.equal(await h.metric('sealsync_requester_stalled'), 1)
    assert.match(h.requester.readiness().reason, /stalled at height 2 \(missing\)/)
    await h.clock.advance(10_000)
    assert.equal(h.log.count('sync has stalled'), 1)
    h.downloads.get(2)?.finish()
    await h.clock.advance(1_000)
    assert.equal(h.requester.status().stall, null)
    assert.equal(await h.metric('sealsync_requester_stalled'), 0)
  })

  test('without a word of the downloader the stall names the blob of the hint that is being asked for, else the root', async () => {
    const h = harness({ startHeight: 1 })
    await h.start()
    const hint = cidsOf(blockAt(1))
    giveAll(h.feed, [blockAt(1, { hint })])
    await h.clock.advance(20_000)
    assert.equal(h.requester.status().stall?.cid, hint[0]?.toString())
    h.wants.set(String(hint[2]), { askedPeers: 1, lastAnswerMsAgo: undefined, nextTryMs: undefined })
    assert.equal(h.requester.status().stall?.cid, hint[2]?.toString())
    assert.equal(h.requester.status().stall?.lastAnswerMsAgo, null)
  })

  test('a quiet chain is no stall, and the clock of a stall begins with the block that is missing', async () => {
    const h = harness({ startHeight: 1, stallAfterMs: 15_000 })
    h.auto = 1
    await h.start()
    giveAll(h.feed, range(1, 1))
    await h.clock.advance(600_000)
    assert.equal(h.requester.status().stall, null)
    h.auto = undefined
    giveAll(h.feed, range(2, 2))
    await h.clock.advance(14_000)
    assert.equal(h.requester.status().stall, null)
    await h.clock.advance(2_000)
    assert.equal(h.requester.status().stall?.height, 2)
  })

  test('latency is counted for live announcements alone', async () => {
    const h = harness({ startHeight: 1 })
    h.auto = 1
    await h.start()
    const announcedAtMs = h.clock.wallNow() - 80
    giveAll(h.feed, [blockAt(1, { announcedAtMs, live: true }), blockAt(2, { announcedAtMs, live: false }), blockAt(3)])
    await h.clock.advance(10)
    assert.equal(h.requester.status().announceToStoredMs.count, 1)
    assert.equal(h.requester.status().announceToStoredMs.max, 80)
    assert.equal(await h.metric('sealsync_requester_announce_to_stored_seconds'), 1)
    assert.equal(h.requester.status().announceToStoredMs.buckets.length, 1)
    assert.equal(await h.metric(`${FLOW}execution_requester_download_duration_ms`), 3)
    assert.equal(await h.metric(`${FLOW}execution_requester_highest_download_height`), 3)
    assert.equal(await h.metric(`${FLOW}execution_requester_highest_notification_height`), 3)
    assert.equal(await h.metric(`${FLOW}execution_requester_outstanding_notifications`), 0)
    assert.equal(await h.metric('sealsync_requester_downloaded_bytes_total'), 3)
  })

  test('a height that every peer says is gone is told as unobtainable and asked for again', async () => {
    const h = harness({ startHeight: 1 })
    await h.start()
    giveAll(h.feed, range(1, 1))
    for (let ms = 0; ms < 60_000; ms += 500) {
      await h.clock.advance(500)
      h.downloads.get(1)?.fail('gone')
    }
    assert.equal(h.requester.status().stall?.reason, 'unobtainable')
    assert.ok(h.began.length > 3)
  })

  test('imported heights that no source offers are handed on after the grace, with a count', async () => {
    const h = harness({ startHeight: 1, unsettledAfterMs: 60_000 })
    const heights = listen(h)
    h.auto = 10
    for (const block of range(1, 5)) await h.tracker.track(block, [])
    h.feed.lowestOffered = 4
    giveAll(h.feed, range(4, 6))
    await h.start()
    await h.clock.advance(59_000)
    assert.deepEqual(heights, [])
    assert.equal(h.requester.status().consecutive, 6)
    await h.clock.advance(3_000)
    assert.deepEqual(heights, [1, 2, 3, 4, 5, 6])
    assert.equal(await h.metric('sealsync_requester_notified_unsettled_total'), 3)
  })
})
