import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ByteAccount } from '#src/exchange/byte-account.ts'
import { ReceiveAccount, type Receiver } from '#src/exchange/network/receive-account.ts'
import type { PeerIdText } from '#src/model/index.ts'

class Stream implements Receiver {
  readonly peer: PeerIdText
  readonly bytes: number
  held = false
  constructor(peer: string, bytes: number) {
    this.peer = peer as PeerIdText
    this.bytes = bytes
  }
  granted(): void {
    this.held = true
  }
}

function accountOf(capBytes: number, limits = { bytesPerPeer: 400, waitingPerPeer: 3 }) {
  const bytes = new ByteAccount('receive', capBytes)
  const account = new ReceiveAccount(bytes, limits)
  const begin = (peer: string, length: number): { stream: Stream; answer: string } => {
    const stream = new Stream(peer, length)
    const answer = account.reserve(stream, length)
    if (answer === 'held') stream.held = true
    return { stream, answer }
  }
  const end = ({ stream }: { stream: Stream }): void => {
    if (stream.held) account.release(stream.peer, stream.bytes)
    else account.forget(stream)
    stream.held = false
  }
  return { bytes, account, begin, end }
}

describe('room for blocks that arrive', () => {
  test('a peer that has used up its share waits for itself, and nobody waits for it', () => {
    const { begin, end } = accountOf(1000)
    const first = [begin('greedy', 200), begin('greedy', 200)]
    const third = begin('greedy', 200)
    assert.deepEqual(
      [...first, third].map(({ answer }) => answer),
      ['held', 'held', 'waiting']
    )
    assert.equal(begin('honest', 300).answer, 'held')
    end(first[0]!)
    assert.equal(third.stream.held, true)
  })

  test('a block larger than a share passes when it is alone', () => {
    const { begin } = accountOf(1000)
    assert.equal(begin('a', 900).answer, 'held')
    assert.equal(begin('b', 900).answer, 'waiting')
  })

  test('one more stream that waits is refused', () => {
    const { begin, account } = accountOf(100)
    begin('other', 100)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => begin('a', 50).answer),
      ['waiting', 'waiting', 'waiting', 'refused']
    )
    assert.equal(begin('b', 50).answer, 'waiting', "another's bound is its own")
    assert.equal(account.waiting, 4)
  })

  test('room that somebody else gave back is found when it is looked for', () => {
    const { bytes, account, begin } = accountOf(100)
    bytes.tryReserve(100)
    const waiting = begin('a', 50)
    bytes.release(100)
    assert.equal(waiting.stream.held, false)
    account.retry()
    assert.equal(waiting.stream.held, true)
  })

  test('who waits for the account is served before who comes later', () => {
    const { begin, end } = accountOf(300)
    const all = begin('a', 300)
    const large = begin('b', 200)
    const small = begin('c', 10)
    assert.deepEqual([large.answer, small.answer], ['waiting', 'waiting'])
    end(all)
    assert.deepEqual([large.stream.held, small.stream.held], [true, true])
  })

  test('after any sequence: what is held is what is reserved, no share is exceeded, and in the end nothing is left', () => {
    const step = fc.record({
      peer: fc.constantFrom('a', 'b', 'c'),
      bytes: fc.integer({ min: 0, max: 300 }),
      end: fc.nat(9)
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const { bytes, account, begin, end } = accountOf(700)
        const live: { stream: Stream }[] = []
        const check = (): void => {
          const held = live.filter(({ stream }) => stream.held)
          const sum = (of: typeof held): number => of.reduce((total, { stream }) => total + stream.bytes, 0)
          assert.equal(bytes.reservedBytes, sum(held))
          assert.equal(account.waiting, live.length - held.length)
          for (const peer of ['a', 'b', 'c']) {
            const own = held.filter(({ stream }) => stream.peer === peer && stream.bytes > 0)
            assert.ok(own.length <= 1 || sum(own) <= 400)
          }
        }
        for (const { peer, bytes: length, end: which } of steps) {
          const begun = begin(peer, length)
          if (begun.answer !== 'refused') live.push(begun)
          const done = which < 5 ? live.splice(which, 1)[0] : undefined
          if (done !== undefined) end(done)
          check()
        }
        while (live.length > 0) {
          end(live.shift()!)
          check()
        }
        assert.equal(bytes.reservedBytes, 0)
      })
    )
  })
})
