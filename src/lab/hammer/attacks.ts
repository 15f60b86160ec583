import { randomBytes } from 'node:crypto'
import {
  CID_V0,
  defaultExchangeOptions,
  encodeBlocks,
  encodeCancel,
  encodeControl,
  encodePresence,
  encodeWantBlock,
  MessageDecoder,
  type WantEntry
} from '../../exchange/index.ts'
import { concatBytes, varintLength, writeVarint } from '../../util/index.ts'
import { type Attack, type Connection, type HostileMode, PROTOCOL, sendAll, type Stream } from './attack.ts'

const MIB = 1_048_576
const ENTRIES = 1024
const STREAMS_PER_SECOND = 1000
const DRIBBLING_STREAMS = 200
const LIE_BYTES = 2 ** 40

const cidOf = (digest: Uint8Array): Uint8Array => concatBytes([Uint8Array.of(0x12, 0x20), digest])
const fromHex = (digest: string): Uint8Array => cidOf(Buffer.from(digest, 'hex'))
const randomCids = (count: number): Uint8Array[] => {
  const bytes = randomBytes(32 * count)
  return Array.from({ length: count }, (_, at) => cidOf(bytes.subarray(32 * at, 32 * at + 32)))
}

/** One message after the other, as fast as the target takes them. */
async function flood(
  attack: Attack,
  next: () => { readonly bytes: Uint8Array; readonly units: number }
): Promise<void> {
  const stream = await attack.stream()
  if (stream === undefined) return
  while (attack.running) {
    const { bytes, units } = next()
    if (!(await sendAll(stream, bytes))) return
    attack.done += units
  }
  stream.abort(new Error('done'))
}

/** Wants of blobs that nobody has. */
const wantFlood: HostileMode = (attack) =>
  flood(attack, () => ({ bytes: encodeControl(randomCids(ENTRIES).map(encodeWantBlock), []), units: ENTRIES }))

/** Lists that replace each other. */
function fullStorm(attack: Attack): Promise<void> {
  const held = attack.input.cids.map(fromHex)
  return flood(attack, () => {
    const cids = [...held, ...randomCids(ENTRIES - held.length)]
    const list = concatBytes([...cids.map(encodeWantBlock), Uint8Array.of(0x10, 1)])
    return { bytes: framed(concatBytes([Uint8Array.of(0x0a), framed(list)])), units: ENTRIES }
  })
}

function churn(attack: Attack): Promise<void> {
  const cids = randomCids(ENTRIES / 2)
  const message = encodeControl(
    cids.flatMap((cid) => [encodeCancel(cid), encodeWantBlock(cid)]),
    []
  )
  return flood(attack, () => ({ bytes: message, units: ENTRIES }))
}

/** The same block a thousand times a second. */
async function sameBlock(attack: Attack): Promise<void> {
  const stream = await attack.stream()
  const [digest] = attack.input.cids
  if (stream === undefined || digest === undefined) return
  const message = encodeControl([encodeWantBlock(fromHex(digest))], [])
  while (attack.running && (await sendAll(stream, message))) {
    attack.done += 1
    await attack.pause(1)
  }
}

const junk = concatBytes(encodeBlocks([{ form: CID_V0, bytes: randomBytes(MIB) }]))
const unsolicited: HostileMode = (attack) => flood(attack, () => ({ bytes: junk, units: 1 }))

/** Opened and reset at once, none waited for. */
async function streamChurn(attack: Attack): Promise<void> {
  const connection = await attack.connection()
  while (attack.running && connection?.status === 'open') {
    for (let opened = 0; opened < STREAMS_PER_SECOND / 50; opened += 1) {
      attack.done += 1
      void connection.newStream(PROTOCOL, { maxOutboundStreams: 4096 }).then(
        (stream) => stream.abort(new Error('next')),
        () => {}
      )
    }
    await attack.pause(20)
  }
}

interface Muxer {
  sendFrame(header: { type: number; flag: number; streamID: number; length: number }): void
}

function grantByte(stream: Stream, muxer: Muxer): void {
  const window = stream as unknown as { readonly streamId: number; recvWindowCapacity: number }
  window.recvWindowCapacity += 1
  muxer.sendFrame({ type: 1, flag: 0, streamID: window.streamId, length: 1 })
}

/** Wants all that there is, and grants a byte of window a second to each stream it comes on. */
async function slowReader(attack: Attack): Promise<void> {
  const streams = new Set<{ readonly stream: Stream; readonly muxer: Muxer }>()
  await attack.replaceExchange((stream, connection) => {
    stream.pause()
    const held = { stream, muxer: (connection as unknown as { readonly muxer: Muxer }).muxer }
    streams.add(held)
    stream.addEventListener('close', () => streams.delete(held), { once: true })
  })
  const message = encodeControl(
    attack.input.cids.map((digest) => encodeWantBlock(fromHex(digest))),
    []
  )
  while (attack.running) {
    const stream = await attack.stream()
    if (stream === undefined || !(await sendAll(stream, message))) return
    attack.done += attack.input.cids.length
    for (let second = 0; second < 5 && attack.running; second += 1) {
      await attack.pause(1000)
      for (const { stream: held, muxer } of streams) {
        if (held.status === 'open') grantByte(held, muxer)
      }
    }
    stream.abort(new Error('next'))
  }
}

/** A byte a second on each of many streams, of a message that would take minutes. */
async function dribble(attack: Attack): Promise<void> {
  const message = encodeControl(randomCids(8).map(encodeWantBlock), [])
  const streams = new Map<Stream, number>()
  while (attack.running) {
    for (const stream of streams.keys()) if (stream.status !== 'open') streams.delete(stream)
    const opening = Array.from({ length: DRIBBLING_STREAMS - streams.size }, () => attack.stream())
    for (const stream of await Promise.all(opening)) if (stream !== undefined) streams.set(stream, 0)
    for (const [stream, at] of streams) {
      if (stream.status !== 'open') continue
      stream.send(message.subarray(at, at + 1))
      streams.set(stream, at + 1)
      attack.done += 1
    }
    await attack.pause(1000)
  }
}

type Write = (connection: Connection, bytes: Uint8Array) => void

/**
 * Reads wants, and does with each what it is told. Says an empty word to everybody now and then: whoever is silent altogether
 * is soon not asked any more, and does no harm.
 */
async function answer(
  attack: Attack,
  onWant: (use: { readonly connection: Connection; readonly entry: WantEntry; readonly write: Write }) => void
): Promise<void> {
  const write = writers()
  await attack.replaceExchange((stream, connection) => {
    const decoder = new MessageDecoder(
      {
        blockStart: () => 'skip',
        blockBytes: () => {},
        blockEnd: () => {},
        blockSkipped: () => {},
        message: ({ entries }) => {
          for (const entry of entries) if (!entry.cancel && attack.running) onWant({ connection, entry, write })
        }
      },
      defaultExchangeOptions
    )
    stream.addEventListener('message', ({ data }) => decoder.push(data.subarray()))
  })
  while (attack.running) {
    for (const connection of attack.libp2p.getConnections()) write(connection, encodeControl([], []))
    await attack.pause(200)
  }
}

/** A stream of its own for each connection, opened when it is first needed. */
function writers(): Write {
  const streams = new Map<string, Promise<Stream>>()
  return (connection, bytes) => {
    const stream = streams.get(connection.id) ?? connection.newStream(PROTOCOL)
    streams.set(connection.id, stream)
    stream.then((open) => open.send(bytes)).catch(() => streams.delete(connection.id))
  }
}

/** Says that it has everything, and sends nothing: to everybody. */
function haveAndSilence(attack: Attack): Promise<void> {
  return answer(attack, ({ connection, entry, write }) => {
    attack.done += 1
    write(connection, encodeControl([], [encodePresence(entry.key, CID_V0, true)]))
  })
}

/** Answers each want with the first half of a block, each on a stream of its own: to everybody. */
function halfBlocks(attack: Attack): Promise<void> {
  const half = junk.subarray(0, MIB / 2)
  return answer(attack, ({ connection, entry }) => {
    if (entry.wantType !== 'block') return
    attack.done += 1
    connection.newStream(PROTOCOL, { maxOutboundStreams: 4096 }).then(
      (stream) => stream.send(half),
      () => {}
    )
  })
}

/** Says that a message of a tebibyte follows, and sends as much of it as is taken. */
async function lengthLie(attack: Attack): Promise<void> {
  const head = new Uint8Array(varintLength(LIE_BYTES))
  writeVarint(head, 0, LIE_BYTES)
  while (attack.running) {
    const stream = await attack.stream()
    if (stream === undefined || !(await sendAll(stream, head))) return
    attack.done += 1
    while (attack.running && (await sendAll(stream, junk.subarray(0, 65_536))));
    await attack.pause(10)
  }
}

/** Answers each want with bytes that are not what was wanted: to everybody. */
function corrupt(attack: Attack): Promise<void> {
  return answer(attack, ({ connection, entry, write }) => {
    if (entry.wantType !== 'block') return
    attack.done += 1
    write(connection, junk)
  })
}

interface RawMuxer {
  createStream(): Promise<Stream>
}

/** Streams that try one protocol after the other. */
async function negotiation(attack: Attack): Promise<void> {
  const connection = await attack.connection()
  if (connection === undefined) return
  const words = [...Array.from({ length: 16_000 }, () => 'x\n')]
  const text = concatBytes(['/multistream/1.0.0\n', ...words].map((word) => framed(Buffer.from(word))))
  const stream = await (connection as unknown as { readonly muxer: RawMuxer }).muxer.createStream()
  stream.addEventListener('message', ({ data }) => {
    attack.done += Math.round(data.byteLength / 4)
  })
  while (attack.running && (await sendAll(stream, text)));
}

function framed(bytes: Uint8Array): Uint8Array {
  const head = new Uint8Array(varintLength(bytes.length))
  writeVarint(head, 0, bytes.length)
  return concatBytes([head, bytes])
}

/** What a staked peer gone bad can do, by name. */
export const HOSTILE_MODES: Readonly<Record<string, HostileMode>> = {
  // For comparison: what the same seconds cost without an attack.
  none: (attack) => attack.pause(1000),
  'want-flood': wantFlood,
  'full-storm': fullStorm,
  churn,
  'same-block': sameBlock,
  unsolicited,
  'stream-churn': streamChurn,
  'slow-reader': slowReader,
  dribble,
  'have-and-silence': haveAndSilence,
  'half-blocks': halfBlocks,
  corrupt,
  'length-lie': lengthLie,
  negotiation
}
