import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Deadline } from '#src/exchange/client/deadline.ts'
import { PeerState } from '#src/exchange/client/peer-state.ts'
import { Prober } from '#src/exchange/client/prober.ts'
import { parseEntry } from '#src/exchange/message/fields.ts'
import { defaultExchangeOptions } from '#src/exchange/index.ts'
import type { DigestKey, PeerIdText } from '#src/model/index.ts'
import { defaultTimerWheelOptions, seededRng, TimerWheel } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

function world(): { clock: VirtualClock; wheel: TimerWheel } {
  const clock = new VirtualClock()
  return { clock, wheel: new TimerWheel(clock, defaultTimerWheelOptions) }
}

describe('a deadline for another side', () => {
  test('passes once it has been found passed twice', async () => {
    const { clock, wheel } = world()
    let passed = -1
    const until = wheel.now() + 100
    const deadline = new Deadline(
      { clock, wheel },
      { left: () => until - wheel.now(), passed: () => (passed = clock.now()) }
    )
    await clock.run(110)
    assert.equal(passed, -1)
    await clock.run(1000)
    assert.ok(passed >= 100 && passed <= 150, `${passed}`)
    deadline.cancel()
  })

  test('that moves is looked for again', async () => {
    const { clock, wheel } = world()
    let [until, passed] = [100, false]
    const deadline = new Deadline({ clock, wheel }, { left: () => until - wheel.now(), passed: () => (passed = true) })
    await clock.run(110)
    until = 10_000
    await clock.run(5000)
    assert.equal(passed, false)
    await clock.run(11_000)
    assert.equal(passed, true)
    deadline.cancel()
  })

  test('that is cancelled never passes', async () => {
    const { clock, wheel } = world()
    let passed = false
    new Deadline({ clock, wheel }, { left: () => 0, passed: () => (passed = true) }).cancel()
    await clock.run(1000)
    assert.equal(passed, false)
    assert.equal(wheel.size, 0)
  })

  test('is not judged by a timer that ran late, and passes on a machine where all of them do', () => {
    let now = 0
    const due: (() => void)[] = []
    const clock = { now: () => now, wallNow: () => now, setTimer: () => ({ cancel() {} }) }
    const wheel = {
      now: () => now,
      schedule: (_: number, run: () => void) => {
        due.push(run)
        return { cancel() {} }
      }
    } as unknown as TimerWheel
    let passed = false
    new Deadline({ clock, wheel }, { left: () => 100 - now, passed: () => (passed = true) })
    let looks = 0
    while (!passed && looks < 20) {
      now += 500
      due.shift()?.()
      looks += 1
    }
    assert.ok(passed && looks > 2, `${looks}`)
  })
})

describe('the question whether a peer is there', () => {
  const peer = 'a' as PeerIdText

  function asked(): {
    clock: VirtualClock
    prober: Prober
    state: PeerState
    sent: DigestKey[]
    silent: number[]
    entries: Uint8Array[]
    cancelled: DigestKey[]
  } {
    const components = world()
    const [sent, silent, entries]: [DigestKey[], number[], Uint8Array[]] = [[], [], []]
    const cancelled: DigestKey[] = []
    const link = {
      queueWant: (key: DigestKey, entry: Uint8Array) => {
        sent.push(key)
        entries.push(entry)
      },
      queueCancel: (key: DigestKey) => cancelled.push(key)
    }
    const prober = new Prober(
      { ...components, rng: seededRng(1), link: () => link },
      { ackMs: () => 200, unsentMs: 700, silent: (_, since) => silent.push(since) }
    )
    const state = new PeerState(peer, defaultExchangeOptions.client)
    return { clock: components.clock, prober, state, sent, silent, entries, cancelled }
  }

  test('asks for what nothing has, and wants to hear so; one question at a time', () => {
    const { prober, state, sent, entries } = asked()
    prober.ask(state)
    prober.ask(state)
    assert.deepEqual(sent, [prober.key])
    // The tag and length of an entry come before it.
    const entry = parseEntry(entries[0]!.subarray(2))
    assert.equal(entry?.key, prober.key)
    assert.equal(entry?.wantType, 'have')
    assert.equal(entry?.sendDontHave, true)
  })

  test('an answer gives the round trip, and there is no silence then', async () => {
    const { clock, prober, state, silent, cancelled } = asked()
    prober.ask(state)
    prober.left(peer)
    await clock.run(40)
    assert.equal(prober.answered(peer), 40)
    assert.deepEqual(cancelled, [prober.key])
    assert.equal(prober.answered(peer), undefined)
    await clock.run(5000)
    assert.deepEqual(silent, [])
  })

  test('no answer is a silence, once; any other word puts it off', async () => {
    const { clock, prober, state, silent } = asked()
    prober.ask(state)
    await clock.run(10)
    prober.left(peer)
    state.lastWordAt = 150
    await clock.run(300)
    assert.deepEqual(silent, [])
    await clock.run(5000)
    assert.deepEqual(silent, [10])
  })

  test('a question that cannot leave is a silence too; who is gone is not waited for', async () => {
    const { clock, prober, state, silent, sent } = asked()
    prober.ask(state)
    await clock.run(1000)
    assert.deepEqual(silent, [0])
    prober.lost(peer)
    assert.equal(sent.length, 2)
    prober.gone(peer)
    await clock.run(9000)
    assert.deepEqual(silent, [0])
  })

  test('a cancel that may have been on a stream that broke goes out again', () => {
    const { prober, state, sent, cancelled } = asked()
    prober.ask(state)
    prober.left(peer)
    prober.answered(peer)
    prober.lost(peer)
    assert.deepEqual(cancelled, [prober.key, prober.key])
    assert.equal(sent.length, 1)
  })

  test('is put again when the stream broke that may have carried the answer, and only then', async () => {
    const { clock, prober, state, sent, silent } = asked()
    prober.answerLost(peer)
    prober.ask(state)
    prober.answerLost(peer)
    assert.equal(sent.length, 1, 'it has not left yet')
    prober.left(peer)
    await clock.run(150)
    prober.answerLost(peer)
    assert.equal(sent.length, 2)
    prober.left(peer)
    await clock.run(300)
    assert.deepEqual(silent, [], 'its time starts anew')
    assert.equal(prober.answered(peer), 150)
  })
})
