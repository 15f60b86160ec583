import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeBlocks, encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import type { ExchangeStream } from '#src/exchange/network/network.ts'
import { defaultExchangeOptions, type ExchangeOptionsChange } from '#src/exchange/options.ts'
import type { Blob, PeerIdText } from '#src/model/index.ts'
import { concatBytes, sleep } from '#src/util/index.ts'
import { fetch, make } from '#test/support/exchange/herd.ts'
import { checkQuiet } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, type Sim, simBlob } from '#test/support/exchange/sim.ts'
import type { SimNode } from '#test/support/exchange/sim-node.ts'

const { streams, client } = defaultExchangeOptions
/** `minRateBytes` of simulated nodes: their blobs are so much smaller. */
const MIN_RATE = client.minRateBytes / 64

interface Scene {
  readonly sim: Sim
  readonly victim: SimNode
  readonly honest: SimNode
  readonly stranger: ScriptedPeer
  readonly strangerId: PeerIdText
  readonly metric: (name: string) => Promise<number>
}

/** A node, an honest peer, and one that does as it is told. */
function scene(options: ExchangeOptionsChange = {}): Scene {
  const sim = createSim(
    {
      seed: 5,
      producers: 1,
      access: 1,
      delayMs: [2, 3],
      options,
      uplinkBitsOf: (number) => (number === 2 ? 64e9 : undefined)
    },
    1
  )
  const [victim, honest] = [sim.access[0]!, sim.producers[0]!]
  const strangerId = sim.strangers[0]!
  return {
    sim,
    victim,
    honest,
    strangerId,
    stranger: new ScriptedPeer(sim.network.port(strangerId)!),
    async metric(name) {
      const line = (await victim.register.metrics()).split('\n').find((text) => text.startsWith(name))
      return Number(line?.split(' ').at(-1) ?? Number.NaN)
    }
  }
}

const refused = (made: Scene, reason: string): Promise<number> =>
  made.metric(`sealsync_exchange_refusals_total{reason="${reason}"}`)
const reasons = ({ victim }: Scene): string[] => victim.port.penalties.map(({ reason }) => reason)
const run = ({ sim }: Scene, ms: number): Promise<void> => sim.run(sim.clock.now() + ms)
const wire = (...blobs: readonly Pick<Blob, 'bytes'>[]): Uint8Array =>
  concatBytes(encodeBlocks(blobs.map(({ bytes }) => ({ form: CID_V0, bytes }))))

/** The victim wants a blob and the stranger has been asked for it. */
async function asked(made: Scene, blob: Blob): Promise<{ readonly fetched: Promise<Blob> }> {
  const fetched = fetch(made.victim, blob, undefined)
  fetched.catch(() => {})
  await run(made, 200)
  assert.ok(made.stranger.wants.some(({ entry }) => entry.key === blob.cid.key))
  return { fetched }
}

/** A stream of the stranger to the victim. */
async function opened(made: Scene): Promise<ExchangeStream> {
  const opening = made.stranger.open(made.victim.peer)
  await run(made, 20)
  return opening
}

/** Sends so many bytes every so often, on a stream of its own, for as long as that takes them. */
function dribble(made: Scene, bytes: Uint8Array, pace: { everyMs: number; atOnce: number }): { done(): boolean } {
  let over = false
  const send = async (): Promise<void> => {
    const stream = await made.stranger.open(made.victim.peer)
    for (let at = 0; at < bytes.length; at += pace.atOnce) {
      stream.send([bytes.subarray(at, at + pace.atOnce)])
      await sleep(made.sim.clock, pace.everyMs)
    }
  }
  send().catch(() => {
    over = true
  })
  return { done: () => over }
}

describe('messages that dribble', () => {
  test('a byte a second on a hundred streams: every slot is free after the deadline', async () => {
    const made = scene()
    await run(made, 100)
    const before = await made.metric('sealsync_exchange_streams_open{direction="inbound"}')
    const message = encodeControl([encodeWantBlock(simBlob(1).cid.toBytes())], [])
    for (let stream = 0; stream < 60; stream += 1) dribble(made, message, { everyMs: 1000, atOnce: 1 })
    await run(made, 3000)
    assert.equal((await made.metric('sealsync_exchange_streams_open{direction="inbound"}')) - before, 60)
    await run(made, streams.messageTimeoutMs + 2000)
    assert.equal(await made.metric('sealsync_exchange_streams_open{direction="inbound"}'), before)
    assert.equal(await refused(made, 'slow'), 60)
    assert.deepEqual(reasons(made), [], 'slow is not hostile')
    for (let stream = 0; stream < 40; stream += 1) dribble(made, message, { everyMs: 1000, atOnce: 1 })
    await run(made, streams.messageTimeoutMs + 4000)
    assert.deepEqual(reasons(made), ['slow streams'], 'but a hundred times in half a minute is')
    await made.sim.stop()
  })

  test('a message of many blocks, each in time, has a least rate as a whole', async () => {
    const made = scene()
    await run(made, 100)
    const blobs = Array.from({ length: 400 }, (_, index) => simBlob(9_000_000 + index, 512))
    const slow = dribble(made, wire(...blobs), { everyMs: 100, atOnce: 20 })
    await run(made, streams.messageTimeoutMs + 3000)
    assert.equal(slow.done(), true)
    assert.equal(await refused(made, 'slow'), 1)
    await made.sim.stop()
  })

  test('a block that comes at the least rate is taken', async () => {
    const made = scene()
    const blob = simBlob(3, 2 * 1_048_576)
    const { fetched } = await asked(made, blob)
    await run(made, 300)
    dribble(made, wire(blob), { everyMs: 100, atOnce: Math.ceil((MIN_RATE / 10) * 1.2) })
    await run(made, 60_000)
    assert.equal((await fetched).cid.key, blob.cid.key)
    assert.equal(await refused(made, 'slow'), 0)
    await made.sim.stop()
  })
})

describe('words without end', () => {
  test('a million wants in messages of a thousand end the connection', async () => {
    const made = scene()
    await run(made, 100)
    const wants = Array.from({ length: 1024 }, (_, index) => encodeWantBlock(simBlob(index).cid.toBytes()))
    const message = encodeControl(wants, [])
    for (let count = 0; count < 1000; count += 1) void made.stranger.send(made.victim.peer, message).catch(() => {})
    await run(made, 60_000)
    assert.deepEqual(reasons(made), ['message flood'])
    assert.deepEqual(made.stranger.disconnected, [made.victim.peer])
    const { received } = made.victim.exchange.status().messages
    const most = streams.wordBurstBytes + 60 * streams.wordBytesPerSecond
    assert.ok(received * message.length <= most, `${received} messages`)
    assert.equal(made.victim.exchange.server.ledger(made.strangerId), undefined)
    await made.sim.stop()
  })

  test('empty messages count for more than their bytes', async () => {
    const made = scene({ streams: { wordBurstBytes: 64_000, wordBytesPerSecond: 1 } })
    await run(made, 100)
    const empty = concatBytes(Array.from({ length: 1200 }, () => encodeControl([], [])))
    void made.stranger.send(made.victim.peer, empty).catch(() => {})
    await run(made, 10_000)
    assert.deepEqual(reasons(made), ['message flood'])
    assert.ok(empty.length < 64_000)
    await made.sim.stop()
  })

  test('the bytes of blocks are none of it', async () => {
    const made = scene({ streams: { wordBurstBytes: 4000, wordBytesPerSecond: 1 }, client: { unsolicitedBytes: 1e9 } })
    await run(made, 100)
    for (let number = 0; number < 40; number += 1) made.stranger.give(made.victim.peer, simBlob(100 + number))
    await run(made, 5000)
    assert.deepEqual(reasons(made), [])
    await made.sim.stop()
  })
})

describe('blocks nobody asked for', () => {
  test('are charged when they are empty', async () => {
    const made = scene()
    await run(made, 100)
    const empty = wire({ bytes: new Uint8Array(0) })
    const many = concatBytes(Array.from({ length: 10_000 }, () => empty))
    void made.stranger.send(made.victim.peer, many).catch(() => {})
    await run(made, 20_000)
    assert.deepEqual(reasons(made), ['unsolicited blocks'])
    await made.sim.stop()
  })

  test('are charged when they break off before their end', async () => {
    const made = scene()
    await run(made, 100)
    const blob = simBlob(1, 64 * 1_048_576)
    const all = wire(blob)
    for (let half = 0; half < 5; half += 1) {
      const stream = await opened(made)
      stream.send([all.subarray(0, 500_000)])
      await run(made, 1000)
      stream.abort('enough')
      await run(made, 100)
    }
    assert.deepEqual(reasons(made), ['unsolicited blocks'])
    const { payloadBytes } = made.victim.exchange.status()
    assert.equal(payloadBytes.received, payloadBytes.partial)
    assert.ok(payloadBytes.partial <= client.unsolicitedBytes + 600_000, `${payloadBytes.partial}`)
    await made.sim.stop()
  })
})

describe('a full receive account', () => {
  const small: ExchangeOptionsChange = {
    maxBlockBytes: 40_000,
    client: { receiveBytes: 40_000, receiveBytesPerPeer: 40_000, maxPausedPerPeer: 4 }
  }

  test('pauses streams, and each goes on where it was, however long it waited', async () => {
    const made = scene(small)
    const first = simBlob(1, 40_000 * 64)
    const second = simBlob(2, 40_000 * 64)
    const fetched = [await asked(made, first), await asked(made, second)]
    // The first block stands half way, at its least rate; the second is all sent and has to wait for it.
    dribble(made, wire(first), { everyMs: 100, atOnce: Math.ceil((MIN_RATE / 10) * 1.5) })
    await run(made, 100)
    const stream = await opened(made)
    stream.send([wire(second)])
    await run(made, 15_000)
    assert.equal(made.victim.exchange.receivingBytes, 40_000)
    await run(made, 60_000)
    assert.deepEqual(
      (await Promise.all(fetched.map((one) => one.fetched))).map((blob) => blob.cid.key),
      [first.cid.key, second.cid.key]
    )
    assert.equal(await refused(made, 'slow'), 0)
    assert.equal(made.victim.exchange.receivingBytes, 0)
    checkQuiet(made.victim)
    await made.sim.stop()
  })

  test('keeps no more than so many streams of one peer waiting', async () => {
    const made = scene(small)
    await asked(made, simBlob(1, 40_000 * 64))
    await run(made, 300)
    const junk = wire(simBlob(500, 39_000 * 64))
    for (let count = 0; count < 12; count += 1) {
      const stream = await opened(made)
      stream.send([junk.subarray(0, 5000)])
    }
    await run(made, 100)
    assert.equal(made.victim.exchange.receivingBytes, 39_000, 'one is held, four wait')
    assert.equal(await refused(made, 'receive'), 7)
    await run(made, 20_000)
    assert.equal(made.victim.exchange.receivingBytes, 0)
    await made.sim.stop()
  })

  test('is not filled by one peer: others deliver meanwhile', async () => {
    const made = scene({ maxBlockBytes: 40_000, client: { receiveBytes: 160_000, receiveBytesPerPeer: 40_000 } })
    const blob = simBlob(1, 30_000 * 64)
    await asked(made, blob)
    await run(made, 300)
    const junk = wire(simBlob(500, 39_000 * 64))
    const hog = (): void => {
      for (let count = 0; count < 8; count += 1) {
        void made.stranger.open(made.victim.peer).then((stream) => stream.send([junk.subarray(0, 5000)]))
      }
      if (made.sim.clock.now() < 8000) made.sim.clock.setTimer(1000, hog)
    }
    hog()
    await run(made, 2000)
    const others = Array.from({ length: 20 }, (_, index) => simBlob(700 + index, 20_000 * 64))
    for (const other of others) make(made.honest, other)
    let most = 0
    const fetched = Promise.all(others.map((other) => fetch(made.victim, other, undefined)))
    for (let step = 0; step < 40; step += 1) {
      await run(made, 100)
      most = Math.max(most, made.victim.exchange.receivingBytes)
    }
    assert.equal((await fetched).length, 20)
    assert.ok(most <= 80_000, `${most} bytes reserved: two peers' shares`)
    // Its streams stall one after the other, each for as long as a stall may last.
    await run(made, 60_000)
    assert.equal(made.victim.exchange.receivingBytes, 0)
    await made.sim.stop()
  })

  test('is given back when a peer is cut in the middle of a chunk', async () => {
    const made = scene({ client: { unsolicitedBytes: 1000 } })
    await run(made, 100)
    await asked(made, simBlob(1))
    await run(made, 300)
    // Blocks of the wrong bytes until the budget is gone, and the start of one more, all in one piece.
    const wrong = Array.from({ length: 5 }, (_, index) => simBlob(800 + index, 16_384))
    const rest = wire(simBlob(900, 1_048_576)).subarray(0, 300)
    void made.stranger.send(made.victim.peer, concatBytes([...wrong.map((blob) => wire(blob)), rest])).catch(() => {})
    await run(made, 5000)
    assert.deepEqual(reasons(made), ['unsolicited blocks'])
    assert.equal(made.victim.exchange.receivingBytes, 0)
    await made.sim.stop()
  })
})

describe('a peer that does not read what it is told', () => {
  test('loses the stream, and answers wait for nobody', async () => {
    const made = scene({ streams: { controlUnsentBytes: 1024, maxPresences: 64 } })
    await run(made, 100)
    const opened = await made.metric('sealsync_exchange_streams_opened_total{direction="outbound"}')
    made.sim.network.silence(made.strangerId)
    // What it wanted before it stopped to read: every answer is DONT_HAVE.
    const entries = Array.from(
      { length: 40_000 },
      (_, index) =>
        ({
          key: simBlob(index).cid.key,
          form: CID_V0,
          wantType: 'block',
          cancel: false,
          sendDontHave: true,
          ackQueued: false
        }) as const
    )
    for (let from = 0; from < entries.length; from += 1000) {
      made.victim.exchange.server.message(made.strangerId, {
        entries: entries.slice(from, from + 1000),
        presences: [],
        full: true,
        refused: 0
      })
      await run(made, 20)
    }
    assert.ok((await refused(made, 'presences')) > 0)
    await run(made, 2 * streams.controlStallMs)
    assert.ok((await refused(made, 'write-stall')) >= 1)
    made.sim.network.wake(made.strangerId)
    await run(made, 10_000)
    assert.ok((await made.metric('sealsync_exchange_streams_opened_total{direction="outbound"}')) > opened)
    await made.sim.stop()
  })
})
