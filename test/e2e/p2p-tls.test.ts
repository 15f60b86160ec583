import assert from 'node:assert/strict'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tls } from '@libp2p/tls'
import { generateCertificate } from '@libp2p/tls/utils'
import { defaultHostOptions } from '#src/p2p/index.ts'
import { socketTls } from '#src/p2p/security/tls.ts'
import { line, portOf, randomBytes, roundTrip, testEncrypters, until, withNodes } from './p2p-security-support.ts'

const ourTls = () => socketTls(defaultHostOptions)

describe('TLS on the socket', () => {
  testEncrypters({ protocol: '/tls/1.0.0', ours: ourTls, library: tls })

  test('the handshake may begin in the packet that chooses it', async () => {
    await withNodes([ourTls()], async (host) => {
      const key = await generateKeyPair('Ed25519')
      const port = portOf(host)
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
    await withNodes([ourTls(), tls()], async (host, honest) => {
      const port = portOf(host)
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
})

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
