import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { createFeedMetrics, FileFeed, type FileFeedOptions, openBlockList } from '#src/feed/index.ts'
import type { Height, SealedBlock } from '#src/model/index.ts'
import { systemClock } from '#src/util/index.ts'
import { blockIdAt, dataIdAt } from '#test/support/feed/fake-network.ts'

const lineOf = (height: Height): string =>
  `${JSON.stringify({ height, blockId: blockIdAt(height), executionDataId: dataIdAt(height), view: height * 2 })}\n`
const linesOf = (from: Height, to: Height): string => range(from, to).map(lineOf).join('')
const range = (from: Height, to: Height): Height[] => Array.from({ length: to - from + 1 }, (_, at) => from + at)

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sealsync-feed-'))
  try {
    await test(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function withFeed(
  text: string,
  options: Partial<FileFeedOptions>,
  test: (feed: FileFeed, path: string, signal: AbortSignal) => Promise<void>
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, 'blocks.jsonl')
    await writeFile(path, text)
    const feed = new FileFeed(
      { clock: systemClock, metrics: createFeedMetrics(new Registry()) },
      { path, pollMs: 5, ...options }
    )
    const stop = new AbortController()
    await feed.start()
    try {
      await test(feed, path, stop.signal)
    } finally {
      stop.abort()
      await feed.stop()
    }
  })
}

async function take(blocks: AsyncIterable<SealedBlock>, count: number): Promise<Height[]> {
  const heights: Height[] = []
  for await (const { height } of blocks) {
    heights.push(height)
    if (heights.length === count) break
  }
  return heights
}

async function drain(
  blocks: AsyncIterable<SealedBlock>
): Promise<{ heights: Height[]; error: { code?: string; message?: string } }> {
  const heights: Height[] = []
  try {
    for await (const { height } of blocks) heights.push(height)
  } catch (error) {
    return { heights, error: error as Error }
  }
  return { heights, error: {} }
}

void describe('file feed', () => {
  void it('gives the blocks of a file from any height, then ends', async () => {
    await withFeed(linesOf(100, 700), {}, async (feed, _path, signal) => {
      assert.equal(await feed.awaitHighest({ signal }), 700)
      assert.equal(feed.lowestOffered, 100)
      for (const from of [100, 101, 163, 164, 165, 699, 700]) {
        const { heights, error } = await drain(feed.blocks(from, { signal }))
        assert.deepEqual(heights, range(from, 700))
        assert.equal(error.code, 'ended')
      }
      assert.equal((await drain(feed.blocks(701, { signal }))).error.code, 'ended')
      assert.equal((await drain(feed.blocks(99, { signal }))).error.code, 'not-offered')
    })
  })

  void it('settles every block at once, given out before or not, released or not', async () => {
    await withFeed(linesOf(1, 300), { maxRecentBlocks: 10 }, async (feed, _path, signal) => {
      assert.deepEqual(await take(feed.blocks(1, { signal }), 50), range(1, 50))
      feed.release(45)
      for (const height of [1, 45, 46, 50, 51, 64, 65, 300]) {
        const block = await feed.settled(height, { signal })
        assert.equal(block.height, height)
        assert.equal(block.executionDataId, dataIdAt(height))
      }
      await assert.rejects(feed.settled(301, { signal }), { code: 'ended' })
      await assert.rejects(feed.settled(0, { signal }), { code: 'not-offered' })
    })
  })

  void it('follows a file that grows, and waits for the end of a line', async () => {
    await withFeed('', { follow: true }, async (feed, path, signal) => {
      const iterator = feed.blocks(3, { signal })[Symbol.asyncIterator]()
      const third = iterator.next()
      await appendFile(path, linesOf(1, 2))
      assert.equal(await feed.awaitHighest({ signal }), 2)
      await appendFile(path, lineOf(3).slice(0, 40))
      const highest = await feed.awaitHighest({ signal })
      assert.equal(highest, 2)
      await appendFile(path, lineOf(3).slice(40) + linesOf(4, 500))
      assert.equal((await third).value?.height, 3)
      for (const height of range(4, 500)) assert.equal((await iterator.next()).value?.height, height)
      const settled = feed.settled(501, { signal })
      await appendFile(path, lineOf(501))
      assert.equal((await settled).height, 501)
      assert.equal((await iterator.next()).value?.height, 501)
      await iterator.return?.(undefined)
    })
  })

  void it('looks at what it follows when the system says that it changed, and not only from time to time', async () => {
    await withFeed(linesOf(1, 2), { follow: true, pollMs: 3_600_000 }, async (feed, path, signal) => {
      assert.equal(await feed.awaitHighest({ signal }), 2)
      for (let height = 3; height <= 60; height += 1) {
        const settled = feed.settled(height, { signal })
        await appendFile(path, lineOf(height))
        assert.equal((await settled).height, height)
      }
      await rm(path)
      await assert.rejects(feed.failed, { code: 'replaced' })
    })
  })

  void it('gives out what comes before a wrong line, then says which line and why', async () => {
    await withFeed(`${linesOf(1, 5)}{"height": 6}\n${lineOf(7)}`, {}, async (feed, path, signal) => {
      const { heights, error } = await drain(feed.blocks(2, { signal }))
      assert.deepEqual(heights, [2, 3, 4, 5])
      assert.equal(error.code, 'malformed-line')
      assert.equal(error.message, `${path}: line 6: "blockId" must be 64 hex digits`)
      await assert.rejects(feed.failed, { code: 'malformed-line' })
      await assert.rejects(feed.settled(7, { signal }), { code: 'malformed-line' })
      assert.equal((await feed.settled(5, { signal })).height, 5)
    })
    await withFeed(linesOf(1, 5) + lineOf(7), {}, async (feed, path, signal) => {
      const details = { line: 6, expected: 6, found: 7, path }
      await assert.rejects(feed.awaitHighest({ signal }), { code: 'gap', details })
    })
  })

  void it('fails when a followed file is cut, replaced or removed', async () => {
    const end = {
      truncated: (path: string) => truncate(path, 10),
      replaced: async (path: string) => {
        await writeFile(`${path}.new`, linesOf(1, 50))
        await rename(`${path}.new`, path)
      },
      removed: (path: string) => rename(path, `${path}.old`)
    }
    for (const [what, change] of Object.entries(end)) {
      await withFeed(linesOf(1, 20), { follow: true }, async (feed, path, signal) => {
        assert.equal(await feed.awaitHighest({ signal }), 20)
        await change(path)
        const code = what === 'removed' ? 'replaced' : what
        await assert.rejects(feed.failed, { code })
        await assert.rejects(feed.settled(21, { signal }), { code })
      })
    }
  })

  void it('is bounded in the length of a line', async () => {
    await withFeed(`{"more": "${'x'.repeat(70_000)}"}\n`, {}, async (feed, _path, signal) => {
      await assert.rejects(feed.awaitHighest({ signal }), { code: 'line-too-long' })
    })
  })

  void it('says when there is no file, or nothing in it', async () => {
    await withFolder(async (folder) => {
      const components = { clock: systemClock, metrics: createFeedMetrics(new Registry()) }
      for (const path of [join(folder, 'missing.jsonl'), folder]) {
        const feed = new FileFeed(components, { path })
        await assert.rejects(feed.start(), { code: 'unreadable' })
        await feed.stop()
      }
    })
    await withFeed('\n', {}, async (feed, _path, signal) => {
      await assert.rejects(feed.awaitHighest({ signal }), { code: 'ended' })
    })
  })

  void it('rejects waiting calls with the signal and on stop', async () => {
    await withFeed(linesOf(1, 2), { follow: true }, async (feed) => {
      const stop = new AbortController()
      const aborted = drain(feed.blocks(3, { signal: stop.signal }))
      const reason = new Error('enough')
      stop.abort(reason)
      assert.equal((await aborted).error, reason)
      const { signal } = new AbortController()
      const waiting = [feed.settled(9, { signal }), feed.blocks(9, { signal }).next()]
      await Promise.all([feed.stop(), ...waiting.map((promise) => assert.rejects(promise, { code: 'stopped' }))])
    })
  })

  void it('reads a block list for import, one block at a time', async () => {
    await withFolder(async (folder) => {
      const path = join(folder, 'blocks.jsonl')
      await writeFile(path, linesOf(7, 300).trimEnd())
      assert.deepEqual(await take(openBlockList(path), 1_000), range(7, 300))
      assert.deepEqual(await take(openBlockList(path), 3), [7, 8, 9])
      await assert.rejects(openBlockList(join(folder, 'none')).next(), { code: 'unreadable' })
      await appendFile(path, '\nbroken')
      const { heights, error } = await drain(openBlockList(path))
      assert.equal(heights.length, 294)
      assert.match(error.message ?? '', /blocks\.jsonl: line 295: not JSON/)
      await assert.rejects(openBlockList(path, { signal: AbortSignal.abort() }).next(), { name: 'AbortError' })
    })
  })

  void it('reads the list of the recorded chain', async () => {
    const heights = await take(openBlockList('test/fixtures/chain/blocks.jsonl'), 1_000)
    assert.deepEqual(heights, range(1_000_000, 1_000_071))
  })
})
