import assert from 'node:assert/strict'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, PrivateKey, Stream, StreamMessageEvent } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { generateCertificate } from '@libp2p/tls/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { socketTls } from '#src/p2p/security/tls.ts'
import { concatBytes, seededRng } from '#src/util/index.ts'

const MIB = 1_048_576
const PROTOCOL = '/echo/1.0.0'

type Kind = 'ours' | 'library'

/** Sends back what comes, and closes when that is all. */
function echo(stream: Stream): void {
  stream.addEventListener('message', ({ data }: StreamMessageEvent) => stream.send(data.slice()))
  stream.addEventListener('end', () => void stream.close().catch(() => {}))
}

async function node(kind: Kind, key?: PrivateKey): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    ...(key === undefined ? {} : { privateKey: key }),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [kind === 'ours' ? socketTls() : tls()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1000 },
    connectionMonitor: { enabled: false }
  })
  await libp2p.handle(PROTOCOL, echo)
  return libp2p
}

async function withNodes<T>(kinds: readonly Kind[], use: (...nodes: Libp2p[]) => Promise<T>): Promise<T> {
  const nodes = await Promise.all(kinds.map((kind) => node(kind)))
  try {
    return await use(...nodes)
  } finally {
    for (const each of nodes) await each.stop()
  }
}

async function roundTrip(connection: Connection, bytes: Uint8Array): Promise<void> {
  const stream = await connection.newStream(PROTOCOL)
  const back: Uint8Array[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }: StreamMessageEvent) => back.push(data.slice()))
  stream.addEventListener('end', () => resolve())
  stream.addEventListener('close', ({ error }) => error !== undefined && reject(error))
  stream.send(bytes)
  await stream.close()
  await promise
  assert.deepEqual(concatBytes(back), bytes)
}

const randomBytes = (length: number): Uint8Array => {
  const rng = seededRng(length)
  return Uint8Array.from({ length }, () => Math.floor(rng.next() * 256))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('TLS on the socket', () => {
  const pairs: [Kind, Kind][] = [
    ['ours', 'ours'],
    ['ours', 'library'],
    ['library', 'ours']
  ]
  for (const [dialer, listener] of pairs) {
    test(`${dialer} to ${listener}: identities, muxer and bytes are right`, async () => {
      await withNodes([dialer, listener], async (from, to) => {
        const connection = await from.dial(to.getMultiaddrs())
        assert.equal(connection.encryption, '/tls/1.0.0')
        assert.equal(connection.multiplexer, '/yamux/1.0.0')
        assert.ok(connection.remotePeer.equals(to.peerId))
        await until(() => to.getConnections().length === 1)
        assert.ok(to.getConnections()[0]!.remotePeer.equals(from.peerId))
        for (const length of [1, 16_383, 16_384, 200_000, 3 * MIB + 1]) await roundTrip(connection, randomBytes(length))
        await Promise.all(Array.from({ length: 8 }, () => roundTrip(connection, randomBytes(100_000))))
        await connection.close()
        await until(() => to.getConnections().length === 0)
      })
    })

    test(`${dialer} to ${listener}: who is not the peer that was dialled is refused`, async () => {
      await withNodes([dialer, listener], async (from, to) => {
        const [address] = to.getMultiaddrs()
        const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
        const wrong = multiaddr(address!.toString().replace(/\/p2p\/.*$/, `/p2p/${other}`))
        await assert.rejects(from.dial(wrong))
        await until(() => to.getConnections().length === 0)
        assert.equal(from.getConnections().length, 0)
      })
    })
  }

  test('the handshake may begin in the packet that chooses it', async () => {
    await withNodes(['ours'], async (host) => {
      const key = await generateKeyPair('Ed25519')
      const port = Number(/\/tcp\/(\d+)/.exec(host.getMultiaddrs()[0]!.toString())?.[1])
      const socket = connectTcp(port, '127.0.0.1')
      const chosen = line('/multistream/1.0.0') + line('/tls/1.0.0')
      const secured = connectTls({
        ...(await generateCertificate(key)),
        socket: withPreamble(socket, chosen),
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        ALPNProtocols: ['/yamux/1.0.0', 'libp2p']
      })
      await new Promise((resolve, reject) => {
        secured.once('secureConnect', resolve)
        secured.once('error', reject)
      })
      assert.equal(secured.alpnProtocol, '/yamux/1.0.0')
      await until(() => host.getConnections().length === 1)
      assert.ok(host.getConnections()[0]!.remotePeer.equals(peerIdFromPrivateKey(key)))
      socket.destroy()
      await until(() => host.getConnections().length === 0)
    })
  })

  test('garbage, silence and early ends leave nothing behind', async () => {
    await withNodes(['ours', 'library'], async (host, honest) => {
      const port = Number(/\/tcp\/(\d+)/.exec(host.getMultiaddrs()[0]!.toString())?.[1])
      const chosen = Buffer.from(line('/multistream/1.0.0') + line('/tls/1.0.0'))
      const sockets = Array.from({ length: 30 }, (_, index) => {
        const socket = connectTcp(port, '127.0.0.1')
        socket.on('error', () => {})
        socket.resume()
        socket.write(chosen)
        if (index % 3 === 0) socket.write(Buffer.alloc(40_000, index))
        else if (index % 3 === 1) setTimeout(() => socket.resetAndDestroy(), index)
        else setTimeout(() => socket.end(), index)
        return new Promise((resolve) => socket.once('close', resolve))
      })
      await Promise.all(sockets)
      assert.equal(host.getConnections().length, 0)
      await roundTrip(await honest.dial(host.getMultiaddrs()), randomBytes(10_000))
    })
  })

  test('connections that are cut at any moment, from either side, leave nothing behind', async () => {
    await withNodes(['ours', 'ours'], async (left, right) => {
      const rng = seededRng(7)
      for (let round = 0; round < 30; round += 1) {
        const [from, to] = round % 2 === 0 ? [left, right] : [right, left]
        const cutter = round % 3 === 0 ? to : from
        const cut = setTimeout(() => {
          for (const each of cutter.getConnections()) each.abort(new Error('cut'))
        }, rng.next() * 30)
        await from.dial(to.getMultiaddrs()).then(
          (connection) => roundTrip(connection, randomBytes(MIB)).catch(() => {}),
          () => {}
        )
        clearTimeout(cut)
        for (const each of [...left.getConnections(), ...right.getConnections()]) each.abort(new Error('next'))
        await until(() => left.getConnections().length + right.getConnections().length === 0)
      }
    })
  })
})

/** A line of multistream-select. */
const line = (text: string): string => `${String.fromCharCode(text.length + 1)}${text}\n`

/** Sends `text` in one packet with the first bytes that are written, and takes it for granted that it comes back. */
function withPreamble(socket: Socket, text: string): Duplex {
  let first = Buffer.from(text, 'latin1')
  let expected = first.length
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      socket.write(Buffer.concat([first, chunk]), () => done())
      first = Buffer.alloc(0)
    }
  })
  socket.on('data', (chunk: Buffer) => {
    const dropped = Math.min(expected, chunk.length)
    expected -= dropped
    if (dropped < chunk.length) duplex.push(chunk.subarray(dropped))
  })
  socket.on('close', () => duplex.destroy())
  return duplex
}
