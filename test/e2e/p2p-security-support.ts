import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, Stream, StreamMessageEvent } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { concatBytes, seededRng } from '#src/util/index.ts'

export const MIB = 1_048_576
const PROTOCOL = '/echo/1.0.0'

export type Encrypter = NonNullable<Libp2pOptions['connectionEncrypters']>[number]

/** Two makers of connections that must understand each other. */
export interface Encrypters {
  readonly protocol: string
  readonly ours: () => Encrypter
  readonly library: () => Encrypter
}

/** Sends back what comes, and closes when that is all. */
function echo(stream: Stream): void {
  stream.addEventListener('message', ({ data }: StreamMessageEvent) => stream.send(data.slice()))
  stream.addEventListener('end', () => void stream.close().catch(() => {}))
}

async function node(encrypter: Encrypter): Promise<Libp2p> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 10_000, maxIncomingPendingConnections: 1000 },
    connectionMonitor: { enabled: false }
  })
  await libp2p.handle(PROTOCOL, echo)
  return libp2p
}

export async function withNodes<T>(
  encrypters: readonly Encrypter[],
  use: (...nodes: Libp2p[]) => Promise<T>
): Promise<T> {
  const nodes = await Promise.all(encrypters.map((encrypter) => node(encrypter)))
  try {
    return await use(...nodes)
  } finally {
    for (const each of nodes) await each.stop()
  }
}

/** Sends bytes and has them sent back. */
export async function roundTrip(connection: Connection, bytes: Uint8Array): Promise<void> {
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

export const randomBytes = (length: number): Uint8Array => {
  const rng = seededRng(length)
  return Uint8Array.from({ length }, () => Math.floor(rng.next() * 256))
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

export const portOf = (host: Libp2p): number =>
  Number(/\/tcp\/(\d+)/.exec(host.getMultiaddrs()[0]?.toString() ?? '')?.[1])

/** A line of multistream-select. */
export const line = (text: string): string => `${String.fromCharCode(text.length + 1)}${text}\n`

/** What every connection encrypter owes: both ways with the library as it is, and with itself. */
export function testEncrypters({ protocol, ours, library }: Encrypters): void {
  const kinds = { ours, library }
  for (const [dialer, listener] of [
    ['ours', 'ours'],
    ['ours', 'library'],
    ['library', 'ours']
  ] as const) {
    test(`${dialer} to ${listener}: identities, muxer and bytes are right`, async () => {
      await withNodes([kinds[dialer](), kinds[listener]()], async (from, to) => {
        const connection = await from.dial(to.getMultiaddrs())
        assert.equal(connection.encryption, protocol)
        assert.equal(connection.multiplexer, '/yamux/1.0.0')
        assert.ok(connection.remotePeer.equals(to.peerId))
        await until(() => to.getConnections().length === 1)
        assert.ok(to.getConnections()[0]?.remotePeer.equals(from.peerId))
        for (const length of [1, 16_383, 16_384, 65_519, 200_000, 3 * MIB + 1]) {
          await roundTrip(connection, randomBytes(length))
        }
        await Promise.all(Array.from({ length: 8 }, () => roundTrip(connection, randomBytes(100_000))))
        await connection.close()
        await until(() => to.getConnections().length === 0)
      })
    })

    test(`${dialer} to ${listener}: who is not the peer that was dialled is refused`, async () => {
      await withNodes([kinds[dialer](), kinds[listener]()], async (from, to) => {
        const [address] = to.getMultiaddrs()
        const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
        const wrong = multiaddr(address?.toString().replace(/\/p2p\/.*$/, `/p2p/${other}`))
        await assert.rejects(from.dial(wrong))
        await until(() => to.getConnections().length === 0)
        assert.equal(from.getConnections().length, 0)
      })
    })
  }

  test('connections that are cut at any moment, from either side, leave nothing behind', async () => {
    await withNodes([ours(), ours()], async (left, right) => {
      const rng = seededRng(7)
      for (let round = 0; round < 30; round += 1) {
        const [from, to] = round % 2 === 0 ? ([left, right] as const) : ([right, left] as const)
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
}
