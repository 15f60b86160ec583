import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AckClock, AckFloor } from '#src/exchange/client/ack-clock.ts'
import { PeerState } from '#src/exchange/client/peer-state.ts'
import { Want } from '#src/exchange/client/want.ts'
import { WantTable } from '#src/exchange/client/want-table.ts'
import { wantDelay, HotLimit } from '#src/exchange/client/clocks.ts'
import {
  exchangeOptions,
  defaultExchangeOptions,
  validateExchangeOptions,
  type ExchangeOptionsChange
} from '#src/exchange/index.ts'
import type { DigestKey, PeerIdText } from '#src/model/index.ts'
import { codeOf } from '#src/util/index.ts'
import { seededBlob } from '#test/support/exchange/memory-blobs.ts'

const options = defaultExchangeOptions.client
const key = (name: string): DigestKey => name as DigestKey
const newPeer = (): PeerState => new PeerState('a' as PeerIdText, options)

describe('what is known of a peer', () => {
  test('acknowledgements may take a few round trips, within the floor and the ceiling', () => {
    const peer = newPeer()
    const ackMs = (now: number): number => peer.ack.ms(now, 0, options)
    assert.equal(ackMs(0), options.ackUnknownMs)
    for (let sample = 0; sample < 50; sample += 1) peer.ack.sample(1, 0)
    assert.equal(ackMs(0), options.ackFloorMs)
    for (let sample = 0; sample < 50; sample += 1) peer.ack.sample(200, 0)
    assert.ok(ackMs(0) >= 360 && ackMs(0) < 500, `${ackMs(0)}`)
    for (let sample = 0; sample < 50; sample += 1) peer.ack.sample(5000, 0)
    assert.equal(ackMs(0), options.ackCeilingMs)
  })

  test('an answer that came too late counts, and is forgotten in time', () => {
    const peer = newPeer()
    for (let sample = 0; sample < 50; sample += 1) peer.ack.sample(1, 0)
    peer.ack.late(500, 0)
    assert.equal(peer.ack.ms(0, 0, options), 810)
    assert.equal(peer.ack.ms(1_200_000, 0, options), options.ackFloorMs)
    assert.equal(peer.ack.rttMs?.toFixed(), '1')
  })

  test('a silence that ends soon teaches the clock, an outage does not', () => {
    const stalled = newPeer()
    stalled.ack.sample(1, 0)
    stalled.strike('silent', 1400, 1000)
    stalled.heard(1600)
    assert.equal(stalled.ack.slowest(1600), 600)
    const gone = newPeer()
    gone.ack.sample(1, 0)
    gone.strike('silent', 1400, 1000)
    gone.heard(9000)
    assert.ok(gone.ack.slowest(9000) <= 1)
  })

  test('what most peers know of lateness holds for all, what a few know does not', () => {
    const floorOf = (late: number): number => {
      const clocks = Array.from({ length: 8 }, () => new AckClock())
      clocks.forEach((clock, index) => {
        clock.sample(10, 0)
        if (index < late) clock.late(600, 0)
      })
      return new AckFloor().ms(0, () => clocks)
    }
    assert.equal(floorOf(1), 15)
    assert.equal(floorOf(2), 900)
    assert.equal(
      new AckFloor().ms(0, () => []),
      0
    )
  })

  test('the oldest want, and the one that a share of them is older than', () => {
    const table = new WantTable(1000)
    assert.equal(table.oldest(0), undefined)
    const wants = Array.from({ length: 200 }, (_, index) => table.add(seededBlob(index, 10).cid, index))
    assert.equal(table.oldest(0), wants[0])
    assert.equal(table.oldest(0.01), wants[2])
    table.move(wants[0]!, 'done')
    assert.equal(table.oldest(0), wants[1])
  })

  test('strikes double the cooldown, a delivery ends it; a lie costs twice as much', () => {
    const { initialMs, maxMs } = options.cooldownMs
    const doubling = [1, 2, 4, 8, 16].map((times) => initialMs * times)
    for (const [reason, lasts] of [
      ['stalled', [...doubling, maxMs, maxMs]],
      ['undelivered', [...doubling.slice(1), maxMs, maxMs]]
    ] as const) {
      const peer = newPeer()
      let now = 0
      for (const expected of lasts) {
        peer.strike(reason, now)
        assert.equal(peer.coolingDown(now + expected - 1), true)
        assert.equal(peer.coolingDown(now + expected), false)
        now += expected
      }
      peer.strike('wrong', now)
      peer.delivered(100, now)
      assert.equal(peer.coolingDown(now), false)
    }
  })

  test('silence is over with the next word, a lie is not; who is silent again and again is not believed', () => {
    const peer = newPeer()
    peer.strike('silent', 0)
    peer.heard(1)
    assert.equal(peer.coolingDown(1), false)
    peer.strike('undelivered', 1)
    peer.strike('silent', 2)
    peer.heard(3)
    assert.equal(peer.coolingDown(3), true)
    const mute = newPeer()
    for (let strike = 0; strike < 4; strike += 1) mute.strike('silent', 10)
    mute.heard(11)
    assert.equal(mute.coolingDown(11), true)
  })

  test('a copy that was asked for is excused once', () => {
    const peer = newPeer()
    peer.asked(key('a'), 100, 0)
    peer.settled(key('a'), 100)
    assert.equal(peer.excuse(key('b'), 1), false)
    assert.equal(peer.excuse(key('a'), 1), true)
    assert.equal(peer.excuse(key('a'), 2), false)
    assert.equal(peer.mayDeliver(1000), true)
    assert.equal(peer.mayDeliver(100_000), false)
  })

  test('the window grows with deliveries, halves with failures, and stays within its bounds', () => {
    const peer = newPeer()
    for (let block = 0; block < 100; block += 1) peer.delivered(1_048_576, block * 10)
    assert.equal(peer.windowBytes, options.peerWindowBytes.max)
    peer.strike('stalled', 0)
    assert.equal(peer.windowBytes, options.peerWindowBytes.max / 2)
    for (let strike = 0; strike < 10; strike += 1) peer.strike('stalled', 0)
    assert.equal(peer.windowBytes, options.peerWindowBytes.min)
  })

  test('bytes nobody asked for are forgiven up to the budget', () => {
    const peer = newPeer()
    assert.equal(peer.unsolicited(options.unsolicitedBytes), false)
    assert.equal(peer.unsolicited(1), true)
    peer.delivered(100_000_000, 0)
    assert.equal(peer.unsolicited(1), false)
  })

  test('settling what is not outstanding changes nothing', () => {
    const peer = newPeer()
    peer.asked(key('a'), 100, 0)
    peer.settled(key('b'), 500)
    assert.equal(peer.inFlightBytes, 100)
    peer.settled(key('a'), 100)
    peer.settled(key('a'), 100)
    assert.equal(peer.inFlightBytes, 0)
  })
})

describe('the want table', () => {
  const cid = (seed: number): Want['cid'] => seededBlob(seed, 8).cid

  test('works on so many, and takes the others in order', () => {
    const table = new WantTable(2)
    const wants = [1, 2, 3, 4].map((seed) => table.add(cid(seed), 0))
    assert.deepEqual(
      wants.map((want) => want.state),
      ['pending', 'pending', 'waiting', 'waiting']
    )
    assert.equal(table.live, 2)
    table.move(wants[0]!, 'done')
    assert.deepEqual(
      wants.map((want) => want.state),
      ['done', 'pending', 'pending', 'waiting']
    )
    table.move(wants[3]!, 'done')
    assert.equal(table.waiting, 0)
    assert.equal(table.get(wants[0]!.key), undefined)
  })
})

describe('clocks', () => {
  const at = (now: number): Parameters<typeof wantDelay>[2] => ({
    at: now,
    now,
    ackFloorMs: 0,
    options,
    hotLimitMs: 1500
  })

  function want(state: Want['state'], change: Partial<Want> = {}): Want {
    return Object.assign(new Want(seededBlob(1, 8).cid, 0), {
      state,
      since: 1000,
      hot: true,
      patienceMs: 3000,
      ...change
    })
  }

  test('a want that cannot leave moves on', () => {
    assert.equal(wantDelay(want('asked'), newPeer(), at(1000)), options.unsentMs)
    assert.equal(wantDelay(want('asked'), newPeer(), at(1000 + options.unsentMs)), 0)
  })

  test('silence is measured from the last word or byte, but not for ever', () => {
    const peer = newPeer()
    assert.equal(wantDelay(want('sent'), peer, at(1000)), options.ackUnknownMs)
    peer.lastWordAt = 1400
    assert.equal(wantDelay(want('sent'), peer, at(1500)), 400)
    peer.lastWordAt = 9000
    assert.equal(wantDelay(want('sent'), peer, at(9000)), 0)
  })

  test('an acknowledged want is waited for to the hard limit, and while a block arrives that began before it', () => {
    const peer = newPeer()
    const acked = want('acked', { ackedBy: 'dont-have' })
    assert.equal(wantDelay(acked, peer, at(1000)), 1500)
    peer.receivingSince = 2000
    assert.ok(wantDelay(acked, peer, at(2600)) > 0)
    peer.receivingSince = 2550
    assert.equal(wantDelay(acked, peer, at(2600)), 0)
  })

  test('the hot limit is learned between its floor and the hard limit', () => {
    const limit = new HotLimit(options)
    assert.equal(limit.ms, options.hardLimitMs)
    for (let sample = 0; sample < 100; sample += 1) limit.sample(50)
    assert.equal(limit.ms, options.hotLimitFloorMs)
    for (let sample = 0; sample < 200; sample += 1) limit.sample(sample % 2 === 0 ? 900 : 500)
    assert.ok(limit.ms > 2000 && limit.ms <= options.hardLimitMs, `${limit.ms}`)
  })
})

describe('options', () => {
  test('the defaults are valid and frozen', () => {
    validateExchangeOptions(defaultExchangeOptions)
    assert.ok(Object.isFrozen(defaultExchangeOptions) && Object.isFrozen(defaultExchangeOptions.client))
  })

  const bad: [string, ExchangeOptionsChange][] = [
    ['policy', { policy: 'modern' as 'classic' }],
    ['client.classic.maxLiveWants', { client: { classic: { ...options.classic, maxLiveWants: 0 } } }],
    ['client.aliveEveryMs', { client: { aliveEveryMs: 0 } }],
    ['maxBlockBytes', { maxBlockBytes: 8_388_608 }],
    ['client.maxWantsPerPeer', { client: { maxWantsPerPeer: 2000 } }],
    ['client.treeWidth', { client: { treeWidth: 0 } }],
    ['client.ackFloorMs', { client: { ackFloorMs: 9000 } }],
    ['client.stallMs', { client: { stallMs: 3000 } }],
    ['client.hotLimitFloorMs', { client: { hotLimitFloorMs: 4000 } }],
    ['client.receiveBytes', { client: { receiveBytes: 1000 } }],
    ['client.peerWindowBytes', { client: { peerWindowBytes: { initial: 1, min: 2, max: 3 } } }],
    ['server.maxConcurrentWrites', { server: { maxConcurrentWrites: 0 } }],
    ['server.sendBytes', { server: { sendBytes: 1000 } }],
    ['server.quantumBytes', { server: { quantumBytes: 0 } }]
  ]
  for (const [name, change] of bad) {
    test(`${name} says what would break`, () => {
      assert.throws(
        () => exchangeOptions(change),
        (error: Error) => codeOf(error) === 'bad-option' && error.message.includes(name)
      )
    })
  }
})
