import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import { ExchangeError } from '#src/exchange/errors.ts'
import { ExchangeService } from '#src/exchange/exchange-service.ts'
import { defaultExchangeOptions, exchangeOptions, type ExchangeStream, type StreamEvents } from '#src/exchange/index.ts'
import { ExchangeTotals } from '#src/exchange/metrics.ts'
import { OutboundStream } from '#src/exchange/network/outbound-stream.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { seededRng } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'
import { MemoryBlobs } from '#test/support/exchange/memory-blobs.ts'
import { peerId } from '#test/support/exchange/sim.ts'
import { VirtualNetwork } from '#test/support/exchange/virtual-network.ts'

const PEER = 'peer' as PeerIdText
const { reopenMs } = defaultExchangeOptions.streams

/** A stream that only ends. */
class EndingStream implements ExchangeStream {
  readonly unsentBytes = 0
  #events: StreamEvents | undefined
  listen(events: StreamEvents): void {
    this.#events = events
  }
  send(): void {}
  finish(): void {}
  pause(): void {}
  resume(): void {}
  abort(): void {
    this.#events?.closed()
  }
  receive(chunk: Uint8Array): void {
    this.#events?.data(chunk)
  }
}

function outbound(answer: () => ExchangeStream) {
  const clock = new VirtualClock()
  const opens: number[] = []
  const totals = new ExchangeTotals()
  const network = {
    open: async () => {
      opens.push(clock.now())
      return answer()
    }
  }
  const events = { ready: () => {}, lost: () => {} }
  const stream = new OutboundStream(
    { network, clock, rng: seededRng(1), nextTurn: (run) => clock.setTimer(0, run), totals },
    {
      peer: PEER,
      options: defaultExchangeOptions.streams,
      events
    }
  )
  return { clock, opens, stream, totals }
}

describe('a stream that is kept open', () => {
  test('is opened at once, and again with back-off when it ends', async () => {
    const streams: EndingStream[] = []
    const { clock, opens, stream, totals } = outbound(() => {
      const next = new EndingStream()
      streams.push(next)
      return next
    })
    stream.keepOpen()
    await clock.run(10)
    assert.equal(opens.length, 1)
    for (let end = 1; end <= 12; end += 1) {
      streams.at(-1)?.abort()
      await clock.run(clock.now() + reopenMs.maxMs)
      assert.equal(opens.length, end + 1)
    }
    const pauses = opens.slice(1).map((at, index) => at - (index === 0 ? 10 : index * reopenMs.maxMs + 10))
    assert.ok(pauses[0]! <= reopenMs.initialMs, `${pauses}`)
    assert.ok(pauses.at(-1)! >= reopenMs.maxMs * 0.7, `${pauses}`)
    assert.equal(totals.openOutbound, 1)
    stream.close()
    await clock.run(clock.now() + 60_000)
    assert.equal(opens.length, 13)
    assert.equal(totals.openOutbound, 0)
  })

  test('is reset when bytes come on it: whoever answers does so on a stream of its own', async () => {
    const streams: EndingStream[] = []
    const { clock, stream, totals } = outbound(() => {
      streams.push(new EndingStream())
      return streams.at(-1)!
    })
    stream.keepOpen()
    for (let opened = 0; opened < 5; opened += 1) {
      await clock.run(clock.now() + reopenMs.maxMs)
      assert.equal(streams.length, opened + 1)
      streams.at(-1)?.receive(new Uint8Array(1000))
      assert.equal(totals.openOutbound, 0)
    }
    assert.equal(totals.refusals.malformed, 5)
    stream.close()
  })

  test('is tried again when it cannot be opened, and left alone where nobody speaks the protocol', async () => {
    const refused = outbound(() => {
      throw new Error('reset')
    })
    refused.stream.keepOpen()
    await refused.clock.run(60_000)
    assert.ok(refused.opens.length > 10, `${refused.opens.length}`)
    const unsupported = outbound(() => {
      throw new ExchangeError('unsupported', 'no such protocol')
    })
    unsupported.stream.keepOpen()
    await unsupported.clock.run(60_000)
    assert.equal(unsupported.opens.length, 1)
    unsupported.stream.need()
    await unsupported.clock.run(120_000)
    assert.equal(unsupported.opens.length, 2, 'something to say is reason enough')
  })

  test('one that is only needed now and then is not opened again by itself', async () => {
    const streams: EndingStream[] = []
    const { clock, opens, stream } = outbound(() => {
      streams.push(new EndingStream())
      return streams.at(-1)!
    })
    stream.need()
    await clock.run(10)
    streams[0]?.abort()
    await clock.run(60_000)
    assert.equal(opens.length, 1)
  })
})

test('both streams stand to every peer that may ask from the start, and to no other', async () => {
  const clock = new VirtualClock()
  const network = new VirtualNetwork(clock, {
    delayMs: () => 5,
    bytesPerSecond: 1e6,
    segmentBytes: 1000,
    windowBytes: 10_000
  })
  const [self, asker, stranger] = [0, 1, 2].map((index) => peerId(index)) as [PeerIdText, PeerIdText, PeerIdText]
  const opened = new Map<PeerIdText, number>()
  for (const peer of [asker, stranger]) {
    network.join(peer).start({
      connected: () => {},
      disconnected: () => {},
      inbound: (_, stream) => {
        opened.set(peer, (opened.get(peer) ?? 0) + 1)
        stream.listen({ data: () => {}, drain: () => {}, ended: () => {}, closed: () => {} })
      }
    })
  }
  const exchange = new ExchangeService(
    {
      network: network.join(self),
      blocks: new MemoryBlobs(),
      requestFilter: (peer) => peer === asker,
      peerDirectory: () => ({ access: [], execution: [] }),
      selfPeer: self,
      clock,
      rng: seededRng(1),
      logger: silentLogger,
      register: new Registry()
    },
    exchangeOptions()
  )
  await exchange.start()
  network.connect(self, asker)
  network.connect(self, stranger)
  await clock.run(1000)
  assert.equal(opened.get(asker), 2)
  // Something may be said to it, on a control stream; nothing will ever be sent.
  assert.ok((opened.get(stranger) ?? 0) <= 1)
  network.disconnect(self, asker)
  network.disconnect(self, stranger)
  await clock.run(60_000)
  assert.equal(opened.get(asker), 2)
  assert.equal(exchange.status().streams.open, 0)
  network.connect(self, asker)
  await clock.run(61_000)
  assert.equal(opened.get(asker), 4, 'a peer that comes back gets streams of its own')
  await exchange.stop()
})
