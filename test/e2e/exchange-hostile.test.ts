import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Libp2p } from 'libp2p'
import { encodeBlocks, encodeCancel, encodeControl, encodeWantBlock } from '#src/exchange/message/encoder.ts'
import { CID_V0 } from '#src/exchange/message/types.ts'
import { concatBytes } from '#src/util/index.ts'
import { bareHost, type HostNode, startNetwork } from '#test/support/exchange/hosts.ts'
import { largeBlob, seededBlob } from '#test/support/exchange/memory-blobs.ts'

const PROTOCOL = 'execution-data-service/ipfs/bitswap/1.2.0'

/** A bare host against a node with an exchange; another node beside it is honest. */
describe('a hostile host on real sockets', () => {
  let nodes: HostNode[] = []
  let attacker: Libp2p
  const node = (): HostNode => nodes[1]!

  before(async () => {
    nodes = await startNetwork({
      execution: 1,
      access: 1,
      options: { streams: { inboundBurst: 64, inboundPerSecond: 20, maxInboundPerPeer: 32 } }
    })
    attacker = await bareHost()
    await attacker.start()
  })
  after(async () => {
    await attacker.stop()
    await Promise.all(nodes.map((held) => held.stop()))
  })

  const dial = async (): Promise<Awaited<ReturnType<Libp2p['dial']>>> => attacker.dial(node().host.getMultiaddrs())

  async function send(bytes: Uint8Array): Promise<void> {
    const connection = await dial()
    const stream = await connection.newStream(PROTOCOL)
    stream.send(bytes)
  }

  const metric = async (name: string): Promise<number> => {
    const line = (await node().register.metrics()).split('\n').find((text) => text.startsWith(name))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }

  async function stillServes(seed: number): Promise<void> {
    const blob = seededBlob(seed, 50_000)
    nodes[0]!.make(blob)
    assert.deepEqual((await node().fetch(blob)).bytes, blob.bytes)
  }

  test('a message that claims 4 GiB ends the connection', async () => {
    await send(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x10))
    await until(() => node().penalties.includes('oversize'))
    await until(() => attacker.getConnections().length === 0)
    assert.equal(await metric('sealsync_exchange_refusals_total{reason="oversize"}'), 1)
    await stillServes(1)
  })

  test('bytes that are no bitswap end the connection', async () => {
    await send(Uint8Array.of(3, 0x0b, 0, 0))
    await until(() => node().penalties.includes('malformed'))
    await stillServes(2)
  })

  test('10,000 entries: what is beyond 1,024 is refused', async () => {
    const entries = Array.from({ length: 10_000 }, () => encodeCancel(seededBlob(3, 10).cid.toBytes()))
    await send(encodeControl(entries, []))
    await until(async () => (await metric('sealsync_exchange_refusals_total{reason="entries"}')) === 8976)
    await stillServes(3)
  })

  test('a block whose bytes do not match what was wanted is not delivered, and the blob comes from elsewhere', async () => {
    const wanted = seededBlob(4, 30_000)
    const connection = await dial()
    await until(() => node().host.getConnections(attacker.peerId).length > 0)
    const controller = new AbortController()
    const fetched = node().fetch(wanted, 'cold', controller.signal)
    const forged = Uint8Array.from(wanted.bytes)
    forged[100] = (forged[100] ?? 0) ^ 1
    const stream = await connection.newStream(PROTOCOL)
    stream.send(concatBytes(encodeBlocks([{ form: CID_V0, bytes: forged }])))
    await until(() => node().exchange.status().payloadBytes.duplicate >= 30_000)
    nodes[0]!.make(wanted)
    assert.deepEqual((await fetched).bytes, wanted.bytes)
    assert.ok((await metric('sealsync_exchange_refusals_total{reason="unsolicited"}')) >= 1)
  })

  test('blocks nobody asked for are dropped, and their sender after its budget', async () => {
    const connection = await dial()
    const stream = await connection.newStream(PROTOCOL)
    const junk = concatBytes(encodeBlocks([{ form: CID_V0, bytes: largeBlob(5, 1_048_576).bytes }]))
    for (let copy = 0; copy < 4 && stream.status === 'open'; copy += 1) stream.send(junk)
    await until(() => node().penalties.includes('unsolicited blocks'))
    const { payloadBytes } = node().exchange.status()
    assert.equal(payloadBytes.received, payloadBytes.useful + payloadBytes.duplicate + payloadBytes.partial)
    await stillServes(5)
  })

  test('a flood of streams is refused, and its author disconnected', async () => {
    const connection = await dial()
    let opened = 0
    while (connection.status === 'open' && opened < 2000) {
      opened += 1
      await connection.newStream(PROTOCOL, { maxOutboundStreams: 10_000 }).then(
        (stream) => stream.abort(new Error('next')),
        () => {}
      )
    }
    await until(() => node().penalties.includes('stream flood'))
    assert.ok(node().exchange.status().streams.refused >= 256)
    await stillServes(6)
  })

  test('streams that stay open are bounded in number', async () => {
    const connection = await dial()
    const before = node().exchange.status().streams.open
    for (let opened = 0; opened < 60; opened += 1) await connection.newStream(PROTOCOL).catch(() => {})
    assert.ok(node().exchange.status().streams.open - before <= 32)
    connection.abort(new Error('done'))
    await until(() => node().host.getConnections(attacker.peerId).length === 0)
    await stillServes(7)
  })

  test('a peer that wants 300 MiB and reads nothing holds a few blocks', async () => {
    const connection = await dial()
    const blobs = Array.from({ length: 300 }, (_, index) => largeBlob(10_000 + index, 1_048_576))
    for (const blob of blobs) node().make(blob)
    const loads = node().blobs.gets
    await attacker.handle(PROTOCOL, (stream) => stream.pause(), { force: true })
    const stream = await connection.newStream(PROTOCOL)
    stream.send(
      encodeControl(
        blobs.map((blob) => encodeWantBlock(blob.cid.toBytes())),
        []
      )
    )
    await until(async () => (await metric('sealsync_exchange_queued_blocks')) > 200)
    await stillServes(8)
    assert.ok((await metric('sealsync_exchange_send_in_flight_bytes')) <= 8 * 1_048_576)
    assert.ok(node().blobs.gets - loads <= 16, `${node().blobs.gets - loads} blocks read`)
    connection.abort(new Error('done'))
    await until(async () => (await metric('sealsync_exchange_queued_blocks')) === 0)
    assert.equal(await metric('sealsync_exchange_ledger_wants'), 0)
    assert.equal(await metric('sealsync_exchange_send_in_flight_bytes'), 0)
  })
})

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}
