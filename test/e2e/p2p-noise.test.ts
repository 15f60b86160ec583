import assert from 'node:assert/strict'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { noise } from '@libp2p/noise'
import { multiaddr } from '@multiformats/multiaddr'
import { socketNoise } from '#src/p2p/security/noise.ts'
import {
  type Encrypter,
  line,
  MIB,
  portOf,
  randomBytes,
  roundTrip,
  testEncrypters,
  until,
  withNodes
} from './p2p-security-support.ts'

const kinds: Readonly<Record<string, () => Encrypter>> = { ours: socketNoise, library: () => noise() }

describe('noise on the socket', () => {
  testEncrypters({ protocol: '/noise', ours: socketNoise, library: () => noise() })

  for (const [name, dialer] of Object.entries(kinds)) {
    test(`one changed bit on the way from ${name} ends the connection, and nothing after it is believed`, async () => {
      await withNodes([dialer(), socketNoise()], async (from, to) => {
        const relay = await spoilingRelay(portOf(to), 200_000)
        try {
          const connection = await from.dial(multiaddr(`/ip4/127.0.0.1/tcp/${relay.port}/p2p/${to.peerId}`))
          await assert.rejects(roundTrip(connection, randomBytes(MIB)))
          await until(() => to.getConnections().length + from.getConnections().length === 0)
        } finally {
          relay.close()
        }
      })
    })
  }

  test('garbage, silence and early ends leave nothing behind', async () => {
    await withNodes([socketNoise(), noise()], async (host, honest) => {
      const chosen = Buffer.from(line('/multistream/1.0.0') + line('/noise'))
      await Promise.all(
        Array.from({ length: 30 }, (_, index) => {
          const socket = connectTcp(portOf(host), '127.0.0.1')
          socket.on('error', () => {})
          socket.resume()
          socket.write(chosen)
          if (index % 3 === 0) socket.write(Buffer.alloc(40_000, index))
          else if (index % 3 === 1) setTimeout(() => socket.resetAndDestroy(), index)
          else setTimeout(() => socket.end(), index)
          return new Promise((resolve) => socket.once('close', resolve))
        })
      )
      assert.equal(host.getConnections().length, 0)
      await roundTrip(await honest.dial(host.getMultiaddrs()), randomBytes(10_000))
    })
  })
})

/** Passes everything on, but changes one bit of what the dialler sends, after so many bytes. */
async function spoilingRelay(to: number, after: number): Promise<{ readonly port: number; close(): void }> {
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connectTcp(to, '127.0.0.1')
    sockets.push(near, far)
    let passed = 0
    near.on('data', (bytes: Buffer) => {
      const at = after - passed
      if (at >= 0 && at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
      passed += bytes.length
      far.write(bytes)
    })
    far.pipe(near)
    for (const [socket, other] of [
      [near, far],
      [far, near]
    ] as const) {
      socket.on('error', () => {})
      socket.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    port: address.port,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}
