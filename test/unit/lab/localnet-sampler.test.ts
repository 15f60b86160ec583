import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryTrack } from '#src/lab/localnet/monitor.ts'
import { parseProcessFigures } from '#src/lab/localnet/process-figures.ts'
import { openedPerSecond } from '#src/lab/localnet/sampler.ts'
import { OpenSchedule } from '#src/lab/localnet/schedule.ts'

describe('the steady window', () => {
  it('gives streams a second', () => {
    assert.equal(openedPerSecond({ fromMs: 5_000, toMs: 15_000, opened: 4 }), 0.4)
    assert.equal(openedPerSecond({ fromMs: 5_000, toMs: 15_000, opened: 0 }), 0)
  })

  it('says nothing of less than a second, or of a run that was over before', () => {
    assert.equal(openedPerSecond({ fromMs: 5_000, toMs: 5_999, opened: 1 }), undefined)
    assert.equal(openedPerSecond({ fromMs: 5_000, toMs: 4_000, opened: 1 }), undefined)
  })
})

describe('memory over time', () => {
  const filled = (): MemoryTrack => {
    const track = new MemoryTrack()
    // 15 s, falling from 115 to 100; a peak of 500 before that.
    track.add({ atMs: 0, rssBytes: 500, anonBytes: 400 })
    for (let second = 0; second <= 15; second += 1) {
      track.add({ atMs: 60_000 + second * 1_000, rssBytes: 115 - second, anonBytes: 15 - second })
    }
    return track
  }

  it('keeps the peak of all samples and the median of the last 5 s', () => {
    const { rssBytes, anonBytes } = filled().figures(75_000)
    assert.deepEqual(rssBytes, { idle: 102.5, peak: 500 })
    assert.deepEqual(anonBytes, { idle: 2.5, peak: 400 })
  })

  it('has no idle figure without a quiet time', () => {
    assert.deepEqual(filled().figures(undefined).rssBytes, { idle: null, peak: 500 })
  })

  it('does not look past the end of the quiet time', () => {
    const track = filled()
    track.add({ atMs: 76_000, rssBytes: 900, anonBytes: 0 })
    assert.deepEqual(track.figures(75_000).rssBytes, { idle: 102.5, peak: 900 })
  })
})

describe("a process's figures", () => {
  const status = 'Name:\tnode\nVmRSS:\t   2048 kB\nRssAnon:\t    1024 kB\nRssFile:\t 1024 kB\n'

  it('are read though its name holds spaces and parentheses', () => {
    const stat = `77 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0`
    assert.deepEqual(parseProcessFigures(status, stat), { rssBytes: 2_097_152, anonBytes: 1_048_576, cpuSeconds: 2 })
  })

  it('are none for a process that is gone', () => {
    assert.equal(
      parseProcessFigures('Name:\tnode\nState:\tZ (zombie)\n', '77 (x) Z 1 2 3 4 5 6 7 8 9 10 1 1'),
      undefined
    )
    assert.equal(parseProcessFigures(status, ''), undefined)
  })
})

describe('an open schedule', () => {
  it('does not let a late event move those behind it', () => {
    const schedule = new OpenSchedule(0, 4)
    assert.equal(schedule.next(0), 0)
    assert.equal(schedule.next(10), 240)
    // 600 ms for one block: the next two are due at once.
    assert.equal(schedule.next(850), 0)
    assert.equal(schedule.next(850), 0)
    assert.equal(schedule.next(850), 150)
  })

  it('catches up with two seconds at most', () => {
    const schedule = new OpenSchedule(0, 4)
    schedule.next(0)
    let atOnce = 0
    while (schedule.next(100_000) === 0) atOnce += 1
    assert.equal(atOnce, 9)
  })

  it('never brings two events closer than at the rate when it is not to catch up', () => {
    const schedule = new OpenSchedule(0, 4, 0)
    assert.equal(schedule.next(0), 0)
    assert.equal(schedule.next(10), 240)
    assert.equal(schedule.next(850), 0)
    assert.equal(schedule.next(850), 250)
    assert.equal(schedule.next(1_100), 250)
  })
})
