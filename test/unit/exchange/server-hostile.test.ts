import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CID_V0, type WantEntry } from '#src/exchange/message/types.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { Lookups } from '#src/exchange/server/lookups.ts'
import { type Blob, blobOf } from '#src/model/index.ts'
import { largeBlob, seededBlob } from '#test/support/exchange/memory-blobs.ts'
import { peer, type ServerBench, serverBench, type TestLink } from '#test/support/exchange/server-bench.ts'

const MIB = 1_048_576
const limits = defaultExchangeOptions.server

const entryOf = (blob: Pick<Blob, 'cid'>, change: Partial<WantEntry> = {}): WantEntry => ({
  key: blob.cid.key,
  form: CID_V0,
  wantType: 'block',
  cancel: false,
  sendDontHave: true,
  ackQueued: false,
  ...change
})

/** Blobs of a few bytes, quickly made. */
const tiny = (from: number, count: number): Blob[] =>
  Array.from({ length: count }, (_, index) => blobOf(new Uint8Array(new Float64Array([from + index]).buffer)))

const send = ({ server }: ServerBench, name: string, entries: readonly WantEntry[], full = false): void =>
  server.message(peer(name), { entries, presences: [], full, refused: 0 })

describe('a peer that reads slowly', () => {
  /** The peer takes so many bytes a second of what it is sent, for so long. */
  async function read(
    bench: ServerBench,
    link: TestLink,
    pace: { readonly perSecond: number; readonly seconds: number }
  ) {
    const until = bench.clock.now() + pace.seconds * 1000
    while (bench.clock.now() < until && link.resets.length === 0) {
      await bench.clock.run(bench.clock.now() + 1000)
      link.dataUnsentBytes = Math.max(0, link.dataUnsentBytes - pace.perSecond)
      bench.server.dataReady(peer('slow'))
    }
  }

  function slowReader(): { bench: ServerBench; link: TestLink; ask: () => void } {
    const bench = serverBench()
    const link = bench.link('slow')
    link.hold = true
    const blobs = Array.from({ length: 64 }, (_, index) => largeBlob(index, MIB))
    for (const blob of blobs) bench.blobs.put(blob)
    return { bench, link, ask: () => blobs.forEach((blob) => bench.want('slow', blob)) }
  }

  test('a byte a second: its stream and its queue go, what was held is free, and the third time it is disconnected', async () => {
    const { bench, link, ask } = slowReader()
    for (let stalls = 1; stalls <= 3; stalls += 1) {
      ask()
      await read(bench, link, { perSecond: 1, seconds: 60 })
      assert.deepEqual(link.resets, ['the peer does not read'])
      link.resets.length = 0
      assert.equal(bench.account.reservedBytes, 0)
      assert.equal(bench.server.ledgerWants, 0)
      assert.equal(bench.totals.refusals['write-stall'], stalls)
      assert.deepEqual(bench.penalties, stalls < 3 ? [] : ['slow does not read'])
    }
  })

  test('never more than a block and the room of a stream is held for it', async () => {
    const { bench, link, ask } = slowReader()
    ask()
    for (let second = 0; second < 25; second += 1) {
      await read(bench, link, { perSecond: 1, seconds: 1 })
      assert.ok(bench.account.reservedBytes <= MIB + limits.streamRoomBytes, `${bench.account.reservedBytes}`)
    }
  })

  test('one that keeps up with the least rate is served to the end, however full its stream is at every look', async () => {
    const { bench, link, ask } = slowReader()
    ask()
    await read(bench, link, { perSecond: 128 * 1024, seconds: 900 })
    assert.deepEqual(link.resets, [])
    assert.equal(bench.totals.sentBlocks, 64)
    assert.equal(bench.totals.refusals['write-stall'], 0)
  })

  test('one that has read all of it in between starts anew', async () => {
    const { bench, link, ask } = slowReader()
    for (let round = 0; round < 5; round += 1) {
      ask()
      await read(bench, link, { perSecond: 1, seconds: 60 })
      link.resets.length = 0
      bench.want('slow', seededBlob(round, 10))
      const blob = largeBlob(1000 + round, MIB)
      bench.blobs.put(blob)
      bench.want('slow', blob)
      await read(bench, link, { perSecond: MIB, seconds: 5 })
      await bench.clock.run(bench.clock.now() + 61_000)
    }
    assert.equal(bench.totals.refusals['write-stall'], 5)
    assert.deepEqual(bench.penalties, [])
  })
})

describe('a flood of wants', () => {
  test("a million CIDs: the ledger keeps its bound, and one line of look-ups is filled, the flooder's own", async () => {
    const bench = serverBench()
    bench.link('flood')
    bench.link('honest')
    bench.blobs.delayMs = () => 5
    const wanted = tiny(0, 2048).map((blob) => entryOf(blob))
    for (let message = 0; message < 1000; message += 1) {
      const from = (message * 1024) % 2048
      send(bench, 'flood', wanted.slice(from, from + 1024))
    }
    assert.ok(bench.server.ledgerWants <= limits.maxWantsPerPeer)
    assert.ok(bench.server.wantedDigests <= limits.maxWantsPerPeer)
    assert.ok(bench.totals.refusals.rate >= 1_024_000 - limits.entryBurst - 1)
    const here = seededBlob(1, 100)
    bench.blobs.put(here)
    bench.want('honest', here)
    await bench.clock.run(100)
    assert.equal(bench.totals.refusals.lookups, 0)
    assert.equal(bench.totals.sentBlocks, 1, 'the honest peer is not behind it')
  })

  test('what cannot be served makes room, oldest first; what waits to be sent does not', async () => {
    const bench = serverBench({ maxWantsPerPeer: 8 })
    const link = bench.link('a')
    link.dataOpen = false
    const here = tiny(0, 4)
    for (const blob of here) bench.blobs.put(blob)
    send(
      bench,
      'a',
      here.map((blob) => entryOf(blob))
    )
    await bench.clock.run(10)
    const absent = tiny(100, 40)
    for (const blob of absent) {
      send(bench, 'a', [entryOf(blob)])
      await bench.clock.run(bench.clock.now() + 10)
    }
    const wants = [...bench.server.ledger(peer('a'))!.wants.keys()]
    assert.deepEqual(new Set(wants), new Set([...here, ...absent.slice(-4)].map(({ cid }) => cid.key)))
  })

  test('full lists again and again cost their entries, and leave the last list', async () => {
    const bench = serverBench()
    bench.link('a')
    const lists = [tiny(0, 1024), tiny(5000, 1024)].map((blobs) => blobs.map((blob) => entryOf(blob)))
    for (let storm = 0; storm < 600; storm += 1) send(bench, 'a', lists[storm % 2]!, true)
    assert.ok(bench.totals.refusals.rate >= 600 * 1024 - limits.entryBurst - 1)
    await bench.clock.run(30_000)
    assert.equal(bench.server.ledgerWants, 0, 'the last list came when nothing was left to pay with')
    assert.ok(bench.blobs.sizes <= limits.entryBurst)
    send(bench, 'a', lists[0]!, true)
    await bench.clock.run(31_000)
    assert.equal(bench.server.ledgerWants, 1024)
  })

  test('wants that end in a block cost nothing in the end', async () => {
    const bench = serverBench({ entryBurst: 100, entriesPerSecond: 1 })
    bench.link('a')
    const blobs = tiny(0, 2000)
    for (const blob of blobs) bench.blobs.put(blob)
    for (let from = 0; from < 2000; from += 100) {
      send(
        bench,
        'a',
        blobs.slice(from, from + 100).map((blob) => entryOf(blob))
      )
      await bench.clock.run(bench.clock.now() + 20)
    }
    assert.equal(bench.totals.refusals.rate, 0)
    assert.equal(bench.totals.sentBlocks, 2000)
  })

  test('a want-have that is answered is paid for', async () => {
    const bench = serverBench({ entryBurst: 100, entriesPerSecond: 1 })
    bench.link('a')
    const [blob] = tiny(0, 1)
    bench.blobs.put(blob!)
    for (let ask = 0; ask < 150; ask += 1) {
      bench.want('a', blob!, { wantType: 'have' })
      await bench.clock.run(bench.clock.now() + 1)
    }
    assert.equal(bench.totals.refusals.rate, 50)
  })
})

describe('cancels and wants in turn', () => {
  test('any order of them leaves what was wanted last, and nothing else', async () => {
    const blobs = tiny(0, 6)
    const step = fc.record({ at: fc.nat(5), cancel: fc.boolean(), full: fc.boolean(), waits: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const bench = serverBench()
        bench.link('a')
        let expected = new Set<string>()
        for (const { at, cancel, full, waits } of steps) {
          const entry = entryOf(blobs[at]!, { cancel })
          send(bench, 'a', [entry], full)
          if (full) expected = new Set()
          if (cancel) expected.delete(entry.key)
          else expected.add(entry.key)
          if (waits) await bench.clock.run(bench.clock.now() + 5)
        }
        await bench.clock.run(bench.clock.now() + 50)
        assert.deepEqual(new Set(bench.server.ledger(peer('a'))!.wants.keys()), expected)
        assert.equal(bench.server.wantedDigests, expected.size)
        assert.equal(bench.wheel.size, 0)
      }),
      { numRuns: 200 }
    )
  })

  test('a million of them leave no want, no look-up and no timer', async () => {
    const bench = serverBench({ entryBurst: 1e9 })
    const link = bench.link('a')
    const entries = tiny(0, 512).flatMap((blob) => [entryOf(blob, { cancel: true }), entryOf(blob)])
    const cancels = entries.filter(({ cancel }) => cancel)
    for (let round = 0; round < 650; round += 1) {
      send(bench, 'a', entries)
      send(bench, 'a', cancels)
    }
    await bench.clock.run(1000)
    assert.equal(bench.server.ledgerWants, 0)
    assert.equal(bench.server.wantedDigests, 0)
    assert.equal(bench.wheel.size, 0)
    assert.ok(bench.blobs.sizes <= limits.maxWantsPerPeer + limits.maxLookups, `${bench.blobs.sizes} look-ups`)
    assert.ok(link.presences.length <= 650 * 512)
  })
})

describe('look-ups', () => {
  test('owners take turns, whoever has more in line', async () => {
    const order: string[] = []
    const lookups = new Lookups<object>({ concurrent: 1, perOwner: 100 })
    const [a, b] = [{}, {}]
    const look = (name: string) => async (): Promise<void> => void order.push(name)
    for (let count = 0; count < 50; count += 1) lookups.add(a, look('a'))
    for (let count = 0; count < 3; count += 1) lookups.add(b, look('b'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(order.length, 53)
    assert.equal(order.slice(0, 8).filter((name) => name === 'b').length, 3, order.slice(0, 8).join(''))
  })

  test('a line has its bound, and goes with its owner', async () => {
    const lookups = new Lookups<object>({ concurrent: 1, perOwner: 4 })
    const owner = {}
    let [begun, finish] = [0, (): void => {}]
    const look = (): Promise<void> => {
      begun += 1
      return new Promise((resolve) => {
        finish = resolve
      })
    }
    for (let count = 0; count < 5; count += 1) lookups.add(owner, look)
    assert.equal(lookups.full(owner), true)
    assert.equal(lookups.full({}), false)
    lookups.forget(owner)
    assert.equal(lookups.full(owner), false)
    finish()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(begun, 1)
  })
})

test('one peer that wants the same big block for ever takes no more than its share from nineteen others', async () => {
  const bench = serverBench({ repeatBucketBytes: 1e12, repeatWindowMs: 0 })
  const big = largeBlob(1, MIB / 2)
  bench.blobs.put(big)
  const names = ['greedy', ...Array.from({ length: 19 }, (_, index) => `honest ${index}`)]
  const links = names.map((name) => {
    const link = bench.link(name)
    link.hold = true
    return { name, link, taken: 0 }
  })
  const asked = new Map<string, number>()
  for (let round = 0; round < 400; round += 1) {
    bench.want('greedy', big)
    for (const { name } of links.slice(1)) {
      // Four in line at any time.
      if ((bench.server.ledger(peer(name))?.wants.size ?? 0) >= 4) continue
      const number = (asked.get(name) ?? 0) + 1
      asked.set(name, number)
      const blob = largeBlob(1000 * links.findIndex((one) => one.name === name) + number, 65_536)
      bench.blobs.put(blob)
      bench.want(name, blob)
    }
    await bench.clock.run(bench.clock.now() + 5)
    // An uplink of 1 MiB for each round, shared by whoever has something on it.
    const waiting = links.filter(({ link }) => link.dataUnsentBytes > 0)
    for (const one of waiting) {
      const taken = Math.min(one.link.dataUnsentBytes, MIB / waiting.length)
      one.link.dataUnsentBytes -= taken
      one.taken += taken
      bench.server.dataReady(peer(one.name))
    }
  }
  const shares = links.map(({ taken }) => taken)
  const sum = shares.reduce((total, share) => total + share, 0)
  const jain = sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0))
  assert.ok(
    jain > 0.9,
    `Jain's index ${jain.toFixed(3)}, shares of ${shares.map((share) => Math.round(share / MIB)).join(' ')} MiB`
  )
})
