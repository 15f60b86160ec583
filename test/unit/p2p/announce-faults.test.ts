import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { encodeAnnouncement, encodeOffer } from '#src/p2p/announce/frames.ts'
import { AnnouncementReceiver } from '#src/p2p/announce/receiver.ts'
import {
  createAnnounceMetrics,
  defaultAnnounceOptions,
  encodeSigned,
  signAnnouncement,
  validateAnnounceOptions
} from '#src/p2p/index.ts'
import { streamPair } from './memory-stream.ts'
import { makeAnnouncement, makeMember, valueOf } from './support.ts'

import { Bench, heights, settleAll } from './announce-bench.ts'
test('bad frames and signatures reset the stream, and a budget of them ends in a cooldown', async () => {
  const other = makeMember('execution')
  const forged = (bench: Bench): Uint8Array => encodeAnnouncement(bench.signed(1, other), true)
  const signedNonsense = ({ execution }: Bench): Uint8Array => {
    const signedBytes = new Uint8Array(200)
    const signature = execution.key.sign(signedBytes)
    return encodeAnnouncement({ ...makeAnnouncement(1), signedBytes, signature }, true)
  }
  const rows: [string, (bench: Bench) => Uint8Array][] = [
    ['malformed', () => Uint8Array.of(2, 0x77, 0)],
    ['malformed', () => Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
    ['malformed', () => Uint8Array.of(3, 0x11, 1, 1)],
    ['malformed', signedNonsense],
    ['bad-signature', forged],
    ['unasked', (bench) => encodeAnnouncement(bench.signed(1), false)]
  ]
  for (const [reason, frame] of rows) {
    const bench = new Bench({ maxFaults: 3 })
    bench.served = false
    await bench.client.start()
    await settleAll()
    for (let round = 1; round <= 3; round += 1) {
      assert.equal(bench.streams.length, round, reason)
      await bench.inject(frame(bench))
      assert.equal(bench.streams.at(-1)?.server.aborted, true)
      assert.deepEqual(bench.cooled, round < 3 ? [] : [`client ${bench.peer} announce-${reason}`])
      await bench.clock.advance(2_000)
    }
    assert.deepEqual(bench.got, [])
    assert.equal(bench.streams.length, 3, 'no stream to a peer in cooldown')
    assert.equal(await valueOf(bench.clientMetrics.faults, { reason }), 3)
    await bench.stop()
  }
})

test('who is no execution node any more is not believed', async () => {
  const bench = new Bench()
  bench.served = false
  await bench.client.start()
  await settleAll()
  const frame = encodeAnnouncement(bench.signed(4), true)
  bench.table.replace([{ ...bench.execution.identity, ejected: true }, bench.access.identity])
  await bench.inject(frame)
  assert.deepEqual(bench.got, [])
  assert.equal(bench.streams[0]?.client.aborted, true)
  assert.equal(bench.client.stakedAnnouncerCount(), 0)
  bench.table.replace([bench.execution.identity, bench.access.identity])
  await settleAll()
  assert.equal(bench.streams.length, 2, 'and is listened to again when it is back')
  await bench.stop()
})

test('the receiver itself refuses who is no staked execution node', async () => {
  const bench = new Bench()
  const metrics = createAnnounceMetrics(new Registry())
  const { table, clock } = bench
  const receiver = new AnnouncementReceiver(
    bench.access.identity.peerId,
    { table, clock, metrics },
    defaultAnnounceOptions
  )
  const verdict = receiver.receive(encodeSigned(bench.signed(1, bench.access)), true)
  assert.ok(verdict.type === 'fault' && verdict.fault === 'wrong-role')
  assert.equal(await valueOf(metrics.verifications), 0)
})

test('an access node that announces is not listened to', async () => {
  const bench = new Bench()
  bench.table.replace([{ ...bench.execution.identity, role: 'access' }])
  await bench.client.start()
  await settleAll()
  assert.equal(bench.streams.length, 0)
  await bench.stop()
})

test('a thousand repetitions cost one verification', async () => {
  const bench = new Bench()
  bench.served = false
  await bench.client.start()
  await settleAll()
  const frame = encodeAnnouncement(bench.signed(9), true)
  for (let round = 0; round < 10; round += 1) await bench.inject(...Array.from({ length: 100 }, () => frame))
  assert.deepEqual(heights(bench), [9])
  assert.equal(await valueOf(bench.clientMetrics.verifications), 1)
  assert.equal(await valueOf(bench.clientMetrics.repeats), 999)
  await bench.stop()
})

test('a range asked for twice comes twice, verified once', async () => {
  const bench = new Bench()
  bench.fill(1, 5)
  await bench.client.start()
  await settleAll()
  for (let round = 0; round < 2; round += 1) {
    bench.client.request(bench.peer, 1, 5)
    await settleAll()
  }
  assert.deepEqual(heights(bench), [1, 2, 3, 4, 5, 1, 2, 3, 4, 5])
  assert.equal(await valueOf(bench.clientMetrics.verifications), 5)
  await bench.stop()
})

test('the rate of verifications of one peer is bounded', async () => {
  const bench = new Bench({ verificationsBurst: 10, verificationsPerSecond: 5, maxReplayHeights: 8 })
  bench.served = false
  await bench.client.start()
  await settleAll()
  await bench.inject(...Array.from({ length: 40 }, (_, height) => encodeAnnouncement(bench.signed(height), true)))
  assert.equal(await valueOf(bench.clientMetrics.verifications), 10)
  assert.equal(await valueOf(bench.clientMetrics.overRate, { kind: 'announcement' }), 30)
  await bench.clock.advance(1_000)
  await bench.inject(...Array.from({ length: 40 }, (_, height) => encodeAnnouncement(bench.signed(100 + height), true)))
  assert.equal(await valueOf(bench.clientMetrics.verifications), 15)
  await bench.stop()
})

test('a long hint counts for as much as it costs', async () => {
  const bench = new Bench({ verificationsBurst: 100, maxReplayHeights: 8 })
  bench.served = false
  await bench.client.start()
  await settleAll()
  const long = (height: number): Uint8Array =>
    encodeAnnouncement(signAnnouncement(bench.execution.key, makeAnnouncement(height, 4_096)), true)
  await bench.inject(long(1), long(2))
  assert.deepEqual(heights(bench), [1], '65 of 100 tokens each')
  await bench.inject(encodeAnnouncement(bench.signed(3), true))
  assert.deepEqual(heights(bench), [1, 3])
  await bench.stop()
})

test('two announcements of one height are both handed on: the feed decides', async () => {
  const bench = new Bench()
  bench.served = false
  await bench.client.start()
  await settleAll()
  const other = signAnnouncement(bench.execution.key, { ...makeAnnouncement(3), ...makeAnnouncement(77), height: 3 })
  await bench.inject(encodeAnnouncement(bench.signed(3), true), encodeAnnouncement(other, true))
  assert.deepEqual(heights(bench), [3, 3])
  await bench.stop()
})

test('a malformed request resets the stream and counts', async () => {
  const bench = new Bench({ maxFaults: 2 })
  for (let round = 0; round < 2; round += 1) {
    const [client, server] = streamPair()
    bench.server.accept(bench.access.identity.peerId, server)
    client.send(Uint8Array.of(1, 0x55))
    await settleAll()
    assert.equal(server.aborted, true)
  }
  assert.deepEqual(bench.cooled, [`server ${bench.access.identity.peerId} announce-request`])
  assert.equal(await valueOf(bench.serverMetrics.faults, { reason: 'malformed' }), 2)
  await bench.stop()
})

test('offers in the wrong form and the bytes of a dribble', async () => {
  const bench = new Bench()
  bench.served = false
  await bench.client.start()
  await settleAll()
  const frames = [encodeOffer(1, 2), encodeAnnouncement(bench.signed(2), true)]
  for (const frame of frames) for (const byte of frame) bench.streams[0]?.server.send(Uint8Array.of(byte))
  await settleAll()
  assert.deepEqual(bench.notes, ['offers 1-2'])
  assert.deepEqual(heights(bench), [2])
  await bench.stop()
  assert.deepEqual(bench.notes, ['offers 1-2', 'gone'])
  assert.equal(bench.clock.pending, 0)
})

test('options that would break the protocol are refused', () => {
  validateAnnounceOptions(defaultAnnounceOptions)
  for (const change of [
    { maxReplayHeights: 0 },
    { verificationsBurst: 10 },
    { maxReplayHeights: 8, repeatsBurst: 64 },
    { repeatsBurst: 1 },
    { reopenMaxMs: 1 }
  ]) {
    assert.throws(() => validateAnnounceOptions({ ...defaultAnnounceOptions, ...change }), { code: 'option-invalid' })
  }
})

test('the wire form of an announcement is what a log replays', () => {
  const signed = signAnnouncement(makeMember('execution').key, makeAnnouncement(1))
  const frame = encodeAnnouncement(signed, true)
  assert.deepEqual(frame.subarray(frame.length - encodeSigned(signed).length), encodeSigned(signed))
})
