import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { bareHost } from '#test/support/exchange/hosts.ts'
import { startCrowd } from '#test/support/node/crowd.ts'

const PROTOCOL = 'execution-data-service/ipfs/bitswap/1.2.0'
const PEERS = 6

const seriesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))

test('a node has at most 2,000 series, and what hostile peers and clients do adds next to none', async () => {
  const crowd = await startCrowd(PEERS)
  const { node, hosts } = crowd
  const addresses = node.addresses()
  assert.ok(addresses !== undefined)
  const strangers = await Promise.all(Array.from({ length: 5 }, bareHost))
  try {
    await crowd.scrape()
    const before = seriesOf(await crowd.scrape())
    assert.ok(before.length <= 2_000, `${before.length} series`)
    assert.ok(before.length > 500, `${before.length} series: too few to be all`)

    // Strangers with keys of their own, at the door.
    for (const stranger of strangers) {
      await stranger.start()
      await stranger.dial(addresses.p2p.map((text) => multiaddr(text))).catch(() => {})
    }
    // Staked peers: protocols that nobody has, rubbish on the one that everybody has, and no end to either.
    for (const [index, host] of hosts.entries()) {
      const [connection] = host.libp2p.getConnections()
      if (index % 2 === 0) {
        // A length of 4 GiB, then a message that is none: either ends the connection.
        const bytes = index % 4 === 0 ? [0x80, 0x80, 0x80, 0x80, 0x10] : [3, 0x0b, 0, 0]
        const stream = await connection?.newStream(PROTOCOL)
        stream?.send(Uint8Array.from(bytes))
      } else {
        for (let at = 0; at < 30; at += 1) {
          await connection?.newStream(`/nobody/${index}/${at}/${'x'.repeat(at)}`).catch(() => {})
        }
      }
    }
    // Clients: paths, methods and bytes that mean nothing.
    for (let at = 0; at < 60; at += 1) {
      for (const listener of [addresses.metrics, addresses.api]) {
        await fetch(`http://${listener}/${'y'.repeat(at)}?${at}`, { method: at % 2 === 0 ? 'GET' : 'PUT' })
      }
      await sendRubbish(addresses.p2p[0] ?? '', at)
    }
    const refused = /sealsync_exchange_refusals_total\{reason="malformed"\} (\d+)/
    for (let tries = 0; Number(refused.exec(await crowd.scrape())?.[1] ?? 0) === 0; tries += 1) {
      assert.ok(tries < 200, 'the rubbish never arrived')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const after = seriesOf(await crowd.scrape())
    const added = after.filter((name) => !before.includes(name))
    assert.ok(after.length <= before.length * 1.05, `${before.length} became ${after.length}: ${added.join(', ')}`)
  } finally {
    await Promise.all(strangers.map(async (stranger) => stranger.stop()))
    await crowd.stop()
  }
})

/** Opens the p2p port and says something that is no handshake. */
function sendRubbish(address: string, at: number): Promise<void> {
  const port = Number(/\/tcp\/(\d+)/.exec(address)?.[1] ?? 0)
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(`rubbish ${at}\n`))
    socket.resume()
    socket.on('error', () => {})
    socket.on('close', () => resolve())
  })
}
