import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SealedBlock } from '#src/model/index.ts'
import { A, B, C, bench, heights, isPending, range } from '#test/support/feed/bench.ts'
import { blockIdAt, dataIdAt } from '#test/support/feed/fake-network.ts'

void describe('feed of announcements', () => {
  void it('gives a block at its first announcement and settles it at the quorum', async () => {
    await bench(3, {}, async ({ network, feed, read, run, signal }) => {
      const { blocks } = read(10)
      const settled = feed.settled(10, { signal })
      network.connect(A)
      network.connect(B)
      network.announce(A, 10, { hint: 3 })
      await run(1)
      assert.deepEqual(heights(blocks), [10])
      const [block] = blocks
      assert.deepEqual(block?.origins, [A])
      assert.equal(block?.hint?.length, 3)
      assert.equal(block?.live, true)
      assert.equal(block?.announcedAtMs, 1_700_000_000_010)
      assert.equal(await isPending(settled), true)
      network.announce(B, 10)
      assert.equal((await settled).executionDataId, dataIdAt(10))
      assert.deepEqual((await feed.settled(10, { signal })).origins, [A, B])
      assert.equal(await network.metric('sealsync_feed_settled_total'), 1)
      assert.equal(feed.highest, 10)
      assert.equal(await network.metric('consensus_compliance_sealed_height'), 10)
    })
  })

  void it('needs only as many nodes as are staked, and follows their number', async () => {
    await bench(1, { quorum: 3 }, async ({ network, feed, read, run, signal }) => {
      read(1)
      network.connect(A)
      network.announce(A, 1)
      assert.equal((await feed.settled(1, { signal })).height, 1)
      network.staked = 5
      network.announce(A, 2)
      network.announce(B, 2)
      const second = feed.settled(2, { signal })
      await run(1)
      assert.equal(await isPending(second), true)
      network.announce(C, 2)
      assert.equal((await second).height, 2)
    })
  })

  void it('counts a node once, however often it repeats itself, and keeps nothing for it', async () => {
    await bench(3, {}, async ({ network, feed, read, run, signal }) => {
      const { blocks } = read(1)
      network.connect(A)
      const settled = feed.settled(1, { signal })
      for (let time = 0; time < 1_001; time += 1) network.announce(A, 1, { hint: 4 })
      await run(1)
      assert.equal(await isPending(settled), true)
      assert.deepEqual(heights(blocks), [1])
      assert.equal(await network.metric('sealsync_feed_announcements_total', { result: 'repeat' }), 1_000)
      assert.equal(await network.metric('sealsync_feed_window_heights'), 1)
      assert.equal(await network.metric('sealsync_feed_hint_bytes'), 0)
    })
  })

  void it('raises an alarm at two ids for one height, names both nodes, and lets the quorum settle', async () => {
    await bench(3, {}, async ({ network, feed, read, run, signal }) => {
      const { blocks } = read(7)
      for (const peer of [A, B, C]) network.connect(peer)
      network.announce(A, 7, { variant: 1 })
      await run(1)
      network.announce(B, 7)
      await run(1)
      assert.equal(await network.metric('sealsync_feed_conflicts_total'), 1)
      assert.deepEqual(network.warnings, [
        {
          height: 7,
          first: { blockId: blockIdAt(7, 1), executionDataId: dataIdAt(7, 1), announcer: A },
          second: { blockId: blockIdAt(7), executionDataId: dataIdAt(7), announcer: B }
        }
      ])
      const settled = feed.settled(7, { signal })
      assert.equal(await isPending(settled), true)
      network.announce(C, 7)
      const block = await settled
      assert.equal(block.executionDataId, dataIdAt(7))
      assert.deepEqual(block.origins, [B, C])
      assert.equal(blocks[0]?.executionDataId, dataIdAt(7, 1))
      // Said once a height; a node that contradicts itself has had its vote.
      network.announce(A, 7)
      assert.equal(await network.metric('sealsync_feed_announcements_total', { result: 'equivocation' }), 1)
      assert.equal(network.warnings.length, 1)
    })
  })

  void it('lets one node that claims a far height move nothing', async () => {
    await bench(3, { suspiciousDistance: 10_000 }, async ({ network, feed, read, run }) => {
      const { blocks } = read(100)
      for (const peer of [A, B]) network.connect(peer)
      for (const peer of [A, B]) network.announce(peer, 100)
      network.announce(C, 10_101)
      assert.equal(feed.highest, 100)
      network.announce(C, Number.MAX_SAFE_INTEGER)
      await run(10_000)
      assert.equal(feed.highest, 100)
      assert.equal(await network.metric('sealsync_feed_suspicious_claims_total'), 2)
      assert.deepEqual(heights(blocks), [100])
      // Near enough to be believed of one alone.
      network.announce(A, 10_100)
      assert.equal(feed.highest, 10_100)
      // A second one that says so makes the quorum.
      network.announce(B, 2_000_000)
      assert.equal(feed.highest, 2_000_000)
    })
  })

  void it('believes the only staked node', async () => {
    await bench(1, {}, async ({ network, feed, read }) => {
      read(1)
      network.connect(A)
      network.announce(A, 5_000_000)
      assert.equal(feed.highest, 5_000_000)
    })
  })

  void it('waits for a second claim before it believes the first, but not for ever', async () => {
    await bench(3, { firstClaimGraceMs: 2_000 }, async ({ network, feed, run, signal }) => {
      const highest = feed.awaitHighest({ signal })
      network.stock(A, 1, 50)
      network.connect(A)
      await run(1_999)
      assert.equal(await isPending(highest), true)
      await run(2)
      assert.equal(await highest, 50)
    })
    await bench(3, { firstClaimGraceMs: 2_000 }, async ({ network, feed, run, signal }) => {
      const highest = feed.awaitHighest({ signal })
      network.stock(A, 9_999_999, 9_999_999)
      network.stock(B, 1, 50)
      network.stock(C, 1, 48)
      for (const peer of [A, B, C]) network.connect(peer)
      await run(5_000)
      // With three claims the quorum's is what counts; the first came alone and stays unbelieved.
      assert.equal(await highest, 50)
    })
  })

  void it('serves a reader ahead of a settler, in either order of their calls', async () => {
    for (const first of ['blocks', 'settled'] as const) {
      await bench(2, {}, async ({ network, feed, read, run, signal }) => {
        for (const peer of [A, B]) network.stock(peer, 1, 300)
        let blocks: SealedBlock[] = []
        if (first === 'blocks') blocks = read(200).blocks
        const settled = feed.settled(100, { signal })
        if (first === 'settled') blocks = read(200).blocks
        for (const peer of [A, B]) network.connect(peer)
        await run(5_000)
        assert.equal((await settled).height, 100)
        assert.deepEqual(heights(blocks), range(200, 300))
        feed.release(100)
        assert.equal((await feed.settled(101, { signal })).height, 101)
        await assert.rejects(feed.settled(100, { signal }), { code: 'released' })
      })
    }
  })

  void it('can be read again from an earlier height', async () => {
    await bench(1, {}, async ({ network, feed, read, run, signal }) => {
      network.stock(A, 1, 30)
      network.connect(A)
      const once = new AbortController()
      const iterator = feed.blocks(20, { signal: AbortSignal.any([signal, once.signal]) })[Symbol.asyncIterator]()
      const first = iterator.next()
      await run(1_000)
      assert.equal((await first).value?.height, 20)
      await iterator.return?.(undefined)
      feed.release(25)
      const { blocks } = read(5)
      await run(5_000)
      assert.deepEqual(heights(blocks), range(5, 30))
    })
  })

  void it('rejects waiting calls with the signal, on release and on stop', async () => {
    await bench(2, {}, async ({ network, feed, read, run }) => {
      const stop = new AbortController()
      const aborted = feed.settled(5, { signal: stop.signal })
      const highest = feed.awaitHighest({ signal: stop.signal })
      const reason = new Error('enough')
      stop.abort(reason)
      await assert.rejects(aborted, reason)
      await assert.rejects(highest, reason)
      const { signal } = new AbortController()
      const released = feed.settled(6, { signal })
      feed.release(6)
      await assert.rejects(released, { code: 'released', details: { height: 6 } })
      const reader = read(7)
      const waiting = [feed.settled(8, { signal }), feed.awaitHighest({ signal })]
      await run(1)
      await Promise.all([feed.stop(), ...waiting.map((promise) => assert.rejects(promise, { code: 'stopped' }))])
      assert.equal(((await reader.ended) as { code?: string }).code, 'stopped')
      network.announce(A, 7)
      assert.equal(feed.highest, undefined)
      await assert.rejects(feed.settled(9, { signal }), { code: 'stopped' })
    })
  })
})
