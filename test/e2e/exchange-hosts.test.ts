import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Libp2pNetwork } from '#src/exchange/index.ts'
import type { PeerIdText } from '#src/model/index.ts'
import { bareHost, type HostNode, startNetwork } from '#test/support/exchange/hosts.ts'
import { largeBlob, seededBlob } from '#test/support/exchange/memory-blobs.ts'

const MIB = 1_048_576

describe('two hosts', () => {
  let nodes: HostNode[] = []
  before(async () => {
    nodes = await startNetwork({ execution: 1, access: 1 })
  })
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  })

  test('four streams stand from the start', async () => {
    await until(() => nodes.every((node) => node.exchange.status().streams.open === 4))
    for (const node of nodes) assert.equal(node.exchange.status().streams.opened, 4)
  })

  test('a blob the other holds arrives, bit for bit', async () => {
    const [holder, asker] = nodes
    const blob = seededBlob(1, 100_000)
    holder?.make(blob)
    const got = await asker?.fetch(blob)
    assert.deepEqual(got?.bytes, blob.bytes)
  })

  test('many blobs of all sizes arrive once each, and open no stream', async () => {
    const [holder, asker] = nodes
    const blobs = Array.from({ length: 200 }, (_, index) => seededBlob(1000 + index, 1 + index * 331))
    blobs.push(largeBlob(1, MIB), largeBlob(2, 2 * MIB), seededBlob(99, 0))
    for (const blob of blobs) holder?.make(blob)
    const got = await Promise.all(blobs.map((blob) => asker!.fetch(blob)))
    got.forEach((blob, index) => assert.deepEqual(blob?.bytes, blobs[index]?.bytes))
    const status = asker?.exchange.status()
    assert.equal(status?.payloadBytes.duplicate, 0)
    assert.equal(status?.payloadBytes.partial, 0)
    assert.deepEqual([status?.streams.openMax, status?.streams.opened], [4, 4])
  })

  test('a peer that does not speak the protocol is told apart from one that cannot be reached', async () => {
    const [node] = nodes
    const stranger = await bareHost()
    await stranger.start()
    await node!.host.dial(stranger.getMultiaddrs())
    const network = new Libp2pNetwork({ libp2p: node!.host })
    const open = (): Promise<unknown> =>
      network.open(stranger.peerId.toString() as PeerIdText, { signal: AbortSignal.timeout(20_000) })
    await assert.rejects(open, { code: 'unsupported' })
    await stranger.stop()
    await until(() => node!.host.getConnections(stranger.peerId).length === 0)
    await assert.rejects(open, { code: 'peer-gone' })
  })

  test('a registered want is answered when the block appears', async () => {
    const [holder, asker] = nodes
    const blob = seededBlob(7, 5000)
    const fetched = asker?.fetch(blob, 'hot')
    await until(() => (holder?.blobs.sizes ?? 0) > 0 && holder?.exchange.status().messages.received !== 0)
    holder?.make(blob)
    assert.deepEqual((await fetched)?.bytes, blob.bytes)
  })

  test('the last waiter that aborts cancels the want', async () => {
    const [, asker] = nodes
    const blob = seededBlob(8, 100)
    const controller = new AbortController()
    const fetched = asker?.fetch(blob, 'hot', controller.signal)
    controller.abort(new Error('enough'))
    await assert.rejects(fetched ?? Promise.resolve(), /enough/)
    assert.equal(asker?.exchange.status().wants.live, 0)
    assert.equal(asker?.exchange.wantState(blob.cid), undefined)
  })
})

describe('five hosts', () => {
  let nodes: HostNode[] = []
  before(async () => {
    nodes = await startNetwork({ execution: 2, access: 3 })
  })
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  })

  test('hot blobs reach everybody with no duplicate', async () => {
    const [first, second, ...askers] = nodes
    for (let round = 0; round < 8; round += 1) {
      const blobs = [0, 1, 2].map((index) => largeBlob(100 + round * 3 + index, MIB))
      const fetches = askers.flatMap((node) => blobs.map((blob) => node.fetch(blob, 'hot')))
      for (const blob of blobs) {
        first?.make(blob)
        second?.make(blob)
      }
      await Promise.all(fetches)
    }
    for (const node of askers) {
      const { payloadBytes } = node.exchange.status()
      assert.equal(payloadBytes.useful, 24 * MIB)
      assert.equal(payloadBytes.duplicate + payloadBytes.partial, 0)
    }
  })

  test('cold blobs are striped over the holders', async () => {
    const blobs = Array.from({ length: 40 }, (_, index) => largeBlob(1000 + index, 262_144))
    for (const node of nodes.slice(0, 4)) for (const blob of blobs) node.make(blob)
    const before = nodes.slice(0, 4).map((node) => node.exchange.status().payloadBytes.sent)
    const asker = nodes[4]
    await Promise.all(blobs.map((blob) => asker!.fetch(blob)))
    const sent = nodes.slice(0, 4).map((node, index) => node.exchange.status().payloadBytes.sent - (before[index] ?? 0))
    assert.equal(
      sent.reduce((sum, bytes) => sum + bytes, 0),
      40 * 262_144
    )
    assert.ok(sent.filter((bytes) => bytes > 0).length >= 2, `sent ${sent}`)
  })
})

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
