import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  defaultAnnouncementsFeedOptions,
  defaultFileFeedOptions,
  validateAnnouncementsFeedOptions,
  validateFileFeedOptions
} from '#src/feed/index.ts'

void describe('options of the feeds', () => {
  void it('of announcements: the defaults fit, and each fault is named', () => {
    const fine = defaultAnnouncementsFeedOptions
    assert.deepEqual(validateAnnouncementsFeedOptions(fine), [])
    for (const [wrong, named] of [
      [{ quorum: 0 }, /quorum/],
      [{ tickMs: 0.5 }, /tickMs/],
      [{ maxHintBytes: -1 }, /maxHintBytes/],
      [{ requestHeights: fine.windowHeights + 1 }, /requestHeights .* windowHeights/],
      [{ suspiciousDistance: fine.windowHeights - 1 }, /suspiciousDistance/],
      [{ backoff: { initialMs: 0, maxMs: 1, jitter: 0 } }, /backoff/],
      [{ backoff: { initialMs: 10, maxMs: 1, jitter: 0 } }, /backoff/],
      [{ backoff: { initialMs: 1, maxMs: 1, jitter: 2 } }, /backoff/]
    ] as const) {
      const faults = validateAnnouncementsFeedOptions({ ...fine, ...wrong })
      assert.equal(faults.length, 1)
      assert.match(faults[0] ?? '', named)
    }
  })

  void it('of files: the defaults fit, and each fault is named', () => {
    const fine = { ...defaultFileFeedOptions, path: 'blocks.jsonl' }
    assert.deepEqual(validateFileFeedOptions(fine), [])
    for (const [wrong, named] of [
      [{ path: '' }, /path/],
      [{ pollMs: 0 }, /pollMs/],
      [{ maxLineBytes: 2 ** 30 }, /maxLineBytes 1\.00 GiB/]
    ] as const) {
      const faults = validateFileFeedOptions({ ...fine, ...wrong })
      assert.equal(faults.length, 1)
      assert.match(faults[0] ?? '', named)
    }
  })
})
