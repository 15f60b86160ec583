import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  BoundedQueue,
  backoffMs,
  concatBytes,
  exactDuration,
  exactSize,
  formatDuration,
  formatSize,
  fromHex,
  parseDuration,
  parseSize,
  readVarint,
  seededRng,
  sleep,
  toHex,
  varintLength,
  writeVarint
} from '#src/util/index.ts'
import type { Clock } from '#src/util/index.ts'

describe('varint', () => {
  it('writes and reads every safe integer below 2^49 in its length', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31 - 1), fc.nat(2 ** 18 - 1), (low, high) => {
        const value = high * 2 ** 31 + low
        const out = new Uint8Array(10)
        const end = writeVarint(out, 1, value)
        assert.equal(end - 1, varintLength(value))
        assert.deepEqual(readVarint(out, 1), { value, next: end })
      })
    )
  })

  it('tells an unfinished one from one that is too large', () => {
    assert.equal(readVarint(Uint8Array.of(0x80), 0), undefined)
    assert.equal(readVarint(new Uint8Array(12).fill(0xff), 0), null)
  })
})

describe('bounded queue', () => {
  it('keeps order and refuses at the bound', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer(), { nil: undefined }), { maxLength: 5000 }), (steps) => {
        const queue = new BoundedQueue<number>(16)
        const model: number[] = []
        for (const step of steps) {
          if (step === undefined) assert.equal(queue.shift(), model.shift())
          else assert.equal(queue.push(step), model.length < 16 && model.push(step) > 0)
          assert.equal(queue.size, model.length)
        }
      })
    )
  })
})

describe('sizes and durations', () => {
  it('reads what operators write', () => {
    assert.equal(parseSize('64MiB'), 67_108_864)
    assert.equal(parseSize('1.5 GiB'), 1_610_612_736)
    assert.equal(parseSize('4096'), 4096)
    assert.equal(parseDuration('30s'), 30_000)
    assert.equal(parseDuration('2h'), 7_200_000)
    for (const wrong of ['', 'MiB', '-1', '5 lightyears', '1e9GiB', '99999999999TiB'])
      assert.equal(parseSize(wrong), undefined, wrong)
  })

  it('writes what people read', () => {
    assert.equal(formatSize(1536), '1.50 KiB')
    assert.equal(formatSize(12), '12 B')
    assert.equal(formatDuration(430_000), '7m 10s')
    assert.equal(formatDuration(12_340), '12.3s')
  })

  it('exactly, so that reading gives the number back', () => {
    assert.deepEqual([0, 1500, 60_000, 300_000, 172_800_000].map(exactDuration), [
      '0s',
      '1500ms',
      '1min',
      '5min',
      '48h'
    ])
    assert.deepEqual([0, 1023, 1_572_864, 50_331_648].map(exactSize), ['0B', '1023B', '1536KiB', '48MiB'])
    fc.assert(
      fc.property(
        fc.oneof(
          fc.nat(),
          fc.nat(5000).map((value) => value * 1024),
          fc.nat(5000).map((value) => value * 60_000)
        ),
        (value) => {
          assert.equal(parseDuration(exactDuration(value)), value)
          assert.equal(parseSize(exactSize(value)), value)
        }
      )
    )
  })
})

describe('backoff', () => {
  it('doubles up to the largest delay, and jitter only shortens it', () => {
    const options = { initialMs: 100, maxMs: 3000, jitter: 0.5 }
    const rng = seededRng(7)
    for (let attempt = 0; attempt < 50; attempt += 1) {
      const full = Math.min(3000, 100 * 2 ** attempt)
      const delay = backoffMs(attempt, options, rng)
      assert.ok(delay <= full && delay >= full / 2, `${attempt}: ${delay}`)
    }
  })
})

describe('bytes', () => {
  it('go to hex and back', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(fromHex(toHex(bytes)), bytes)))
    for (const wrong of ['a', 'zz', '0x00']) assert.equal(fromHex(wrong), undefined)
    assert.equal(fromHex('aabb', 3), undefined)
  })

  it('are joined into one buffer of their own', () => {
    const joined = concatBytes([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])
    assert.deepEqual([...joined], [1, 2, 3])
    assert.equal(joined.buffer.byteLength, 3)
  })
})

describe('sleep', () => {
  const manual = () => {
    const timers = new Set<() => void>()
    const clock: Clock = {
      now: () => 0,
      wallNow: () => 0,
      setTimer(_ms, run) {
        timers.add(run)
        return { cancel: () => timers.delete(run) }
      }
    }
    return { clock, timers }
  }

  it('leaves no timer behind when its signal aborts', async () => {
    const { clock, timers } = manual()
    const controller = new AbortController()
    const slept = sleep(clock, 1000, controller.signal)
    assert.equal(timers.size, 1)
    controller.abort(new Error('enough'))
    await assert.rejects(slept, /enough/)
    assert.equal(timers.size, 0)
    await assert.rejects(sleep(clock, 1000, controller.signal), /enough/)
  })

  it('resolves when its time has come', async () => {
    const { clock, timers } = manual()
    const slept = sleep(clock, 1000)
    for (const run of timers) run()
    await slept
  })
})
