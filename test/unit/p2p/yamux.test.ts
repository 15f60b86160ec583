import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { MessageStream, MultiaddrConnection, Stream, StreamMessageEvent, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import fc from 'fast-check'
import { encodeHeader, type FrameHeader, FrameReader } from '#src/p2p/yamux/frames.ts'
import { makeLean } from '#src/p2p/yamux/lean.ts'
import { concatBytes } from '#src/util/index.ts'

const MIB = 1_048_576
const init = { enableKeepAlive: false, streamOptions: { maxStreamWindowSize: 2 * MIB, maxReadBufferLength: 4 * MIB } }

function muxerOn(connection: MultiaddrConnection, lean: boolean): StreamMuxer {
  const muxer = yamux(init)().createStreamMuxer(connection)
  if (lean) makeLean(muxer, { wideWindows: true })
  return muxer
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Sends in parts, each when the one before has left. */
async function sendAll(stream: MessageStream, bytes: Uint8Array, part: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += part) {
    stream.send(bytes.subarray(at, at + part))
    await until(() => stream.writeBufferLength === 0 || stream.status !== 'open')
  }
}

const randomBytes = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + (at >> 8)) & 255
  return bytes
}

interface Heard {
  readonly bytes: Uint8Array[]
  ended: boolean
}

function listen(stream: MessageStream): Heard {
  const heard: Heard = { bytes: [], ended: false }
  stream.addEventListener('message', ({ data }: StreamMessageEvent) => heard.bytes.push(data.slice()))
  stream.addEventListener('end', () => {
    heard.ended = true
  })
  return heard
}

describe('a lean muxer and the library as it is', () => {
  for (const [left, right] of [
    [true, false],
    [false, true],
    [true, true]
  ] as const) {
    test(`megabytes both ways, ${left ? 'lean' : 'library'} to ${right ? 'lean' : 'library'}`, async () => {
      const [near, far] = multiaddrConnectionPair()
      const dialer = muxerOn(near, left)
      const listener = muxerOn(far, right)
      const inbound: Stream[] = []
      listener.addEventListener('stream', ({ detail }) => inbound.push(detail))
      const stream = await dialer.createStream()
      const back = listen(stream)
      await until(() => inbound.length === 1)
      const forth = listen(inbound[0]!)
      const bytes = randomBytes(5 * MIB + 17)
      await Promise.all([sendAll(stream, bytes, 300_000), sendAll(inbound[0]!, bytes, 7 * MIB)])
      const length = (heard: Heard): number => heard.bytes.reduce((sum, part) => sum + part.length, 0)
      await until(() => length(forth) === bytes.length && length(back) === bytes.length)
      assert.deepEqual(concatBytes(forth.bytes), bytes)
      assert.deepEqual(concatBytes(back.bytes), bytes)
      await stream.close()
      await until(() => forth.ended)
      await inbound[0]!.close()
      await until(() => back.ended)
      near.abort(new Error('done'))
      far.abort(new Error('done'))
    })
  }

  test('many streams are opened, used and reset', async () => {
    const [near, far] = multiaddrConnectionPair()
    const dialer = muxerOn(near, true)
    const listener = muxerOn(far, true)
    const heard: Heard[] = []
    listener.addEventListener('stream', ({ detail }) => heard.push(listen(detail)))
    const streams = await Promise.all(Array.from({ length: 50 }, () => dialer.createStream()))
    streams.forEach((stream, index) => stream.send(Uint8Array.of(index, index)))
    await until(() => heard.length === 50 && heard.every(({ bytes }) => bytes.length > 0))
    assert.deepEqual(
      heard.map(({ bytes }) => concatBytes(bytes)),
      streams.map((_, index) => Uint8Array.of(index, index))
    )
    for (const stream of streams) stream.abort(new Error('enough'))
    await until(() => listener.streams.length === 0)
    near.abort(new Error('done'))
    far.abort(new Error('done'))
  })

  test('a paused stream holds its window and no more, and goes on where it stopped', async () => {
    const [near, far] = multiaddrConnectionPair()
    const dialer = muxerOn(near, false)
    const listener = muxerOn(far, true)
    let inbound: Stream | undefined
    listener.addEventListener('stream', ({ detail }) => {
      inbound = detail
    })
    const stream = await dialer.createStream()
    await until(() => inbound !== undefined)
    const heard = listen(inbound!)
    const bytes = randomBytes(6 * MIB)
    stream.send(bytes.subarray(0, MIB))
    const length = (): number => heard.bytes.reduce((sum, part) => sum + part.length, 0)
    await until(() => length() === MIB)
    inbound!.pause()
    stream.send(bytes.subarray(MIB))
    for (let turn = 0; turn < 2000; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(length(), MIB)
    assert.ok(inbound!.readBufferLength <= 2 * MIB, `${inbound!.readBufferLength}`)
    assert.ok(stream.writeBufferLength >= 3 * MIB, `${stream.writeBufferLength}`)
    assert.equal(inbound!.status, 'open')
    inbound!.resume()
    await until(() => length() === bytes.length)
    assert.deepEqual(concatBytes(heard.bytes), bytes)
    near.abort(new Error('done'))
    far.abort(new Error('done'))
  })
})

describe('window updates', () => {
  test('are few: some for each megabyte, not one for each frame', async () => {
    const [near, far] = multiaddrConnectionPair()
    const dialer = muxerOn(near, false)
    const listener = muxerOn(far, true)
    listener.addEventListener('stream', ({ detail }) => listen(detail))
    let updates = 0
    near.addEventListener('message', ({ data }) => {
      const bytes = data.subarray()
      if (bytes.length === 12 && bytes[1] === 1) updates += 1
    })
    const stream = await dialer.createStream()
    await sendAll(stream, new Uint8Array(4 * MIB), 10_000)
    await until(() => stream.writeBufferLength === 0)
    assert.ok(updates > 2 && updates <= 40, `${updates}`)
    near.abort(new Error('done'))
    far.abort(new Error('done'))
  })
})

describe('bad frames end the connection', () => {
  const header = (change: Partial<FrameHeader>): Uint8Array =>
    encodeHeader({ type: 0, flag: 0, streamID: 1, length: 0, ...change })
  const open = header({ type: 1, flag: 1 })
  const rows: [string, Uint8Array[]][] = [
    ['a version that is not 0', [Uint8Array.of(9), header({}).subarray(1)]],
    ['a type that there is not', [header({ type: 7 })]],
    ['data for the session', [header({ streamID: 0, length: 5 })]],
    ['a frame beyond the window, refused by its header', [open, header({ length: 262_145 })]],
    ['four gigabytes, refused by their header', [open, header({ length: 0xffffffff })]],
    ['an answer to no ping', [header({ type: 2, flag: 2, streamID: 0 })]]
  ]
  for (const [name, bytes] of rows) {
    test(name, async () => {
      const [near, far] = multiaddrConnectionPair()
      muxerOn(far, true).addEventListener('stream', ({ detail }) => listen(detail))
      for (const part of bytes) near.send(part)
      await until(() => far.status !== 'open')
      assert.equal(far.status, 'aborted')
    })
  }

  test('a frame for a stream that is not there is let pass', async () => {
    const [near, far] = multiaddrConnectionPair()
    const muxer = muxerOn(far, true)
    const heard: Heard[] = []
    muxer.addEventListener('stream', ({ detail }) => heard.push(listen(detail)))
    near.send(header({ streamID: 77, length: 300_000 }))
    near.send(new Uint8Array(300_000))
    near.send(open)
    near.send(header({ length: 3 }))
    near.send(Uint8Array.of(1, 2, 3))
    await until(() => heard[0]?.bytes.length === 1)
    assert.deepEqual(heard[0]?.bytes[0], Uint8Array.of(1, 2, 3))
    near.abort(new Error('done'))
    far.abort(new Error('done'))
  })
})

test('frames are read the same wherever the chunks are cut', () => {
  const frames = fc.array(
    fc.record({
      type: fc.constantFrom(0, 1, 2, 3),
      flag: fc.constantFrom(0, 1, 2, 4, 8, 5),
      streamID: fc.integer({ min: 0, max: 0xffffffff }),
      length: fc.integer({ min: 0, max: 50 })
    }),
    { maxLength: 8 }
  )
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (list, cuts) => {
      const wire: Uint8Array[] = []
      const expected: string[] = []
      for (const frame of list) {
        wire.push(encodeHeader(frame))
        const isData = frame.type === 0 && frame.streamID !== 0
        if (isData) wire.push(Uint8Array.from({ length: frame.length }, (_, at) => at))
        expected.push(JSON.stringify(frame))
      }
      const seen: string[] = []
      let left = 0
      let flags = 0
      const reader = new FrameReader({
        frame: (frame) => seen.push(JSON.stringify(frame)),
        body: (frame) => {
          seen.push(JSON.stringify(frame))
          left = frame.length
          flags = frame.flag
        },
        bytes: ({ flag, length }, piece) => {
          assert.equal(length, piece.length)
          const at = (JSON.parse(seen.at(-1)!) as FrameHeader).length - left
          piece.forEach((byte, index) => assert.equal(byte, at + index))
          left -= length
          assert.equal((flag & 4) !== 0, left === 0 && (flags & 4) !== 0)
        }
      })
      const all = concatBytes(wire)
      for (let at = 0, turn = 0; at < all.length; turn += 1) {
        const size = cuts[turn % cuts.length]!
        reader.push(all.subarray(at, at + size))
        at += size
      }
      assert.deepEqual(seen, expected)
      assert.equal(left, 0)
    })
  )
})
