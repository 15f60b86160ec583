import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ByteAccount } from '#src/exchange/byte-account.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { InFlight } from '#src/exchange/server/in-flight.ts'
import { type LedgerWant, PeerLedger } from '#src/exchange/server/ledger.ts'
import { Scheduler } from '#src/exchange/server/scheduler.ts'
import { blobOf, type DigestKey } from '#src/model/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peer, serverBench, type TestLink } from '#test/support/exchange/server-bench.ts'

const limits = defaultExchangeOptions.server

describe('what a peer gets', () => {
  test('the block that is there; DONT_HAVE, and the block later, for one that is not', async () => {
    const { link, want, server, blobs, clock, waits, totals } = serverBench()
    const [here, later] = [seededBlob(1, 100), seededBlob(2, 100)]
    blobs.put(here)
    const a = link('a')
    want('a', here)
    want('a', later)
    await clock.run(10)
    assert.ok(a.sent.includes(here.bytes), 'the very buffer, not a copy')
    assert.deepEqual(a.presences, ['dont-have'])
    blobs.put(later)
    server.appeared([later.cid.key])
    await clock.run(20)
    assert.ok(a.sent.includes(later.bytes))
    assert.equal(server.ledgerWants, 0)
    assert.equal(waits.map(({ hot }) => hot).join(), 'false,true')
    assert.deepEqual(totals.presencesSent, { have: 0, 'dont-have': 1 })
  })

  test('a block that waits for its stream grows old, and its wait is told when it is sent', async () => {
    const { link, want, server, blobs, clock, waits } = serverBench()
    const [first, second] = [seededBlob(1, 300_000), seededBlob(2, 300_000)]
    blobs.put(first)
    blobs.put(second)
    const a = link('a')
    a.dataUnsentBytes = Number.MAX_SAFE_INTEGER
    assert.equal(server.oldestQueuedSeconds, 0)
    want('a', first)
    await clock.run(3_000)
    want('a', second)
    await clock.run(5_000)
    assert.equal(server.oldestQueuedSeconds, 5)
    a.dataUnsentBytes = 0
    server.dataReady(peer('a'))
    await clock.run(5_010)
    assert.equal(waits.map(({ seconds }) => Math.round(seconds)).join(), '5,2')
    assert.equal(server.oldestQueuedSeconds, 0)
  })

  test('DONT_HAVE exactly when it was asked for', async () => {
    const { link, want, clock } = serverBench()
    const a = link('a')
    want('a', seededBlob(1, 10), { sendDontHave: false })
    await clock.run(10)
    assert.deepEqual(a.presences, [])
  })

  test('HAVE for a want-have, now or later', async () => {
    const { link, want, server, blobs, clock } = serverBench()
    const [here, later] = [seededBlob(1, 100), seededBlob(2, 100)]
    blobs.put(here)
    const a = link('a')
    want('a', here, { wantType: 'have' })
    want('a', later, { wantType: 'have', sendDontHave: false })
    await clock.run(10)
    assert.deepEqual(a.presences, ['have'])
    server.appeared([later.cid.key])
    assert.deepEqual(a.presences, ['have', 'have'])
    assert.equal(blobs.gets, 0, 'presence needs no bytes')
  })

  test('nothing but DONT_HAVE when the filter says no, and no want is kept', async () => {
    const { link, want, server, blobs, clock, totals } = serverBench({}, false)
    const blob = seededBlob(1, 100)
    blobs.put(blob)
    const a = link('a')
    want('a', blob)
    await clock.run(10)
    assert.deepEqual(a.presences, ['dont-have'])
    assert.equal(a.sent.length, 0)
    assert.equal(server.ledgerWants, 0)
    assert.equal(totals.refusals.filter, 1)
  })

  test('nothing after a cancel, not even when it comes while the block is being read', async () => {
    const { link, want, server, blobs, clock } = serverBench()
    const blob = seededBlob(1, 100)
    blobs.put(blob)
    const a = link('a')
    want('a', blob)
    const get = blobs.get.bind(blobs)
    blobs.get = async (cid) => {
      want('a', blob, { cancel: true })
      return get(cid)
    }
    await clock.run(10)
    assert.equal(a.sent.length, 0)
    assert.equal(server.ledgerWants, 0)
    assert.equal(server.bytesInFlight, 0)
  })

  test('a cancel and a want of one message leave the want', async () => {
    const { link, server, blobs, clock } = serverBench()
    const blob = seededBlob(1, 100)
    blobs.put(blob)
    const a = link('a')
    const entry = { key: blob.cid.key, form: CID_V0, wantType: 'block', sendDontHave: true, ackQueued: false } as const
    server.message(peer('a'), {
      entries: [
        { ...entry, cancel: false },
        { ...entry, cancel: true }
      ],
      presences: [],
      full: false,
      refused: 0
    })
    await clock.run(10)
    assert.ok(a.sent.includes(blob.bytes))
  })

  test('HAVE for a queued block only when it asked to be told', async () => {
    const { link, want, blobs, clock } = serverBench()
    const many = Array.from({ length: 4 }, (_, index) => seededBlob(index, 300_000))
    for (const blob of many) blobs.put(blob)
    const [a, b] = [link('a'), link('b')]
    a.hold = true
    b.hold = true
    for (const blob of many) {
      want('a', blob, { ackQueued: true })
      want('b', blob)
    }
    await clock.run(10)
    assert.ok(a.presences.includes('have'))
    assert.deepEqual(b.presences, [])
  })

  test('no HAVE for what leaves with the next message, one for what has to wait for it', async () => {
    const cases: [string, number, number][] = [
      ['small ones leave together', 1_000, 0],
      ['two fill a message, and two wait', 30_000, 2],
      ['one fills it, and three wait', 300_000, 3]
    ]
    for (const [what, length, told] of cases) {
      const { link, want, blobs, clock } = serverBench()
      const many = Array.from({ length: 4 }, (_, index) => seededBlob(index, length))
      for (const blob of many) blobs.put(blob)
      const a = link('a')
      for (const blob of many) want('a', blob, { ackQueued: true })
      await clock.run(10)
      assert.deepEqual(a.presences, Array<string>(told).fill('have'), what)
      for (const blob of many) assert.ok(a.sent.includes(blob.bytes), what)
    }
  })
})

describe('bounds', () => {
  test('1,000,000 wants of one peer: 1,024 are kept, what cannot be served makes room', async () => {
    const { link, want, server, clock, totals } = serverBench({ entryBurst: 1e9 })
    link('a')
    for (let number = 0; number < 5000; number += 1) want('a', seededBlob(number, 8))
    await clock.run(50)
    for (let number = 5000; number < 6000; number += 1) want('a', seededBlob(number, 8))
    await clock.run(100)
    assert.ok(server.ledgerWants <= 1024)
    assert.ok(totals.refusals.ledger >= 4900)
    assert.ok(server.wantedDigests <= 1024)
  })

  test('entries beyond the rate are refused', () => {
    const { link, want, totals } = serverBench({ entryBurst: 10, entriesPerSecond: 1 })
    link('a')
    for (let number = 0; number < 30; number += 1) want('a', seededBlob(number, 8))
    assert.equal(totals.refusals.rate, 20)
  })

  test('one buffer, counted once, for any number of recipients', async () => {
    const { link, want, server, blobs, clock, account } = serverBench({ maxConcurrentWrites: 8 })
    const blob = seededBlob(1, 600_000)
    blobs.put(blob)
    const links = ['a', 'b', 'c', 'd', 'e'].map((name) => link(name))
    for (const held of links) held.hold = true
    for (const name of ['a', 'b', 'c', 'd', 'e']) want(name, blob)
    await clock.run(10)
    assert.ok(links.every((held) => held.sent.includes(blob.bytes)))
    assert.equal(server.bytesInFlight, 600_000)
    assert.equal(account.reservedBytes, 600_000)
    for (const name of ['a', 'b', 'c', 'd', 'e']) server.disconnected(peer(name))
    assert.equal(account.reservedBytes, 0)
  })

  test('bytes in flight stay within the account, and all is sent in the end', async () => {
    const { link, want, server, blobs, clock, account } = serverBench({ sendBytes: 2_200_000, slowWriteMs: 1 })
    const links = new Map<string, TestLink>()
    const names = Array.from({ length: 8 }, (_, index) => `p${index}`)
    for (const name of names) {
      const held = link(name)
      held.hold = true
      links.set(name, held)
    }
    names.forEach((name, index) => {
      const blob = seededBlob(index, 700_000)
      blobs.put(blob)
      want(name, blob)
    })
    for (let at = 100; at < 3000; at += 100) {
      await clock.run(at)
      assert.ok(account.reservedBytes <= 2_200_000)
      for (const [name, held] of links) {
        held.dataUnsentBytes = 0
        server.dataReady(peer(name))
      }
    }
    for (const held of links.values()) assert.equal(held.sent.filter((part) => part.length === 700_000).length, 1)
  })

  test('a want repeated at once is ignored, one repeated later is paid for', async () => {
    const { link, want, blobs, clock, totals } = serverBench({ repeatBucketBytes: 2000, repeatBytesPerSecond: 1 })
    const blob = seededBlob(1, 1000)
    blobs.put(blob)
    const a = link('a')
    const served = (): number => a.sent.filter((part) => part === blob.bytes).length
    want('a', blob)
    await clock.run(100)
    want('a', blob)
    await clock.run(200)
    assert.equal(served(), 1)
    for (const at of [5000, 10_000, 15_000, 20_000]) {
      await clock.run(at)
      want('a', blob)
      await clock.run(at + 100)
    }
    assert.equal(served(), 3, 'two more from the bucket')
    assert.equal(totals.refusals.repeat, 3)
    assert.equal(a.presences.at(-1), 'dont-have')
  })
})

describe('deficit round robin', () => {
  test('peers that always want get the same bytes, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2048, max: 1_048_576 }), { minLength: 2, maxLength: 6 }), (sizes) => {
        const clock = new VirtualClock()
        const scheduler = new Scheduler({ quantumBytes: 262_144, packBytes: 65_536 })
        const got = new Map<PeerLedger, number>()
        let number = 0
        const refill = (ledger: PeerLedger, size: number): void => {
          while (ledger.coldQueue.size < 600) {
            number += 1
            const want: LedgerWant = {
              key: `${number}` as DigestKey,
              form: CID_V0,
              type: 'block',
              sendDontHave: false,
              ackQueued: false,
              state: 'waiting',
              hot: false,
              size,
              queuedAt: undefined
            }
            ledger.wants.set(want.key, want)
            ledger.enqueue(want, false)
          }
        }
        const ledgers = sizes.map((_, index) => new PeerLedger(peer(`${index}`), clock, limits))
        for (const ledger of ledgers) scheduler.add(ledger)
        for (let turn = 0; turn < 300 * sizes.length; turn += 1) {
          ledgers.forEach((ledger, index) => refill(ledger, sizes[index]!))
          const { ledger, keys, bytes } = scheduler.next(() => true)!
          for (const key of keys) ledger.remove(key)
          got.set(ledger, (got.get(ledger) ?? 0) + bytes)
        }
        const shares = ledgers.map((ledger) => got.get(ledger) ?? 0)
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 3 * 1_048_576, `${shares}`)
      }),
      { numRuns: 10 }
    )
  })

  test('hot blocks go before cold ones', () => {
    const scheduler = new Scheduler({ quantumBytes: 262_144, packBytes: 65_536 })
    const ledger = new PeerLedger(peer('a'), new VirtualClock(), limits)
    scheduler.add(ledger)
    const add = (key: string, hot: boolean): void => {
      const want: LedgerWant = {
        key: key as DigestKey,
        form: CID_V0,
        type: 'block',
        sendDontHave: false,
        ackQueued: false,
        state: 'waiting',
        hot,
        size: 100_000,
        queuedAt: undefined
      }
      ledger.wants.set(want.key, want)
      ledger.enqueue(want, hot)
    }
    add('cold', false)
    add('hot', true)
    assert.deepEqual(scheduler.next(() => true)?.keys, ['hot'])
    assert.deepEqual(scheduler.next(() => true)?.keys, ['cold'])
    assert.equal(
      scheduler.next(() => true),
      undefined
    )
  })
})

describe('bytes in flight', () => {
  test('the reservation is the sum of what is held, after any sequence', () => {
    const blobs = Array.from({ length: 5 }, (_, index) => blobOf(new Uint8Array(100 * (index + 1)).fill(index)))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(4)), { maxLength: 60 }), (steps) => {
        const account = new ByteAccount('send', 900)
        const inFlight = new InFlight(account, () => {})
        for (const [hold, index] of steps) {
          if (hold) inFlight.tryHold(blobs[index]!)
          else inFlight.release(blobs[index]!.cid.key)
          assert.equal(account.reservedBytes, inFlight.bytes)
          assert.ok(account.reservedBytes <= 900)
        }
      })
    )
  })
})
