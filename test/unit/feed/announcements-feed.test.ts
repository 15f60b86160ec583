import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnnouncementsFeed, AnnouncementsFeedOptions } from '#src/feed/index.ts'
import type { Height, PeerIdText, SealedBlock } from '#src/model/index.ts'
import { blockIdAt, dataIdAt, FakeNetwork } from '#test/support/feed/fake-network.ts'

const A = 'QmA' as PeerIdText
const B = 'QmB' as PeerIdText
const C = 'QmC' as PeerIdText

interface Bench {
  readonly network: FakeNetwork
  readonly feed: AnnouncementsFeed
  readonly signal: AbortSignal
  /** Blocks given out from a height on, as they come. */
  read(
    from: Height,
    options?: { release?: boolean }
  ): { readonly blocks: SealedBlock[]; readonly ended: Promise<unknown> }
  run(ms: number): Promise<void>
}

async function bench(
  staked: number,
  options: Partial<AnnouncementsFeedOptions>,
  test: (bench: Bench) => Promise<void>
): Promise<void> {
  const network = new FakeNetwork(staked)
  const feed = network.feed(options)
  const stop = new AbortController()
  await feed.start()
  const read: Bench['read'] = (from, { release = false } = {}) => {
    const blocks: SealedBlock[] = []
    const loop = async (): Promise<void> => {
      for await (const block of feed.blocks(from, { signal: stop.signal })) {
        blocks.push(block)
        if (release) feed.release(block.height)
      }
    }
    const ended = loop().catch((error: unknown) => error)
    return { blocks, ended }
  }
  try {
    const run = async (ms: number): Promise<void> => {
      await turn()
      await network.clock.run(network.clock.now() + ms)
      await turn()
    }
    await test({ network, feed, signal: stop.signal, read, run })
  } finally {
    stop.abort(new Error('the test is over'))
    await feed.stop()
  }
}

/** Lets everything run that waits for nothing but its turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const heights = (blocks: readonly SealedBlock[]): Height[] => blocks.map(({ height }) => height)
const range = (from: Height, to: Height): Height[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)

async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = {}
  return (await Promise.race([promise.catch(() => undefined), Promise.resolve(pending)])) === pending
}

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
