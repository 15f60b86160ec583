import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerIdText } from '#src/model/index.ts'
import { encodeRequest } from '#src/p2p/announce/frames.ts'
import { streamPair } from './memory-stream.ts'
import { makeMember, valueOf } from './support.ts'

import { Bench, heights, settleAll } from './announce-bench.ts'
test('the offer comes first, then live announcements', async () => {
  const bench = new Bench()
  bench.fill(10, 12)
  await bench.client.start()
  await settleAll()
  assert.deepEqual(bench.notes, ['offers 10-12'])
  assert.deepEqual(bench.client.announcers(), [bench.peer])
  assert.equal(bench.client.stakedAnnouncerCount(), 1)
  bench.server.publish(bench.signed(13))
  await settleAll()
  assert.deepEqual(bench.got, [{ height: 13, live: true }])
  assert.equal(await valueOf(bench.serverMetrics.published), 1)
  assert.equal(await valueOf(bench.serverMetrics.listeners), 1)
  assert.equal(await valueOf(bench.clientMetrics.announcers), 1)
  assert.equal(await valueOf(bench.clientMetrics.received, { kind: 'live' }), 1)
  await bench.stop()
})

test('a node with nothing offers nothing', async () => {
  const bench = new Bench()
  await bench.client.start()
  await settleAll()
  bench.client.request(bench.peer, 0, 100)
  await settleAll()
  assert.deepEqual(bench.notes, ['offers undefined-undefined', 'offers undefined-undefined'])
  assert.equal(bench.log.reads, 0)
  await bench.stop()
})

test('a request brings what the log holds of the range, at most so many heights', async () => {
  const bench = new Bench({ maxReplayHeights: 5 })
  bench.fill(10, 30)
  await bench.client.start()
  await settleAll()
  bench.client.request(bench.peer, 0, Number.MAX_SAFE_INTEGER)
  await settleAll()
  assert.deepEqual(heights(bench), [10, 11, 12, 13, 14])
  assert.ok(bench.got.every(({ live }) => !live))
  bench.client.request(bench.peer, 29, 40)
  await settleAll()
  assert.deepEqual(heights(bench).slice(5), [29, 30])
  assert.equal(await valueOf(bench.serverMetrics.requests, { outcome: 'served' }), 2)
  assert.equal(await valueOf(bench.serverMetrics.replayed), 7)
  assert.equal(await valueOf(bench.clientMetrics.requestsSent), 2)
  await bench.stop()
})

test('a request made before the stream is there is sent when it is', async () => {
  const bench = new Bench()
  bench.fill(1, 3)
  await bench.client.start()
  bench.client.request(bench.peer, 2, 3)
  bench.client.request(bench.peer, 5, 1)
  bench.client.request('nobody' as PeerIdText, 1, 2)
  await settleAll()
  assert.deepEqual(heights(bench), [2, 3])
  await bench.stop()
})

test('live announcements overtake a replay; a peer that does not read holds little', async () => {
  const bench = new Bench({ maxQueuedLive: 4 })
  bench.fill(1, 400)
  await bench.client.start()
  await settleAll()
  const [stream] = bench.streams
  assert.ok(stream)
  stream.client.paused = true
  bench.client.request(bench.peer, 1, 400)
  await settleAll()
  for (let height = 401; height <= 500; height += 1) bench.server.publish(bench.signed(height))
  await settleAll()
  assert.ok(stream.server.sentUnread <= stream.server.window + 1, `${stream.server.sentUnread} frames wait`)
  assert.equal(await valueOf(bench.serverMetrics.liveDropped), 96)
  stream.client.resume()
  await settleAll()
  const live = bench.got.filter((one) => one.live).map(({ height }) => height)
  assert.deepEqual(live, [497, 498, 499, 500], 'the newest are kept')
  assert.equal(bench.got.filter((one) => !one.live).length, 400)
  assert.ok(heights(bench).indexOf(497) < heights(bench).indexOf(400))
  await bench.stop()
})

test('requests beyond the bound and the rate are refused, not queued', async () => {
  const bench = new Bench({ maxQueuedRequests: 2, requestsBurst: 10, requestsPerSecond: 1 })
  bench.fill(1, 2)
  bench.served = false
  await bench.client.start()
  await settleAll()
  const [client, server] = streamPair()
  bench.server.accept(bench.access.identity.peerId, server)
  client.listen({ onBytes() {}, onDrain() {}, onClose() {} })
  for (let id = 0; id < 1_000; id += 1) client.send(encodeRequest({ id, from: 1, to: 2 }))
  await settleAll()
  const served = await valueOf(bench.serverMetrics.requests, { outcome: 'served' })
  assert.ok(served >= 2 && served <= 10, `${served} served`)
  assert.equal(served + (await valueOf(bench.serverMetrics.requests, { outcome: 'refused' })), 1_000)
  assert.equal(await valueOf(bench.serverMetrics.overRate, { kind: 'request' }), 990)
  await bench.stop()
})

test('a log that fails ends the replay, not the stream', async () => {
  const bench = new Bench()
  bench.fill(1, 5)
  bench.log.failAt = 3
  await bench.client.start()
  await settleAll()
  bench.client.request(bench.peer, 1, 5)
  await settleAll()
  assert.deepEqual(heights(bench), [1, 2])
  assert.equal(await valueOf(bench.serverMetrics.requests, { outcome: 'failed' }), 1)
  bench.server.publish(bench.signed(6))
  await settleAll()
  assert.deepEqual(heights(bench), [1, 2, 6])
  await bench.stop()
})

test('a stream that ends is opened again, after growing pauses', async () => {
  const bench = new Bench()
  await bench.client.start()
  await settleAll()
  bench.streams.at(-1)?.server.abort()
  await settleAll()
  assert.deepEqual(bench.notes, ['offers undefined-undefined', 'gone'])
  assert.equal(await valueOf(bench.clientMetrics.announcers), 0)
  await bench.clock.advance(200)
  assert.equal(bench.streams.length, 2)
  bench.refuse = true
  bench.streams.at(-1)?.server.abort()
  await bench.clock.advance(60_000)
  const failed = await valueOf(bench.clientMetrics.opens, { outcome: 'failed' })
  assert.ok(failed >= 7 && failed <= 16, `${failed} tries in a minute`)
  bench.refuse = false
  await bench.clock.advance(30_000)
  assert.equal(bench.streams.length, 3)
  await bench.stop()
})

test('a replay in progress is given back when the peer goes', async () => {
  const bench = new Bench()
  bench.fill(1, 400)
  await bench.client.start()
  await settleAll()
  const stream = bench.streams[0]?.client
  assert.ok(stream)
  stream.paused = true
  bench.client.request(bench.peer, 1, 400)
  await settleAll()
  assert.equal(bench.log.openReads, 1)
  bench.event('disconnected')
  await settleAll()
  assert.equal(bench.log.openReads, 0)
  assert.equal(bench.server.listeners, 0)
  await bench.stop()
})

test('a newer stream of a peer replaces the older one; strangers get none', async () => {
  const bench = new Bench()
  await bench.client.start()
  await settleAll()
  const [, second] = streamPair()
  bench.server.accept(bench.access.identity.peerId, second)
  assert.equal(bench.server.listeners, 1)
  assert.equal(bench.streams[0]?.server.aborted, true)
  const [, stranger] = streamPair()
  bench.server.accept(makeMember().identity.peerId, stranger)
  assert.equal(stranger.aborted, true)
  await bench.stop()
})
