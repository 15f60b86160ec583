import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { AnnouncementHandlers } from '#src/feed/announcement-transport.ts'
import { silentLogger } from '#src/log/logger.ts'
import type { Height, PeerIdText, SignedAnnouncement } from '#src/model/index.ts'
import { AnnounceClient } from '#src/p2p/announce/client.ts'
import { encodeAnnouncement, encodeOffer, encodeRequest } from '#src/p2p/announce/frames.ts'
import { AnnouncementReceiver } from '#src/p2p/announce/receiver.ts'
import { AnnounceServer } from '#src/p2p/announce/server.ts'
import {
  type AnnounceOptions,
  type AnnouncementLog,
  createAnnounceMetrics,
  defaultAnnounceOptions,
  encodeSigned,
  IdentityTable,
  type PeerEvent,
  signAnnouncement,
  validateAnnounceOptions
} from '#src/p2p/index.ts'
import { seededRng } from '#src/util/index.ts'
import { MemoryStream, streamPair } from './memory-stream.ts'
import { ManualClock, type Member, makeAnnouncement, makeMember, settle, valueOf } from './support.ts'

class MemoryLog implements AnnouncementLog {
  readonly entries: SignedAnnouncement[] = []
  reads = 0
  openReads = 0
  failAt: Height | undefined
  get lowest(): Height | undefined {
    return this.entries[0]?.height
  }
  get highest(): Height | undefined {
    return this.entries.at(-1)?.height
  }
  async *read(from: Height, to: Height): AsyncGenerator<SignedAnnouncement> {
    this.reads += 1
    this.openReads += 1
    try {
      for (const entry of this.entries) {
        if (entry.height === this.failAt) throw new Error('the disk is gone')
        if (entry.height >= from && entry.height <= to) yield entry
      }
    } finally {
      this.openReads -= 1
    }
  }
}

/** A listening node and one execution node with a stream between them whenever the client opens one. */
class Bench {
  readonly clock = new ManualClock()
  readonly execution: Member = makeMember('execution')
  readonly access: Member = makeMember('access')
  readonly table = new IdentityTable([this.execution.identity, this.access.identity])
  readonly log = new MemoryLog()
  readonly clientMetrics = createAnnounceMetrics(new Registry())
  readonly serverMetrics = createAnnounceMetrics(new Registry())
  readonly cooled: string[] = []
  readonly got: { readonly height: Height; readonly live: boolean }[] = []
  readonly notes: string[] = []
  readonly streams: { readonly client: MemoryStream; readonly server: MemoryStream }[] = []
  readonly server: AnnounceServer
  readonly client: AnnounceClient
  /** False: streams lead to the test instead of the server. */
  served = true
  refuse = false
  connected = true
  #listeners = new Set<(event: PeerEvent) => void>()

  constructor(options: Partial<AnnounceOptions> = {}) {
    const all = { ...defaultAnnounceOptions, ...options }
    const { clock, table, log } = this
    this.server = new AnnounceServer(
      {
        table,
        announcements: log,
        coolDown: (peer, reason) => this.cooled.push(`server ${peer} ${reason}`),
        clock,
        log: silentLogger,
        metrics: this.serverMetrics
      },
      all
    )
    const network = {
      connected: () => (this.connected ? [this.execution.identity.peerId] : []),
      onPeer: (listener: (event: PeerEvent) => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      open: async () => {
        if (this.refuse) throw new Error('protocol not supported')
        const [client, server] = streamPair()
        this.streams.push({ client, server })
        if (this.served) this.server.accept(this.access.identity.peerId, server)
        return client
      },
      coolDown: (peer: PeerIdText, reason: string) => {
        this.cooled.push(`client ${peer} ${reason}`)
        this.event('disconnected')
      }
    }
    this.client = new AnnounceClient(
      { network, table, clock, rng: seededRng(1), log: silentLogger, metrics: this.clientMetrics },
      all
    )
    const handlers: AnnouncementHandlers = {
      onAnnouncement: (_peer, { height }, live) => this.got.push({ height, live }),
      onAnnouncer: (_peer, { lowest, highest }) => this.notes.push(`offers ${lowest}-${highest}`),
      onAnnouncerGone: () => this.notes.push('gone')
    }
    this.client.listen(handlers)
  }

  get peer(): PeerIdText {
    return this.execution.identity.peerId
  }

  signed(height: Height, member = this.execution): SignedAnnouncement {
    return signAnnouncement(member.key, makeAnnouncement(height))
  }

  fill(from: Height, to: Height): void {
    for (let height = from; height <= to; height += 1) this.log.entries.push(this.signed(height))
  }

  event(type: PeerEvent['type']): void {
    this.connected = type === 'connected'
    for (const listener of this.#listeners) listener({ type, peer: this.peer, role: 'execution' })
  }

  /** Plays the execution node: sends bytes on the last stream. */
  async inject(...frames: Uint8Array[]): Promise<void> {
    for (const frame of frames) this.streams.at(-1)?.server.send(frame)
    await settleAll()
  }

  async stop(): Promise<void> {
    await this.client.stop()
    await this.server.stop()
  }
}

async function settleAll(): Promise<void> {
  for (let round = 0; round < 60; round += 1) await settle()
}

const heights = (bench: Bench): Height[] => bench.got.map(({ height }) => height)

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

test('bad frames and signatures reset the stream, and a budget of them ends in a cooldown', async () => {
  const other = makeMember('execution')
  const forged = (bench: Bench): Uint8Array => encodeAnnouncement(bench.signed(1, other), true)
  const rows: [string, (bench: Bench) => Uint8Array][] = [
    ['malformed', () => Uint8Array.of(2, 0x77, 0)],
    ['malformed', () => Uint8Array.of(0xff, 0xff, 0xff, 0x7f)],
    ['malformed', () => Uint8Array.of(3, 0x11, 1, 1)],
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
  for (const change of [{ maxReplayHeights: 0 }, { verificationsBurst: 10 }, { repeatsBurst: 1 }, { reopenMaxMs: 1 }]) {
    assert.throws(() => validateAnnounceOptions({ ...defaultAnnounceOptions, ...change }), { code: 'option-invalid' })
  }
})

test('the wire form of an announcement is what a log replays', () => {
  const signed = signAnnouncement(makeMember('execution').key, makeAnnouncement(1))
  const frame = encodeAnnouncement(signed, true)
  assert.deepEqual(frame.subarray(frame.length - encodeSigned(signed).length), encodeSigned(signed))
})
