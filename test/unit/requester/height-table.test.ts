import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { RunningHeight } from '#src/requester/height-state.ts'
import { HeightTable } from '#src/requester/height-table.ts'
import { MinHeap } from '#src/requester/min-heap.ts'
import { blockAt, cidsOf } from '#test/support/requester/blocks.ts'

const MIB = 1024 * 1024
const limits = {
  maxSearchAhead: 50,
  maxAheadBytes: 100 * MIB,
  maxInFlightBytes: 100 * MIB,
  maxHintCids: 100,
  concurrency: 4,
  lowestHeights: 2
}

function table(options: Partial<typeof limits> = {}, upTo = 20): HeightTable {
  const made = new HeightTable(0, { ...limits, ...options })
  for (let height = 1; height <= upTo; height += 1) made.offer(blockAt(height), { hot: false })
  return made
}

function beginAll(made: HeightTable, now = 1): RunningHeight[] {
  const runs: RunningHeight[] = []
  for (let run = made.begin(now); run !== undefined; run = made.begin(now)) runs.push(run)
  return runs
}

const heightsOf = (runs: readonly RunningHeight[]): number[] => runs.map((run) => run.block.height)

describe('height table: what runs next', () => {
  test('ascending, and no more than the slots', () => {
    assert.deepEqual(heightsOf(beginAll(table())), [1, 2, 3, 4])
  })

  test('the lowest first, then hot ones, then the rest', () => {
    const made = table()
    for (const height of [31, 30]) made.offer(blockAt(height), { hot: true })
    assert.deepEqual(heightsOf(beginAll(made)), [1, 30, 31, 2])
  })

  test('the last slot is kept for the lowest, even while that pauses', () => {
    const made = table()
    const [lowest] = beginAll(made)
    made.postpone(lowest as RunningHeight, { dueAt: 100, gone: false })
    assert.deepEqual(heightsOf(beginAll(made, 50)), [])
    assert.deepEqual(heightsOf(beginAll(made, 100)), [1])
  })

  test('one slot alone is the lowest height’s', () => {
    const made = table({ concurrency: 1 })
    const order: number[] = []
    for (let run = made.begin(1); run !== undefined && order.length < 30; run = made.begin(1)) {
      order.push(run.block.height)
      made.hold(run, { bytes: 10, blobs: 1 })
    }
    assert.deepEqual(
      order,
      Array.from({ length: 20 }, (_, at) => at + 1)
    )
    assert.equal(made.frontier, 20)
  })

  test('bytes in flight are bounded, but the lowest runs in any case', () => {
    // Unknown blocks are expected to have 1 MiB.
    assert.deepEqual(heightsOf(beginAll(table({ maxInFlightBytes: 2 * MIB }))), [1, 2])
    assert.deepEqual(heightsOf(beginAll(table({ maxInFlightBytes: 10 }))), [1])
  })

  test('bytes held above the frontier are bounded, but the lowest runs in any case', () => {
    const made = table({ maxAheadBytes: 10 * MIB })
    const [, second] = beginAll(made)
    made.hold(second as RunningHeight, { bytes: 50 * MIB, blobs: 1 })
    assert.equal(made.heldBytes, 50 * MIB)
    assert.deepEqual(heightsOf(beginAll(made)), [])
    assert.equal(made.get(5)?.kind, 'waiting')
  })

  test('a hint counts with its length', () => {
    const made = new HeightTable(0, { ...limits, maxInFlightBytes: 5 * MIB })
    for (const height of [1, 2, 3]) {
      const block = blockAt(height)
      made.offer({ ...block, hint: cidsOf(block, 3) }, { hot: false })
    }
    assert.deepEqual(heightsOf(beginAll(made)), [1])
    assert.equal(made.reservedBytes, 3 * MIB)
  })
})

describe('height table: what may be begun', () => {
  test('the lowest few while nothing is fetched far ahead; nothing at all while fetching stands still', () => {
    const made = table()
    assert.equal(made.begin(1, 'none'), undefined)
    const lowest = [made.begin(1, 'lowest'), made.begin(1, 'lowest')]
    assert.deepEqual(heightsOf(lowest.filter((run) => run !== undefined)), [1, 2])
    assert.equal(made.putOff, 0)
    assert.equal(made.begin(1, 'lowest'), undefined)
    assert.equal(made.putOff, 1)
    assert.deepEqual(heightsOf(beginAll(made)), [3, 4])
  })
})

describe('height table: bounds and states', () => {
  test('the feed is read no further than the window', () => {
    const made = table({ maxSearchAhead: 10 }, 0)
    assert.equal(made.hasRoomFor(10), true)
    assert.equal(made.hasRoomFor(11), false)
    assert.equal(made.offer(blockAt(11), { hot: false }), 'beyond')
    assert.equal(made.offer(blockAt(0), { hot: false }), 'old')
  })

  test('hints above their bound stop the feed once the slots have work', () => {
    const made = table({ maxHintCids: 6, concurrency: 2 }, 0)
    const room: boolean[] = []
    for (let height = 1; height <= 3; height += 1) {
      const block = blockAt(height)
      made.offer({ ...block, hint: cidsOf(block, 4) }, { hot: false })
      room.push(made.hasRoomFor(height + 1))
    }
    assert.deepEqual(room, [true, false, false])
    for (const run of beginAll(made)) made.hold(run, { bytes: 1, blobs: 4 })
    assert.equal(made.hasRoomFor(4), true)
  })

  test('the same block again is known, and may bring the hint that was missing; another one is a conflict', () => {
    const made = table({}, 1)
    const hint = cidsOf(blockAt(1))
    assert.equal(made.offer(blockAt(1, { hint }), { hot: false }), 'known')
    assert.deepEqual(made.lowest()?.block.hint, hint)
    assert.equal(made.offer(blockAt(1, { fork: 'b' }), { hot: false }), 'conflict')
    assert.deepEqual(heightsOf(beginAll(made)), [1])
  })

  test('what is settled replaces a running height only when its try has ended', () => {
    const made = table({}, 2)
    const [first] = beginAll(made) as [RunningHeight]
    const settled = blockAt(1, { fork: 'b' })
    assert.equal(made.supersede(blockAt(1), 'why'), 'same')
    assert.equal(made.supersede(settled, 'why'), 'replaced')
    assert.equal(made.supersede(settled, 'why'), 'same')
    assert.equal(first.controller.signal.reason, 'why')
    assert.deepEqual(beginAll(made), [])
    made.hold(first, { bytes: 1, blobs: 1 })
    assert.equal(made.frontier, 0)
    const [again] = beginAll(made) as [RunningHeight]
    assert.equal(again.block, settled)
    assert.equal(again.attempt, 0)
    made.hold(again, { bytes: 1, blobs: 1 })
    assert.equal(made.frontier, 1)
  })

  test('what is settled replaces a pausing height at once', () => {
    const made = table({}, 1)
    const [first] = beginAll(made) as [RunningHeight]
    made.postpone(first, { dueAt: 1_000_000, gone: false })
    made.supersede(blockAt(1, { fork: 'b' }), 'why')
    assert.deepEqual(heightsOf(beginAll(made)), [1])
  })

  test('a height below the frontier is replaced without the frontier going back, before all others', () => {
    const made = table({ concurrency: 2 })
    for (const run of beginAll(made)) made.hold(run, { bytes: 1, blobs: 1 })
    assert.equal(made.frontier, 2)
    beginAll(made)
    made.supersede(blockAt(1, { fork: 'b' }), 'why')
    assert.equal(made.frontier, 2)
    made.hold(made.get(3) as RunningHeight, { bytes: 1, blobs: 1 })
    const [replacement] = beginAll(made) as [RunningHeight]
    assert.equal(replacement.block.height, 1)
    made.hold(replacement, { bytes: 1, blobs: 1 })
    assert.equal(made.get(1), undefined)
    assert.equal(made.frontier, 3)
    assert.equal(made.heldCount, 0)
    assert.equal(made.heldBytes, 0)
  })

  test('a step that no height may take is refused', () => {
    const made = table({}, 1)
    const [run] = beginAll(made) as [RunningHeight]
    made.postpone(run, { dueAt: 9, gone: false })
    assert.throws(() => made.hold(run, { bytes: 1, blobs: 1 }), { code: 'illegal-transition' })
  })
})

describe('min heap', () => {
  test('gives everything back in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (values) => {
        const heap = new MinHeap<number>((value) => value)
        for (const value of values) heap.push(value)
        const out = Array.from({ length: values.length }, () => heap.pop())
        assert.deepEqual(
          out,
          values.toSorted((a, b) => a - b)
        )
        assert.equal(heap.pop(), undefined)
      })
    )
  })
})
