import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Height } from '#src/model/index.ts'
import { Checkpoint } from '#src/requester/checkpoint.ts'
import { sleep } from '#src/util/index.ts'
import { settleInTicks, VirtualClock } from '#test/support/virtual-clock.ts'

const GATHER_MS = 20
/** Heights that come while one is written, from which on more are waited for. */
const MANY = 4

interface Write {
  readonly height: Height
  readonly from: number
  to: number | undefined
}

/** A checkpoint on a disk whose synced writes take `writeMs`. */
function setUp({
  writeMs = (): number => 5,
  everyMs = 0,
  settle = undefined as (() => Promise<void>) | undefined
} = {}) {
  const clock = new VirtualClock(settle)
  const writes: Write[] = []
  const errors: unknown[] = []
  let fails = false
  let saved = 0
  const progress = {
    get: async () => undefined,
    async set(_name: string, value: Height) {
      const write: Write = { height: value, from: clock.now(), to: undefined }
      writes.push(write)
      await sleep(clock, writeMs())
      if (fails) throw new Error('no space')
      write.to = clock.now()
    }
  }
  const checkpoint = new Checkpoint({ progress, clock }, 'name', {
    saved: 0,
    everyMs,
    onSaved: () => {
      saved += 1
    },
    onError: (error) => errors.push(error)
  })
  const at = (ms: number, run: () => void): void => void clock.setTimer(ms, run)
  const advanceAt = (ms: number, to: number): void => at(ms, () => checkpoint.advance(to))
  return {
    clock,
    checkpoint,
    writes,
    errors,
    at,
    advanceAt,
    breakDisk: (broken: boolean) => (fails = broken),
    saved: () => saved,
    starts: () => writes.map((write) => [write.from, write.height])
  }
}

describe('checkpoint', () => {
  test('a height that comes alone is written at once', async () => {
    const { clock, advanceAt, starts, checkpoint, saved } = setUp()
    for (const [ms, to] of [
      [0, 1],
      [5, 2],
      [30, 3]
    ] as const) {
      advanceAt(ms, to)
    }
    await clock.run(100)
    assert.deepEqual(starts(), [
      [0, 1],
      [5, 2],
      [30, 3]
    ])
    assert.deepEqual([checkpoint.saved, saved()], [3, 3])
  })

  test('few that come during a write are one write behind it', async () => {
    const { clock, advanceAt, starts } = setUp()
    for (let to = 1; to <= MANY; to += 1) advanceAt(to - 1, to)
    await clock.run(100)
    assert.deepEqual(starts(), [
      [0, 1],
      [5, MANY]
    ])
  })

  test('when many came, the next write waits, and takes what comes meanwhile too', async () => {
    const { clock, advanceAt, starts, checkpoint, at } = setUp()
    advanceAt(0, 1)
    advanceAt(3, 1 + MANY)
    advanceAt(5 + GATHER_MS - 1, 50)
    at(5 + GATHER_MS - 0.5, () => assert.equal(checkpoint.saved, 1))
    await clock.run(100)
    assert.deepEqual(starts(), [
      [0, 1],
      [5 + GATHER_MS, 50]
    ])
  })

  test('a longer interval holds in any case', async () => {
    const { clock, advanceAt, starts } = setUp({ everyMs: 50 })
    advanceAt(0, 1)
    advanceAt(1, 2)
    advanceAt(60, 40)
    await clock.run(300)
    assert.deepEqual(starts(), [
      [0, 1],
      [55, 2],
      [110, 40]
    ])
  })

  test('a flush ends the waiting', async () => {
    const { clock, advanceAt, starts, checkpoint, at } = setUp()
    advanceAt(0, 1)
    advanceAt(1, 100)
    let flushedAt: number | undefined
    at(7, () => void checkpoint.flush().then(() => (flushedAt = clock.now())))
    await clock.run(100)
    assert.deepEqual(starts(), [
      [0, 1],
      [7, 100]
    ])
    assert.deepEqual([flushedAt, checkpoint.saved], [12, 100])
  })

  test('a height that is not higher is ignored', async () => {
    const { clock, advanceAt, starts } = setUp()
    advanceAt(0, 9)
    advanceAt(10, 9)
    advanceAt(11, 3)
    await clock.run(100)
    assert.deepEqual(starts(), [[0, 9]])
  })

  test('a write that fails is told, and the next height tries again', async () => {
    const { clock, advanceAt, checkpoint, errors, at, breakDisk } = setUp()
    breakDisk(true)
    advanceAt(0, 1)
    at(10, () => {
      assert.deepEqual([errors.length, checkpoint.saved], [1, 0])
      breakDisk(false)
      checkpoint.advance(2)
    })
    await clock.run(100)
    assert.deepEqual([errors.length, checkpoint.saved], [1, 2])
  })

  test('however heights come and however long writes take: one at a time, growing, all of them, and not more often than gathering allows', async () => {
    const steps = fc.array(fc.record({ afterMs: fc.nat(8), by: fc.integer({ min: 1, max: 6 }) }), { minLength: 1 })
    await fc.assert(
      fc.asyncProperty(steps, fc.infiniteStream(fc.integer({ min: 1, max: 30 })), async (plan, slow) => {
        const { clock, writes, advanceAt, checkpoint } = setUp({
          writeMs: () => slow.next().value as number,
          settle: settleInTicks()
        })
        const came: { readonly at: number; readonly to: number }[] = []
        let [now, to] = [0, 0]
        for (const { afterMs, by } of plan) {
          now += afterMs
          to += by
          came.push({ at: now, to })
          advanceAt(now, to)
        }
        await clock.run(100_000)
        assert.equal(checkpoint.saved, to)
        for (const [index, write] of writes.entries()) {
          const before = writes[index - 1]
          if (before?.to === undefined) continue
          assert.ok(write.height > before.height && write.from >= before.to)
          const ended = before.to
          // What comes in the very moment in which a write ends may be seen by it or not.
          const during = came.filter(({ at }) => at < ended).at(-1)?.to ?? 0
          if (during - before.height >= MANY) assert.ok(write.from - before.to >= GATHER_MS)
        }
      }),
      { numRuns: 100 }
    )
  })
})
