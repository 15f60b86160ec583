import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createProgressReporter, type ProgressSnapshot, progressLine, type Stall } from '#src/requester/index.ts'
import { FakeClock } from '#test/support/requester/fake-clock.ts'
import { LogBook } from '#test/support/requester/harness.ts'

const MIB = 1024 * 1024
const base: ProgressSnapshot = {
  feed: 1_209_882,
  consecutive: 1_204_331,
  stall: null,
  blocksPerSecond: 12.4,
  peers: { connected: 18, known: 20 },
  duplicateRatio: 0.018,
  rssBytes: 214 * MIB,
  memoryLimitBytes: 360 * MIB
}
const stall: Stall = {
  height: 1_204_332,
  cid: 'QmQKYUWAuPUhzEqXERGmX1iWS6gvXNVdWGN5XVqhQfidqe',
  askedPeers: 6,
  lastAnswerMsAgo: 31_000,
  nextTryMs: 2_400,
  reason: 'missing',
  remedy: 'look',
  sinceMs: 40_000
}
const tail = 'peers 18/20 dup 1.8% rss 214/360MiB'

const LINES: readonly [why: string, snapshot: Partial<ProgressSnapshot>, line: string][] = [
  ['catching up', {}, `syncing height 1,204,331/1,209,882 (99.5%) 12.4 blk/s eta 7m ${tail}`],
  ['no rate yet', { blocksPerSecond: undefined }, `syncing height 1,204,331/1,209,882 (99.5%) eta ? ${tail}`],
  ['no progress', { blocksPerSecond: 0 }, `syncing height 1,204,331/1,209,882 (99.5%) 0.0 blk/s eta ? ${tail}`],
  [
    'never 100 % while behind',
    { consecutive: 1_209_878 },
    `syncing height 1,209,878/1,209,882 (99.9%) 12.4 blk/s eta 0s ${tail}`
  ],
  ['one behind', { consecutive: 1_209_881 }, `synced lag 1 blk height 1,209,881 12.4 blk/s ${tail}`],
  [
    'ahead of the feed, after a restart',
    { consecutive: 1_209_885 },
    `synced lag 0 blk height 1,209,885 12.4 blk/s ${tail}`
  ],
  [
    'nothing held yet',
    { consecutive: undefined, blocksPerSecond: undefined, feed: 12 },
    `syncing the first height, feed at 12 ${tail}`
  ],
  ['nothing heard yet', { feed: undefined, consecutive: undefined }, `waiting for sealed blocks ${tail}`],
  [
    'no limit',
    { feed: undefined, memoryLimitBytes: undefined },
    'waiting for sealed blocks peers 18/20 dup 1.8% rss 214MiB'
  ],
  [
    'stalled',
    { stall },
    `stalled at 1,204,332: missing blob ${stall.cid} asked 6 peers, last answer 31s ago, next try in 2s; ${tail}`
  ],
  [
    'stalled without an answer',
    { stall: { ...stall, askedPeers: 1, lastAnswerMsAgo: null, nextTryMs: null } },
    `stalled at 1,204,332: missing blob ${stall.cid} asked 1 peer, no answer yet; ${tail}`
  ],
  ['unobtainable', { stall: { ...stall, reason: 'unobtainable' } }, `stalled at 1,204,332: look; ${tail}`],
  [
    'malformed',
    { stall: { ...stall, reason: 'malformed' } },
    `stalled at 1,204,332: malformed execution data; look; ${tail}`
  ]
]

describe('progress line', () => {
  for (const [why, part, line] of LINES) {
    test(why, () => assert.equal(progressLine({ ...base, ...part }), line))
  }
})

describe('progress reporter', () => {
  test('a line every so often, the rate over a window, none after stop', async () => {
    const clock = new FakeClock()
    const logger = new LogBook()
    let consecutive = 100
    const read = (): Omit<ProgressSnapshot, 'blocksPerSecond'> => ({ ...base, feed: 100_000, consecutive })
    const reporter = createProgressReporter({ clock, logger, read }, { everyMs: 10_000, rateWindowMs: 30_000 })
    await reporter.start()
    await clock.advance(10_000)
    assert.match(logger.lines[0]?.message ?? '', /^syncing height 100\/100,000 \(0\.1%\) eta \?/)
    consecutive = 200
    await clock.advance(10_000)
    assert.match(logger.lines[1]?.message ?? '', / 10\.0 blk\/s /)
    await clock.advance(40_000)
    assert.equal(reporter.snapshot().blocksPerSecond, 0, 'what is older than the window does not count')
    assert.equal(logger.lines.length, 6)
    await reporter.stop()
    await clock.advance(60_000)
    assert.equal(logger.lines.length, 6)
    assert.equal(clock.timers, 0)
  })
})
