import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { A, B, C, bench, heights, isPending, range } from '#test/support/feed/bench.ts'

void describe('replay of announcements', () => {
  void it('brings a late joiner everything by replay, whatever the size of the answers', async () => {
    for (const replayHeights of [512, 60]) {
      await bench(2, {}, async ({ network, feed, read, run, signal }) => {
        network.replayHeights = replayHeights
        network.stock(A, 100, 3_000)
        network.stock(B, 100, 3_000)
        const { blocks } = read(150, { release: true })
        network.connect(A)
        network.connect(B)
        await run(60_000)
        assert.deepEqual(heights(blocks), range(150, 3_000))
        assert.equal(
          blocks.every(({ live }) => live === false),
          true
        )
        assert.equal(feed.highest, 3_000)
        assert.equal(feed.lowestOffered, 100)
        await assert.rejects(feed.settled(2_000, { signal }), { code: 'released' })
      })
    }
  })

  void it('settles what it replays, asking as many nodes as the quorum needs', async () => {
    await bench(3, {}, async ({ network, feed, read, run, signal }) => {
      for (const peer of [A, B, C]) network.stock(peer, 1, 400)
      read(1)
      for (const peer of [A, B, C]) network.connect(peer)
      await run(3_000)
      for (const height of [1, 200, 400]) assert.equal((await feed.settled(height, { signal })).height, height)
      assert.equal(await network.metric('sealsync_feed_requested_heights_total'), 800)
      assert.equal(await network.metric('sealsync_feed_announcements_total'), 800)
    })
  })

  void it('asks for a hole from one node after the other, pausing longer each time', async () => {
    await bench(3, { backoff: { initialMs: 500, maxMs: 8_000, jitter: 0 } }, async ({ network, read, run }) => {
      for (const peer of [A, B, C]) {
        network.stock(peer, 1, 9)
        network.stock(peer, 11, 20)
      }
      const { blocks } = read(1)
      for (const peer of [A, B, C]) network.connect(peer)
      await run(60_000)
      assert.deepEqual(heights(blocks), range(1, 9))
      const asked = network.requests.filter(({ from, to }) => from === 10 && to === 10)
      assert.deepEqual(new Set(asked.map(({ peer }) => peer)), new Set([A, B, C]))
      assert.ok(asked.length < 40, `${asked.length} requests`)
      assert.ok(asked.length > 8, `${asked.length} requests`)
      network.stock(C, 10, 10)
      await run(20_000)
      assert.deepEqual(heights(blocks), range(1, 20))
    })
  })

  void it('gives a skipped live height a moment to come by itself, then asks', async () => {
    await bench(2, { holeGraceMs: 300 }, async ({ network, read, run }) => {
      const { blocks } = read(1)
      network.connect(A)
      network.connect(B)
      for (const height of [1, 2]) for (const peer of [A, B]) network.announce(peer, height)
      await run(1_000)
      network.announce(A, 4)
      await run(200)
      network.announce(B, 3)
      await run(50)
      assert.deepEqual(heights(blocks), range(1, 4))
      assert.deepEqual(network.requests, [])
      network.stock(A, 5, 5)
      network.announce(A, 6)
      await run(1_000)
      assert.deepEqual(heights(blocks), range(1, 6))
      assert.notEqual(network.requests.length, 0)
    })
  })

  void it('goes on without a node that never answers', async () => {
    await bench(2, {}, async ({ network, feed, read, run, signal }) => {
      network.mute.add(A)
      network.stock(A, 1, 900)
      network.stock(B, 1, 900)
      const { blocks } = read(1)
      network.connect(A)
      network.connect(B)
      await run(20_000)
      assert.deepEqual(heights(blocks), range(1, 900))
      assert.ok((await network.metric('sealsync_feed_requests_total', { outcome: 'idle' })) > 0)
      const settled = feed.settled(900, { signal })
      assert.equal(await isPending(settled), true)
      network.mute.delete(A)
      await run(60_000)
      assert.equal((await settled).height, 900)
    })
  })

  void it('asks again after a node was gone', async () => {
    await bench(2, {}, async ({ network, feed, read, run, signal }) => {
      read(1)
      for (const peer of [A, B]) network.connect(peer)
      for (const peer of [A, B]) network.announce(peer, 1)
      network.disconnect(A)
      network.disconnect(B)
      network.stock(A, 2, 50)
      network.stock(B, 2, 50)
      await run(5_000)
      assert.equal(feed.highest, 1)
      for (const peer of [A, B]) network.connect(peer)
      await run(5_000)
      assert.equal((await feed.settled(50, { signal })).height, 50)
    })
  })

  void it('keeps a bounded window and asks for the rest as it moves', async () => {
    await bench(2, { windowHeights: 100, requestHeights: 50 }, async ({ network, feed, read, run }) => {
      const { blocks } = read(1)
      for (const peer of [A, B]) network.connect(peer)
      for (let height = 1; height <= 1_000; height += 1) for (const peer of [A, B]) network.announce(peer, height)
      await run(2_000)
      assert.deepEqual(heights(blocks), range(1, 100))
      assert.equal(feed.highest, 1_000)
      assert.equal(await network.metric('sealsync_feed_window_heights'), 100)
      assert.equal(await network.metric('sealsync_feed_announcements_total', { result: 'beyond' }), 1_800)
      for (let upTo = 50; upTo <= 1_000; upTo += 50) {
        feed.release(upTo)
        await run(2_000)
        assert.ok((await network.metric('sealsync_feed_window_heights')) <= 100)
      }
      assert.deepEqual(heights(blocks), range(1, 1_000))
      assert.equal(await network.metric('sealsync_feed_window_heights'), 0)
    })
  })

  void it('keeps hints within their bytes and gives blocks beyond without', async () => {
    await bench(1, { maxHintBytes: 10 * 256 }, async ({ network, feed, read, run, signal }) => {
      const early = read(1)
      network.connect(A)
      for (let height = 2; height <= 5; height += 1) network.announce(A, height, { hint: 4 })
      assert.equal(await network.metric('sealsync_feed_hints_dropped_total'), 2)
      assert.equal(await network.metric('sealsync_feed_hint_bytes'), 8 * 256)
      network.announce(A, 1)
      await run(10)
      assert.deepEqual(
        early.blocks.map(({ hint }) => hint?.length ?? 0),
        [0, 4, 4, 0, 0]
      )
      assert.equal(await network.metric('sealsync_feed_hint_bytes'), 0)
      assert.equal((await feed.settled(3, { signal })).hint, undefined)
    })
  })

  void it('catches up with one node of two, though it is far ahead of this one', async () => {
    await bench(2, { windowHeights: 500, suspiciousDistance: 1_000 }, async ({ network, feed, read, run }) => {
      network.stock(A, 1, 4_000)
      const { blocks } = read(1, { release: true })
      network.connect(A)
      await run(60_000)
      assert.deepEqual(heights(blocks), range(1, 4_000))
      assert.equal(feed.highest, 4_000)
    })
  })
})
