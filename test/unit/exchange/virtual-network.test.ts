import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ExchangeStream } from '#src/exchange/network/network.ts'
import { peerId } from '#test/support/exchange/sim.ts'
import { VirtualNetwork } from '#test/support/exchange/virtual-network.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const DELAY_MS = 10
const [A, B] = [peerId(0), peerId(1)]

/** Two peers that are connected; the second writes down when streams and bytes reach it. */
function setUp() {
  const clock = new VirtualClock()
  // An uplink that takes no time worth speaking of.
  const network = new VirtualNetwork(clock, {
    delayMs: () => DELAY_MS,
    bytesPerSecond: 1e12,
    segmentBytes: 1024,
    windowBytes: 65_536
  })
  const [from, to] = [network.join(A), network.join(B)]
  network.connect(A, B)
  const happened: (readonly [what: string, at: number])[] = []
  const note = (what: string): void => void happened.push([what, Math.round(clock.now())])
  const events = { connected() {}, disconnected() {} }
  from.start({ ...events, inbound() {} })
  to.start({
    ...events,
    inbound: (_peer, stream) => {
      note('stream')
      stream.listen({
        data: () => note('bytes'),
        drain() {},
        ended: () => note('end'),
        closed: () => note('closed')
      })
    }
  })
  const open = (lazy: boolean): Promise<ExchangeStream> => {
    const { signal } = new AbortController()
    return from.open(B, { signal, lazy })
  }
  const write = (stream: ExchangeStream): void => {
    stream.listen({ data() {}, drain() {}, ended() {}, closed() {} })
    stream.send([Uint8Array.of(1)])
    stream.finish()
  }
  return { clock, network, happened, open, write }
}

describe('a stream of the virtual network', () => {
  test('is negotiated there and back before anything is written', async () => {
    const { clock, happened, open, write } = setUp()
    void open(false).then(write)
    await clock.run(1000)
    assert.deepEqual(happened.slice(0, 3), [
      ['stream', DELAY_MS],
      ['bytes', 3 * DELAY_MS],
      ['end', 3 * DELAY_MS]
    ])
  })

  test('that is opened lazily carries its first bytes in one way, however many there are', async () => {
    const { clock, happened, open, write } = setUp()
    for (let count = 0; count < 2; count += 1) void open(true).then(write)
    await clock.run(1000)
    const times = happened.filter(([what]) => what !== 'closed').map(([what, at]) => `${what} ${at}`)
    assert.deepEqual(times.sort(), [
      ...Array.from({ length: 2 }, () => `bytes ${DELAY_MS}`),
      ...Array.from({ length: 2 }, () => `end ${DELAY_MS}`),
      ...Array.from({ length: 2 }, () => `stream ${DELAY_MS}`)
    ])
  })

  test('that is opened lazily to a peer that leaves is over, and never met', async () => {
    const { clock, network, happened, open } = setUp()
    let closed = false
    void open(true).then((stream) => {
      const onClosed = (): void => {
        closed = true
      }
      stream.listen({ data() {}, drain() {}, ended() {}, closed: onClosed })
      network.disconnect(A, B)
    })
    await clock.run(1000)
    assert.equal(closed, true)
    assert.deepEqual(happened, [])
    await assert.rejects(open(true), { code: 'peer-gone' })
  })
})
