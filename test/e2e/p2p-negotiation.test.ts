import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { concatBytes } from '#src/util/index.ts'
import { hostOf, members, metricOf, tableOf, until } from './p2p-support.ts'

const word = (text: string): Uint8Array => concatBytes([Uint8Array.of(text.length + 1), Buffer.from(`${text}\n`)])
/** A negotiation that tries 16,000 protocols. */
const ENDLESS = concatBytes([word('/multistream/1.0.0'), ...Array.from({ length: 16_000 }, () => word('x'))])
/** An answer is `na` with its length and a line's end. */
const ANSWER_BYTES = 4

const muxerOf = (connection: Connection): { createStream(): Promise<Stream> } =>
  (connection as unknown as { readonly muxer: { createStream(): Promise<Stream> } }).muxer

test('a stranger whose handshake only tries protocols is cut after a few answers', async () => {
  const [attacked] = await members(1)
  assert.ok(attacked)
  const host = await hostOf(attacked, tableOf([attacked]))
  await host.start()
  try {
    const socket = connect({ host: '127.0.0.1', port: attacked.identity.port, localAddress: '127.0.0.3' })
    let answered = 0
    socket.on('data', (data) => {
      answered += data.length
    })
    socket.on('error', () => {})
    socket.write(ENDLESS)
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
    assert.ok(answered <= word('/multistream/1.0.0').length + 32 * ANSWER_BYTES, `${answered} bytes of answers`)
  } finally {
    await host.stop()
  }
})

test('a staked peer: a stream that only tries protocols is reset, a flood of streams ends in a cooldown', async () => {
  const all = await members(2)
  const [attacked, attacker] = await Promise.all(
    all.map((member) =>
      hostOf(member, tableOf(all), { inboundStreamsPerSecond: 20, inboundStreamsBurst: 40, inboundStreamsExcess: 40 })
    )
  )
  assert.ok(attacked && attacker)
  const seen: string[] = []
  for (const host of [attacked, attacker]) {
    await host.handle('/test/1', (stream) => {
      seen.push(stream.protocol)
      stream.abort(new Error('seen'))
    })
  }
  try {
    await Promise.all([attacked.start(), attacker.start()])
    await until(() => attacked.peers.connected().length === 1 && attacker.peers.connected().length === 1)
    const [connection] = attacker.libp2p.getConnections()
    assert.ok(connection)
    const endless = await muxerOf(connection).createStream()
    let answered = 0
    endless.addEventListener('message', ({ data }) => {
      answered += data.byteLength
    })
    endless.send(ENDLESS)
    await until(() => endless.status !== 'open')
    assert.ok(answered <= word('/multistream/1.0.0').length + 16 * ANSWER_BYTES, `${answered} bytes of answers`)
    await connection.newStream('/test/1')
    await until(() => seen.length === 1)
    for (let opened = 0; opened < 200 && connection.status === 'open'; opened += 1) {
      await muxerOf(connection)
        .createStream()
        .then(
          (stream) => stream.abort(new Error('next')),
          () => {}
        )
    }
    await until(async () => (await metricOf(attacked.metrics.cooldowns, { reason: 'stream flood' })) === 1)
    await until(() => attacked.peers.connected().length === 0)
    await until(async () => (await metricOf(attacked.metrics.refusals, { reason: 'cooldown' })) > 0)
  } finally {
    await Promise.all([attacked.stop(), attacker.stop()])
  }
})
