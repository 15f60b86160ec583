import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { encodeBlocks, encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import type { Blob, PeerIdText } from '#src/model/index.ts'
import { concatBytes } from '#src/util/index.ts'
import { bareHost, type HostNode, startNetwork } from '#test/support/exchange/hosts.ts'
import { largeBlob, seededBlob } from '#test/support/exchange/memory-blobs.ts'

const PROTOCOL = 'execution-data-service/ipfs/bitswap/1.2.0'
const MIB = 1_048_576
const WINDOW_UPDATE = 1

/** A host that reads and writes as slowly as it likes, against a node whose patience is short; another node is honest. */
describe('slowness on real sockets', () => {
  let nodes: HostNode[] = []
  let attacker: Libp2p
  let heard = 0
  const node = (): HostNode => nodes[1]!

  before(async () => {
    attacker = await bareHost()
    // It takes what it is told, and answers nothing.
    await attacker.handle(PROTOCOL, (stream) => {
      stream.addEventListener('message', ({ data }) => {
        heard += data.byteLength
      })
    })
    await attacker.start()
    nodes = await startNetwork({
      strangers: [attacker.peerId.toString() as PeerIdText],
      execution: 1,
      access: 1,
      options: {
        client: { receiveBytes: 2 * MIB, receiveBytesPerPeer: 2 * MIB, minRateBytes: 1, stallMs: 2500 },
        server: { writeStallMs: 400, maxWriteStalls: 2 },
        streams: { messageTimeoutMs: 1000, slowBurst: 60, slowPerSecond: 0.001 }
      }
    })
  })
  after(async () => {
    await attacker.stop()
    await Promise.all(nodes.map((held) => held.stop()))
  })

  const dial = (): Promise<Connection> => attacker.dial(node().host.getMultiaddrs())
  const metric = async (name: string): Promise<number> => {
    const line = (await node().register.metrics()).split('\n').find((text) => text.startsWith(name))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }
  const wire = (blob: Pick<Blob, 'bytes'>): Uint8Array =>
    concatBytes(encodeBlocks([{ form: CID_V0, bytes: blob.bytes }]))

  async function stillServes(seed: number): Promise<void> {
    const blob = seededBlob(seed, 50_000)
    nodes[0]!.make(blob)
    assert.deepEqual((await node().fetch(blob)).bytes, blob.bytes)
  }

  test('a block that finds no room pauses its stream, and is whole when the room is there', async () => {
    const connection = await dial()
    await until(() => node().host.getConnections(attacker.peerId).length > 0)
    const blobs = [largeBlob(1, 1.5 * MIB), largeBlob(2, 1.5 * MIB)]
    const before = heard
    const fetched = blobs.map((blob) => node().fetch(blob, 'cold', AbortSignal.timeout(60_000)))
    const [first, second] = [wire(blobs[0]!), wire(blobs[1]!)]
    const [one, two] = [await connection.newStream(PROTOCOL), await connection.newStream(PROTOCOL)]
    await until(() => heard > before + 2 * 40)
    one.send(first.subarray(0, 700_000))
    await until(async () => (await metric('sealsync_exchange_receive_in_flight_bytes')) === 1.5 * MIB)
    two.send(second)
    // All that the second may send has been sent: what it holds back waits for a window, not for a reader.
    await until(() => two.writableNeedsDrain && two.writeBufferLength > 0)
    assert.equal(await metric('sealsync_exchange_receive_in_flight_bytes'), 1.5 * MIB, 'one block at a time')
    one.send(first.subarray(700_000))
    for (const [index, blob] of (await Promise.all(fetched)).entries())
      assert.deepEqual(blob.bytes, blobs[index]?.bytes)
    assert.equal(await metric('sealsync_exchange_refusals_total{reason="slow"}'), 0)
    await until(async () => (await metric('sealsync_exchange_receive_in_flight_bytes')) === 0)
    connection.abort(new Error('done'))
    await until(() => node().host.getConnections(attacker.peerId).length === 0)
  })

  test('messages that never end lose their streams, their author its connection', async () => {
    const connection = await dial()
    const open = await metric('sealsync_exchange_streams_open{direction="inbound"}')
    const message = encodeControl([encodeWantBlock(seededBlob(9, 10).cid.toBytes())], [])
    const dribble = async (): Promise<void> => {
      const stream = await connection.newStream(PROTOCOL, { maxOutboundStreams: 1000 })
      stream.send(message.subarray(0, 1))
      const timer = setInterval(() => {
        if (stream.status === 'open') stream.send(message.subarray(1, 2))
        else clearInterval(timer)
      }, 900)
    }
    for (let stream = 0; stream < 50; stream += 1) await dribble()
    await until(async () => (await metric('sealsync_exchange_refusals_total{reason="slow"}')) === 50)
    await until(async () => (await metric('sealsync_exchange_streams_open{direction="inbound"}')) <= open)
    await stillServes(1)
    assert.deepEqual(node().penalties, [])
    for (let stream = 0; stream < 20; stream += 1) await dribble().catch(() => {})
    await until(() => node().penalties.includes('slow streams'))
    await until(() => attacker.getConnections().length === 0)
    await stillServes(2)
  })

  test('who reads a byte at a time loses the stream, what is held for it is free, and at last it is disconnected', async () => {
    const streams: { readonly stream: Stream; readonly connection: Connection }[] = []
    await attacker.handle(
      PROTOCOL,
      (stream, connection) => {
        stream.pause()
        streams.push({ stream, connection })
      },
      { force: true }
    )
    const connection = await dial()
    const blobs = Array.from({ length: 16 }, (_, index) => largeBlob(100 + index, MIB))
    for (const blob of blobs) node().make(blob)
    const drops = setInterval(() => streams.forEach(grantByte), 50)
    try {
      const stalls = 'sealsync_exchange_refusals_total{reason="write-stall"}'
      const wants = encodeControl(
        blobs.map((blob) => encodeWantBlock(blob.cid.toBytes())),
        []
      )
      for (let round = 1; round <= 2; round += 1) {
        const stream = await connection.newStream(PROTOCOL)
        stream.send(wants)
        await until(async () => (await metric('sealsync_exchange_send_in_flight_bytes')) > 0)
        assert.ok((await metric('sealsync_exchange_send_in_flight_bytes')) <= 2 * MIB)
        await until(async () => (await metric(stalls)) === round)
        assert.equal(await metric('sealsync_exchange_send_in_flight_bytes'), 0)
        if (round === 1) await stillServes(3)
      }
    } finally {
      clearInterval(drops)
    }
    await until(() => node().penalties.includes('does not read'))
    await until(() => attacker.getConnections().length === 0)
    await stillServes(4)
  })
})

/** One byte of window, as a reader would grant it that reads one byte. */
function grantByte({ stream, connection }: { readonly stream: Stream; readonly connection: Connection }): void {
  if (stream.status !== 'open') return
  const { muxer } = connection as unknown as { readonly muxer: { sendFrame(header: object): void } }
  const window = stream as unknown as { readonly streamId: number; recvWindowCapacity: number }
  window.recvWindowCapacity += 1
  muxer.sendFrame({ type: WINDOW_UPDATE, flag: 0, streamID: window.streamId, length: 1 })
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}
