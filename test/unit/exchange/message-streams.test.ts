import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultExchangeOptions, exchangeOptions, type ExchangeStream, type StreamEvents } from '#src/exchange/index.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import { ExchangeTotals } from '#src/exchange/metrics.ts'
import { MessageStreams } from '#src/exchange/network/message-streams.ts'
import { PeerLink } from '#src/exchange/network/peer-link.ts'
import type { DigestKey, PeerIdText } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const PEER = 'peer' as PeerIdText

/** A stream that keeps what it is given until it is told to take it. */
class SlowStream implements ExchangeStream {
  readonly sent: Uint8Array[] = []
  finished = false
  aborted: string | undefined
  unsentBytes = 0
  #events: StreamEvents | undefined
  listen(events: StreamEvents): void {
    this.#events = events
  }
  send(parts: readonly Uint8Array[]): void {
    this.sent.push(...parts)
    this.unsentBytes += parts.reduce((sum, part) => sum + part.length, 0)
  }
  finish(): void {
    this.finished = true
  }
  pause(): void {}
  resume(): void {}
  abort(reason: string): void {
    this.aborted = reason
    this.#events?.closed()
  }
  /** The transport takes all of it, and the stream ends in order. */
  take(): void {
    this.unsentBytes = 0
    this.#events?.closed()
  }
}

function setUp(answer?: () => Promise<ExchangeStream>) {
  const clock = new VirtualClock()
  const totals = new ExchangeTotals()
  const opened: SlowStream[] = []
  const lazy: unknown[] = []
  const happened: string[] = []
  const open = async (_peer: PeerIdText, options: { readonly lazy?: boolean }): Promise<ExchangeStream> => {
    lazy.push(options.lazy)
    if (answer !== undefined) return answer()
    const stream = new SlowStream()
    opened.push(stream)
    return stream
  }
  const nextTurn = (run: () => void): void => void clock.setTimer(0, run)
  const components = { network: { open }, clock, rng: seededRng(1), totals, nextTurn }
  const events = { ready: () => happened.push('ready'), lost: () => happened.push('lost') }
  return { clock, totals, opened, lazy, happened, components, events }
}

const message = (length: number): Uint8Array[] => [new Uint8Array(length)]

describe('a stream for every message', () => {
  test('opens one for each, writes, and ends it', async () => {
    const { clock, totals, opened, lazy, happened, components, events } = setUp()
    const streams = new MessageStreams(components, { peer: PEER, options: defaultExchangeOptions.streams, events })
    assert.ok(streams.send(message(10)))
    assert.ok(streams.send(message(20)))
    assert.equal(streams.unsentBytes, 30)
    await clock.run(1)
    assert.deepEqual(lazy, [true, true])
    assert.deepEqual(
      opened.map(({ sent, finished }) => [sent.length, sent[0]?.length, finished]),
      [
        [1, 10, true],
        [1, 20, true]
      ]
    )
    assert.deepEqual([totals.streamsOutbound, totals.openOutbound, streams.unsentBytes], [2, 2, 30])
    for (const stream of opened) stream.take()
    assert.deepEqual([totals.openOutbound, streams.unsentBytes], [0, 0])
    assert.deepEqual(happened, ['ready', 'ready'])
    streams.close()
  })

  test('has no more than so many at one time; the rest waits', async () => {
    const { clock, opened, components, events } = setUp()
    const streams = new MessageStreams(components, { peer: PEER, options: defaultExchangeOptions.streams, events })
    for (let at = 0; at < 40; at += 1) streams.send(message(1))
    await clock.run(1)
    assert.deepEqual([opened.length, streams.unsentBytes], [32, 40])
    opened[0]?.take()
    await clock.run(2)
    assert.deepEqual([opened.length, streams.unsentBytes], [33, 39])
    streams.close()
    assert.ok(opened.slice(1).every(({ aborted }) => aborted === 'closed'))
  })

  test('tells of a message that is lost: the stream does not open, or breaks, or nobody answers', async () => {
    const refused = setUp(() => Promise.reject(new Error('refused')))
    const options = defaultExchangeOptions.streams
    const streams = new MessageStreams(refused.components, { peer: PEER, options, events: refused.events })
    streams.send(message(1))
    await refused.clock.run(1)
    assert.deepEqual([refused.happened, streams.unsentBytes, refused.totals.openOutbound], [['lost'], 0, 0])

    const broken = setUp()
    const breaking = new MessageStreams(broken.components, { peer: PEER, options, events: broken.events })
    breaking.send(message(1))
    await broken.clock.run(1)
    broken.opened[0]?.abort('reset by the peer')
    assert.deepEqual(broken.happened, ['lost'])

    const closed = setUp()
    const ended = new MessageStreams(closed.components, { peer: PEER, options, events: closed.events })
    ended.send(message(1))
    ended.close()
    await closed.clock.run(1)
    assert.equal(ended.send(message(1)), false)
    assert.deepEqual([closed.opened[0]?.aborted, closed.happened], ['closed', []])
  })
})

describe('words of a conventional node', () => {
  test('wait after words, and answers go on streams of their own', async () => {
    const { clock, opened, components } = setUp()
    const { streams } = exchangeOptions({ policy: 'classic' })
    const events = { wantsLeft: () => {}, controlLost: () => {}, dataReady: () => {}, dataLost: () => {} }
    const link = new PeerLink(components, PEER, { options: streams, events })
    const key = (text: string): DigestKey => text as DigestKey
    link.queueWant(key('a'), new Uint8Array([10, 1, 1]))
    await clock.run(1)
    const [control] = opened
    assert.equal(control?.sent.length, 1)
    control.unsentBytes = 0
    link.queueWant(key('b'), new Uint8Array([10, 1, 2]))
    link.queueCancel(key('a'), new Uint8Array([10, 1, 3]))
    link.queuePresence(key('c'), CID_V0, true)
    link.queuePresence(key('d'), CID_V0, false)
    await clock.run(15)
    // Both answers in one message, on a second stream; the words still wait.
    assert.deepEqual([control?.sent.length, opened.length, opened[1]?.sent.length], [1, 2, 1])
    await clock.run(30)
    assert.deepEqual([control?.sent.length, opened.length], [2, 2])
    link.close()
  })
})
