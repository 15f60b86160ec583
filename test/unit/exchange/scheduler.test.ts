import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CID_V0 } from '#src/exchange/message/types.ts'
import { exchangeOptions } from '#src/exchange/index.ts'
import { PeerLedger } from '#src/exchange/server/ledger.ts'
import { Scheduler, type Turn } from '#src/exchange/server/scheduler.ts'
import type { DigestKey } from '#src/model/index.ts'
import { peerId } from '#test/support/exchange/sim.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const LIMITS = { quantumBytes: 64, packBytes: 100 }
const MOST_PER_MESSAGE = 512
const LARGEST = 300
const PEERS = 4
const everybody = (): boolean => true

/** Some peers' ledgers under one scheduler, with the order in which their wants were queued. */
class Queues {
  readonly scheduler = new Scheduler(LIMITS)
  readonly ledgers: readonly PeerLedger[]
  /** What should be served: by peer, hot before cold, each in the order it came. */
  readonly expected: { hot: DigestKey[]; cold: DigestKey[] }[] = []
  readonly served: number[]
  #keys = 0

  constructor(peers: number) {
    const clock = new VirtualClock()
    this.ledgers = Array.from({ length: peers }, (_, at) => new PeerLedger(peerId(at), clock, exchangeOptions().server))
    this.expected = this.ledgers.map(() => ({ hot: [], cold: [] }))
    this.served = this.ledgers.map(() => 0)
    for (const ledger of this.ledgers) this.scheduler.add(ledger)
  }

  queue(at: number, size: number | undefined, hot = false): DigestKey {
    const key = `key-${this.#keys}` as DigestKey
    this.#keys += 1
    const ledger = this.#at(at)
    const want = ledger.add({
      key,
      form: CID_V0,
      wantType: 'block',
      sendDontHave: true,
      cancel: false,
      ackQueued: false
    })
    want.size = size
    ledger.enqueue(want, hot)
    this.expected[at]?.[hot ? 'hot' : 'cold'].push(key)
    return key
  }

  cancel(at: number, key: DigestKey): void {
    this.#at(at).remove(key)
    const left = this.expected[at]
    if (left === undefined) return
    left.hot = left.hot.filter((other) => other !== key)
    left.cold = left.cold.filter((other) => other !== key)
  }

  /** The next turn, held against what was queued; the wants of it are done with. */
  next(ready: (at: number) => boolean = everybody): Turn | undefined {
    const able = this.expected.filter((_, at) => ready(at))
    const turn = this.scheduler.next((ledger) => ready(this.ledgers.indexOf(ledger)))
    const anyHot = able.some(({ hot }) => hot.length > 0)
    if (turn === undefined) {
      assert.ok(!anyHot && able.every(({ cold }) => cold.length === 0), 'somebody who is ready was left out')
      return undefined
    }
    const at = this.ledgers.indexOf(turn.ledger)
    assert.ok(ready(at), 'a peer that is not ready was served')
    const queue = this.expected[at]?.[anyHot ? 'hot' : 'cold'] ?? []
    assert.deepEqual(turn.keys, queue.splice(0, turn.keys.length))
    assert.ok(turn.keys.length > 0 && turn.keys.length <= MOST_PER_MESSAGE)
    assert.ok(turn.keys.length === 1 || turn.bytes <= LIMITS.packBytes)
    for (const key of turn.keys) turn.ledger.remove(key)
    this.served[at] = (this.served[at] ?? 0) + turn.bytes
    return turn
  }

  #at(at: number): PeerLedger {
    const ledger = this.ledgers[at]
    assert.ok(ledger !== undefined)
    return ledger
  }
}

const sizes = fc.integer({ min: 1, max: LARGEST })
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('queue' as const), at: fc.nat(PEERS - 1), size: sizes, hot: fc.boolean() })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('next' as const), ready: fc.nat((1 << PEERS) - 1) }) }
)

describe('scheduler', () => {
  test('whatever comes, goes or is not ready: each want once, in order, hot ones first, within the message', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const queues = new Queues(PEERS)
        const queued: { at: number; key: DigestKey }[] = []
        for (const it of steps) {
          if (it.do === 'queue') queued.push({ at: it.at, key: queues.queue(it.at, it.size, it.hot) })
          else if (it.do === 'next') queues.next((at) => ((it.ready >> at) & 1) === 1)
          else if (queued.length > 0) {
            const [gone] = queued.splice(it.which % queued.length, 1)
            if (gone !== undefined) queues.cancel(gone.at, gone.key)
          }
        }
        while (queues.next() !== undefined);
        assert.equal(queues.scheduler.due, false)
        assert.ok(queues.expected.every(({ hot, cold }) => hot.length + cold.length === 0))
      }),
      { numRuns: 300 }
    )
  })

  test('peers that always want more get the same, within a block, a quantum and a message', () => {
    fc.assert(
      fc.property(fc.array(sizes, { minLength: 2, maxLength: 6 }), fc.integer({ min: 10, max: 300 }), (each, turns) => {
        const queues = new Queues(each.length)
        for (let turn = 0; turn < turns; turn += 1) {
          // A message never empties a queue, so nobody's account is settled meanwhile.
          for (const [at, size] of each.entries()) {
            while ((queues.expected[at]?.cold.length ?? 0) <= LIMITS.packBytes) queues.queue(at, size)
          }
          queues.next()
        }
        const apart = Math.max(...queues.served) - Math.min(...queues.served)
        const most = Math.max(...each) + LIMITS.quantumBytes + LIMITS.packBytes
        assert.ok(apart <= most, `${queues.served.join(', ')} are ${apart} apart, not ${most}`)
      }),
      { numRuns: 100 }
    )
  })

  test('a peer that comes later is not made to wait for what the others have had', () => {
    const queues = new Queues(2)
    for (let count = 0; count < 40; count += 1) queues.queue(0, 100)
    for (let turn = 0; turn < 20; turn += 1) assert.equal(queues.next()?.ledger, queues.ledgers[0])
    for (let count = 0; count < 10; count += 1) queues.queue(1, 100)
    const turns = Array.from({ length: 6 }, () => queues.next()?.ledger)
    assert.equal(turns.filter((ledger) => ledger === queues.ledgers[1]).length, 3)
  })

  test('who wanted nothing for a while has saved nothing up', () => {
    const queues = new Queues(2)
    for (let count = 0; count < 20; count += 1) {
      queues.queue(1, 10)
      queues.next()
    }
    assert.equal(queues.ledgers[1]?.deficit, 0)
  })

  test('a block whose length is not known goes alone', () => {
    const queues = new Queues(1)
    queues.queue(0, undefined)
    queues.queue(0, 1)
    assert.equal(queues.next()?.keys.length, 1)
    assert.equal(queues.next()?.bytes, 1)
  })

  test('a message holds no more than so many, however small', () => {
    const queues = new Queues(1)
    for (let count = 0; count < MOST_PER_MESSAGE + 1; count += 1) queues.queue(0, 0)
    assert.equal(queues.next()?.keys.length, MOST_PER_MESSAGE)
    assert.equal(queues.next()?.keys.length, 1)
  })

  test('a peer that was removed is not served, nor taken in again by what it still queues', () => {
    const queues = new Queues(2)
    const [gone] = queues.ledgers
    assert.ok(gone !== undefined)
    queues.queue(0, 1)
    queues.scheduler.remove(gone)
    queues.queue(0, 1)
    assert.equal(queues.scheduler.due, false)
    assert.equal(queues.scheduler.next(everybody), undefined)
    queues.queue(1, 1)
    assert.equal(queues.scheduler.next(everybody)?.ledger, queues.ledgers[1])
  })
})
