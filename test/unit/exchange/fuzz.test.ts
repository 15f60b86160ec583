import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { MessageDecoder } from '#src/exchange/message/decoder.ts'
import type { DecoderLimits, MessageSummary } from '#src/exchange/message/types.ts'
import { defaultExchangeOptions } from '#src/exchange/options.ts'
import { codeOf, concatBytes, toHex } from '#src/util/index.ts'
import { fetch, make } from '#test/support/exchange/herd.ts'
import {
  blockPresence,
  hostileFrame,
  hostileMessage,
  payloadBlock,
  varint,
  wantlist,
  wantlistEntry
} from '#test/support/exchange/hostile-wire.ts'
import { checkInvariants, checkQuiet } from '#test/support/exchange/invariants.ts'
import { ScriptedPeer } from '#test/support/exchange/script.ts'
import { createSim, simBlob } from '#test/support/exchange/sim.ts'

const tight = { ...defaultExchangeOptions, maxEntriesPerMessage: 4, maxMessageBytes: 1 << 22 }
const TYPED = ['malformed', 'message-too-large', 'block-too-large']

interface Read {
  readonly events: string[]
  readonly error: string | undefined
  /** Bytes of bodies, and of those that were taken. */
  readonly bodyBytes: number
}

/** Feeds a decoder, and holds what it says against what it was given. */
function read(chunks: readonly Uint8Array[], limits: DecoderLimits = tight): Read {
  const events: string[] = []
  let [given, bodyBytes, open] = [0, 0, 0]
  const check = ({ entries, presences, refused }: MessageSummary): void => {
    assert.ok(entries.length <= limits.maxEntriesPerMessage)
    assert.ok(presences.length <= limits.maxEntriesPerMessage)
    assert.ok(refused >= 0 && refused <= given)
    for (const { key } of [...entries, ...presences]) assert.equal(key.length, 32)
  }
  const decoder = new MessageDecoder(
    {
      blockStart: (length) => {
        assert.ok(length <= limits.maxBlockBytes && open === 0)
        open = 1
        events.push(`start ${length}`)
        return length % 2 === 0 ? 'take' : 'skip'
      },
      blockBytes: (count) => {
        bodyBytes += count
      },
      blockEnd: (block) => {
        open = 0
        assert.equal(block.assemble().length, block.length)
        events.push(`block ${toHex(block.digest)}`)
      },
      blockSkipped: (length) => {
        open = 0
        events.push(`skipped ${length}`)
      },
      message: (summary) => {
        check(summary)
        events.push(JSON.stringify(summary))
      }
    },
    limits
  )
  let error: string | undefined
  for (const chunk of chunks) {
    given += chunk.length
    try {
      decoder.push(chunk)
    } catch (thrown) {
      error = codeOf(thrown)
      assert.ok(TYPED.includes(error ?? ''), String(thrown))
      break
    }
    assert.ok(bodyBytes <= given)
  }
  return { events, error, bodyBytes }
}

const frameOf = (body: Uint8Array): Uint8Array => concatBytes([varint(BigInt(body.length)), body])
const field = (number: number, body: Uint8Array): Uint8Array =>
  concatBytes([Uint8Array.of(number * 8 + 2), frameOf(body)])

describe('any message', () => {
  const parts: [string, fc.Arbitrary<Uint8Array>][] = [
    ['a wantlist entry', wantlistEntry.map((bytes) => field(1, field(1, bytes)))],
    ['a wantlist', wantlist.map((bytes) => field(1, bytes))],
    ['a payload block', payloadBlock.map((bytes) => field(3, bytes))],
    ['a presence', blockPresence.map((bytes) => field(4, bytes))],
    ['the message itself', hostileMessage]
  ]
  for (const [name, part] of parts) {
    test(`with every field of ${name} at random ends in events or a typed error, the same however it is cut`, () => {
      fc.assert(
        fc.property(part, fc.array(fc.nat(40), { maxLength: 30 }), (bytes, cuts) => {
          const wire = frameOf(bytes)
          const chunks: Uint8Array[] = []
          let at = 0
          for (const cut of cuts) {
            chunks.push(wire.subarray(at, at + cut))
            at = Math.min(wire.length, at + cut)
          }
          chunks.push(wire.subarray(at))
          const whole = read([wire])
          assert.deepEqual(read(chunks), whole)
          assert.deepEqual(read([...wire].map((byte) => Uint8Array.of(byte))), whole)
        }),
        { numRuns: 300 }
      )
    })
  }

  test('and any run of frames, true or not', () => {
    fc.assert(
      fc.property(fc.array(hostileFrame, { maxLength: 6 }), (frames) => void read(frames)),
      { numRuns: 500 }
    )
  })
})

describe('lengths', () => {
  test('of a frame are taken up to the limit and refused beyond it, whatever their form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (length) => {
        const { error } = read([varint(length)])
        assert.equal(error, length > BigInt(tight.maxMessageBytes) ? 'message-too-large' : undefined)
      }),
      { numRuns: 500 }
    )
    for (const [bytes, expected] of [
      [varint(1n << 53n), 'message-too-large'],
      [varint(BigInt(tight.maxMessageBytes)), undefined],
      [varint(BigInt(tight.maxMessageBytes) + 1n), 'message-too-large'],
      [new Uint8Array(12).fill(0x80), 'malformed'],
      [new Uint8Array(12).fill(0xff), 'message-too-large']
    ] as const) {
      assert.equal(read([bytes]).error, expected)
    }
  })

  test('that lie cost nothing: a thousand streams that claim the most hold less than a mebibyte', () => {
    const held: unknown[] = []
    const most = tight.maxBlockBytes
    const head = concatBytes([
      varint(BigInt(tight.maxMessageBytes)),
      Uint8Array.of(0x1a),
      varint(BigInt(most + 20)),
      Uint8Array.of(0x0a, 4, 0, 0x70, 0x12, 0x20, 0x12),
      varint(BigInt(most)),
      Uint8Array.of(1, 2, 3)
    ])
    const before = process.memoryUsage().arrayBuffers
    for (let stream = 0; stream < 1000; stream += 1) {
      const decoder = new MessageDecoder(
        {
          blockStart: () => 'take',
          blockBytes: () => {},
          blockEnd: () => {},
          blockSkipped: () => {},
          message: () => {}
        },
        tight
      )
      decoder.push(head)
      held.push(decoder)
    }
    const grown = process.memoryUsage().arrayBuffers - before
    assert.equal(held.length, 1000)
    assert.ok(grown < 1_048_576, `${grown} bytes for ${held.length} streams that claim ${most} bytes each`)
  })
})

/** A presence as it should be, and one that is no protobuf: a field of number 0. */
const simPresence = concatBytes([field(1, simBlob(2).cid.toBytes()), Uint8Array.of(16, 0)])
const fieldZero = Uint8Array.of(0, 0)

test('whatever a peer sends, its victim stands, charges it, and serves others', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(hostileFrame, { minLength: 1, maxLength: 8 }), async (frames) => {
      const sim = createSim({ seed: 9, producers: 1, access: 1, delayMs: [2, 3] }, 1)
      const [victim, honest] = [sim.access[0]!, sim.producers[0]!]
      const stranger = new ScriptedPeer(sim.network.port(sim.strangers[0]!)!)
      await sim.run(100)
      const wanted = simBlob(1)
      const fetched = fetch(victim, wanted, undefined)
      await sim.run(200)
      // On a stream of its own: the stranger's answers go on another.
      void stranger.open(victim.peer).then((stream) => stream.send(frames))
      await sim.run(500)
      checkInvariants(victim)
      make(honest, wanted)
      await sim.run(60_000)
      assert.equal((await fetched).cid.key, wanted.cid.key)
      // With the victim's own limits: entries beyond them are counted, and not parsed.
      const { error } = read(frames, defaultExchangeOptions)
      const reasons = victim.port.penalties.map(({ reason }) => reason)
      // The parser's verdict is the peer's: bytes that are no bitswap end its connection.
      if (error === 'malformed') assert.deepEqual(reasons, ['malformed'])
      else if (error !== undefined) assert.deepEqual(reasons, ['oversize'])
      else assert.deepEqual(reasons, [])
      for (const reason of reasons) seen.add(reason)
      const { payloadBytes } = victim.exchange.status()
      assert.equal(payloadBytes.received, payloadBytes.useful + payloadBytes.duplicate + payloadBytes.partial)
      assert.ok(victim.exchange.server.ledgerWants <= defaultExchangeOptions.server.maxWantsPerPeer)
      sim.network.disconnect(victim.peer, sim.strangers[0]!)
      await sim.run(70_000)
      assert.equal(victim.exchange.server.wantedDigests, 0)
      checkQuiet(victim)
      await sim.stop()
    }),
    // A fifth presence that is malformed, where a decoder of four entries would not have looked.
    {
      numRuns: 150,
      examples: [[[frameOf(concatBytes([...Array<Uint8Array>(4).fill(field(4, simPresence)), field(4, fieldZero)]))]]]
    }
  )
  assert.ok(seen.has('malformed'), 'some of it was no bitswap')
})
