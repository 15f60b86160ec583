import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MultiaddrConnection, Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { Registry } from 'prom-client'
import { createP2pMetrics, defaultHostOptions, type HostOptions, validateHostOptions } from '#src/p2p/index.ts'
import { WatchedYamux } from '#src/p2p/muxer.ts'
import { StreamCounter } from '#src/p2p/stream-counter.ts'
import { ManualClock, valueOf } from './support.ts'

interface End {
  readonly connection: MultiaddrConnection
  readonly muxer: StreamMuxer
  readonly yamux: WatchedYamux
  readonly clock: ManualClock
  readonly metrics: ReturnType<typeof createP2pMetrics>
}

function endOf(connection: MultiaddrConnection, options: Partial<HostOptions> = {}): End {
  const clock = new ManualClock()
  const metrics = createP2pMetrics(new Registry())
  const yamux = new WatchedYamux({ clock, metrics }, { ...defaultHostOptions, ...options })
  const muxer = yamux.factory().createStreamMuxer(connection)
  return { connection, muxer, yamux, clock, metrics }
}

/** Lets the messages of an in-memory connection arrive, until the condition holds or long after it should. */
async function arrive(condition: () => boolean = () => false, rounds = 2_000): Promise<void> {
  for (let round = 0; round < rounds && !condition(); round += 1) await new Promise((resolve) => setImmediate(resolve))
}

test('a connection is pinged and its round trip known', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left)
  const other = endOf(right)
  assert.equal(end.yamux.rttMs(end.muxer.streams), undefined)
  await end.clock.advance(0)
  await arrive(() => end.yamux.rttMs(end.muxer.streams) !== undefined)
  assert.equal(end.yamux.rttMs(end.muxer.streams), 0)
  const { values } = await end.metrics.pingSeconds.get()
  assert.equal(values.find(({ metricName }) => metricName?.endsWith('_count'))?.value, 1)
  other.muxer.abort(new Error('done'))
  left.abort(new Error('done'))
  right.abort(new Error('done'))
  await end.clock.advance(60_000)
  assert.equal(end.clock.pending, 0, 'a closed connection keeps no timer')
})

test('a connection from which nothing comes is cut after the timeout', async () => {
  const [left] = multiaddrConnectionPair()
  const end = endOf(left)
  await end.clock.advance(24_000)
  assert.equal(left.status, 'open')
  await end.clock.advance(6_000)
  assert.equal(left.status, 'aborted')
  assert.equal(await valueOf(end.metrics.deadConnections), 1)
})

test('any bytes count as life, answered pings or not', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left)
  // A window update for a stream that is not there: a frame that yamux ignores.
  const frame = Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0, 1)
  for (let round = 0; round < 6; round += 1) {
    const heard = new Promise((resolve) => left.addEventListener('message', resolve, { once: true }))
    right.send(frame)
    await heard
    await end.clock.advance(10_000)
  }
  assert.equal(left.status, 'open')
  left.abort(new Error('done'))
})

test('a process that was stopped itself does not cut its connections for it', async () => {
  const [left] = multiaddrConnectionPair()
  let now = 0
  let timers: { readonly run: () => void }[] = []
  const clock = {
    now: () => now,
    wallNow: () => now,
    setTimer: (_ms: number, run: () => void) => {
      const timer = { run }
      timers.push(timer)
      return { cancel: () => void (timers = timers.filter((other) => other !== timer)) }
    }
  }
  const fire = (at: number): void => {
    now = at
    for (const timer of timers.splice(0)) timer.run()
  }
  const metrics = createP2pMetrics(new Registry())
  new WatchedYamux({ clock, metrics }, defaultHostOptions).factory().createStreamMuxer(left)
  fire(0)
  fire(300_000)
  assert.equal(left.status, 'open', 'five minutes passed at once: what arrived meanwhile is read first')
  fire(310_000)
  assert.equal(left.status, 'aborted')
})

test('streams beyond the rate are reset, and a flood ends the connection', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left, { inboundStreamsPerSecond: 10, inboundStreamsBurst: 20, inboundStreamsExcess: 30 })
  const attacker = endOf(right, { maxInboundStreams: 10_000 })
  const open: { status: string }[] = []
  let floods = 0
  end.muxer.addEventListener('stream', ({ detail }) => open.push(detail))
  end.yamux.guard(end.muxer.streams, () => void (floods += 1))
  for (let round = 0; round < 40; round += 1) await attacker.muxer.createStream()
  await arrive(() => open.length === 40)
  assert.equal(open.filter(({ status }) => status === 'open').length, 20)
  assert.equal(left.status, 'open')
  assert.equal(await valueOf(end.metrics.blockStream, { direction: 'inbound' }), 20)
  for (let round = 0; round < 20; round += 1) await attacker.muxer.createStream().catch(() => undefined)
  await arrive(() => left.status !== 'open')
  assert.equal(left.status, 'aborted')
  assert.equal(floods, 1, 'told once, for the cooldown')
  right.abort(new Error('done'))
})

test('a flood between streams that pass ends the connection all the same', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left, { inboundStreamsPerSecond: 8, inboundStreamsBurst: 8, inboundStreamsExcess: 10 })
  const attacker = endOf(right, { maxInboundStreams: 10_000 })
  let seen = 0
  let floods = 0
  end.muxer.addEventListener('stream', () => void (seen += 1))
  end.yamux.guard(end.muxer.streams, () => void (floods += 1))
  // Every second 8 pass, 8 are refused and 2 of those forgiven.
  for (let second = 0; second < 3 && left.status === 'open'; second += 1) {
    const before = seen
    for (let round = 0; round < 16; round += 1) await attacker.muxer.createStream().catch(() => undefined)
    await arrive(() => seen === before + 16 || left.status !== 'open')
    await end.clock.advance(1_000)
  }
  assert.equal(left.status, 'aborted')
  assert.equal(floods, 1)
  right.abort(new Error('done'))
})

test('a stream gets sixteen answers before its protocol is known, and any number after', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left)
  const attacker = endOf(right)
  const streams: Stream[] = []
  end.muxer.addEventListener('stream', ({ detail }) => streams.push(detail))
  end.yamux.guard(end.muxer.streams, () => undefined)
  for (let round = 0; round < 2; round += 1) await attacker.muxer.createStream()
  await arrive(() => streams.length === 2)
  const [honest, endless] = streams
  assert.ok(honest && endless)
  honest.send(new Uint8Array(4))
  honest.protocol = '/p'
  for (let word = 0; word < 100; word += 1) honest.send(new Uint8Array(4))
  assert.equal(honest.status, 'open')
  for (let word = 0; word < 16; word += 1) endless.send(new Uint8Array(4))
  assert.equal(endless.status, 'open')
  assert.throws(() => endless.send(new Uint8Array(4)))
  assert.equal(endless.status, 'aborted')
  left.abort(new Error('done'))
  right.abort(new Error('done'))
})

test('streams are counted by protocol and direction, names within a bound', async () => {
  const [left, right] = multiaddrConnectionPair()
  const end = endOf(left)
  endOf(right)
  const counter = new StreamCounter(end.metrics)
  for (let index = 0; index < 40; index += 1) {
    const stream = await end.muxer.createStream()
    stream.protocol = `/p/${index}`
    counter.trackProtocolStream(stream)
    if (index % 2 === 0) stream.abort(new Error('done'))
  }
  const counts = counter.counts().filter(({ direction }) => direction === 'outbound')
  assert.equal(counts.length, 33)
  assert.equal(
    counts.reduce((sum, { opened }) => sum + opened, 0),
    40
  )
  assert.equal(
    counts.reduce((sum, { open }) => sum + open, 0),
    20
  )
  assert.equal(counts.find(({ protocol }) => protocol === 'other')?.opened, 8)
  assert.equal(await valueOf(end.metrics.openStreams, { protocol: 'other', direction: 'outbound' }), 4)
  assert.equal(await valueOf(end.metrics.streamsOpened), 40)
  assert.equal(await valueOf(end.metrics.allowStream, { direction: 'outbound' }), 40)
  left.abort(new Error('done'))
  right.abort(new Error('done'))
})

test('options that would break the host are refused', () => {
  validateHostOptions(defaultHostOptions)
  const { peers } = defaultHostOptions
  const rows: [string, Partial<HostOptions>][] = [
    ['security', { security: 'none' as never }],
    ['maxStreamWindowBytes', { maxStreamWindowBytes: 65_536 }],
    ['maxReadBufferBytes', { maxReadBufferBytes: 1_048_576 }],
    ['writePieceBytes', { writePieceBytes: 16_383 }],
    ['keepAliveTimeoutMs', { keepAliveTimeoutMs: 10_000 }],
    ['maxInboundStreams', { maxInboundStreams: 0 }],
    ['inboundUpgradeTimeoutMs', { inboundUpgradeTimeoutMs: 1 }],
    ['maxBackoffMs', { peers: { ...peers, maxBackoffMs: 1 } }],
    ['jitter', { peers: { ...peers, jitter: 2 } }],
    ['maxParallelDials', { peers: { ...peers, maxParallelDials: 0 } }],
    ['graceMs', { peers: { ...peers, graceMs: Number.NaN } }]
  ]
  for (const [option, change] of rows) {
    assert.throws(() => validateHostOptions({ ...defaultHostOptions, ...change }), {
      code: 'option-invalid',
      details: { option }
    })
  }
})
