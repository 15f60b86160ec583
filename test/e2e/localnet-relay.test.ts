import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { freePorts } from '#src/lab/localnet/ports.ts'
import { DelayRelay, MAX_IN_FLIGHT_BYTES } from '#src/lab/localnet/relay.ts'
import { Relays } from '#src/lab/localnet/relays.ts'
import { seededRng, systemClock, systemRng } from '#src/util/index.ts'
import { VirtualClock } from '#test/support/virtual-clock.ts'

const closers: (() => Promise<unknown>)[] = []
after(async () => {
  for (const close of closers.reverse()) await close()
})

async function serve(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

async function relayTo(target: number, clock = systemClock, delayMs = 2): Promise<number> {
  const relay = new DelayRelay({ clock }, { listen: 0, target, delayMs })
  closers.push(() => relay.stop())
  return relay.start()
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of socket as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

function noise(length: number): Buffer {
  const rng = seededRng(7)
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(rng.next() * 256)))
}

/** Until what sockets and the kernel do on their own has been done. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

describe('the delay relay', () => {
  it('carries bytes both ways unchanged, and the end of each half', async () => {
    const echo = await serve((socket) => socket.pipe(socket))
    const port = await relayTo(echo)
    const sent = noise(3_000_000)
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.end(sent)
    const received = await readAll(socket)
    assert.ok(received.equals(sent))
  })

  it('lets nothing through before its time', async () => {
    let arrived = ''
    const clock = new VirtualClock()
    const target = await serve((socket) => {
      socket.on('data', (bytes) => {
        arrived += String(bytes)
      })
    })
    const socket = connect(await relayTo(target, clock, 10), '127.0.0.1')
    closers.push(async () => socket.destroy())
    socket.write('a')
    await settle()
    assert.equal(arrived, '')
    // The connection opens after a round trip; what was sent comes half a round trip later.
    await clock.run(20)
    await settle()
    assert.equal(arrived, '')
    await clock.run(30)
    await settle()
    assert.equal(arrived, 'a')
    socket.write('b')
    await settle()
    await clock.run(39)
    await settle()
    assert.equal(arrived, 'a')
    await clock.run(40)
    await settle()
    assert.equal(arrived, 'ab')
  })

  it('reads no more than its bound ahead of a receiver that does not read', async () => {
    let near: Socket | undefined
    const target = await serve((socket) => {
      near = socket.pause()
    })
    const socket = connect(await relayTo(target), '127.0.0.1')
    closers.push(async () => socket.destroy())
    const part = Buffer.alloc(1_000_000)
    let taken = 0
    for (let at = 0; at < 100; at += 1) {
      socket.write(part, () => {
        taken += part.length
      })
    }
    while (near === undefined) await settle()
    let before = -1
    for (let quiet = 0; quiet < 4; ) {
      await settle()
      quiet = taken === before ? quiet + 1 : 0
      before = taken
    }
    // Beside the bound, the kernel's buffers of two connections hold some MB each.
    assert.ok(taken < MAX_IN_FLIGHT_BYTES + 40_000_000, `${taken} bytes were taken`)
    assert.ok(taken < 100 * part.length)
  })

  it('ends a connection that its target refuses', async () => {
    const [unused = 0] = await freePorts(1, systemRng)
    const socket = connect(await relayTo(unused), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'close')
  })

  it('runs as a process that says what it cost, and leaves none behind', async () => {
    const echo = await serve((socket) => socket.pipe(socket))
    const [dial = 0] = await freePorts(1, systemRng)
    const relays = new Relays({ clock: systemClock }, { delayMs: 1, ports: [{ listen: echo, dial }] })
    await relays.start({ signal: new AbortController().signal })
    const socket = connect({ host: '127.0.0.1', port: dial, allowHalfOpen: true })
    socket.end('through a process')
    assert.equal(String(await readAll(socket)), 'through a process')
    const cpuSeconds = await relays.stop()
    assert.ok(cpuSeconds !== undefined && cpuSeconds > 0)
    assert.equal(relays.pid, undefined)
  })
})

describe('free ports', () => {
  it('are different and can be listened on', async () => {
    const ports = await freePorts(40, systemRng)
    assert.equal(new Set(ports).size, 40)
    const server = createServer().listen(ports[0], '127.0.0.1')
    await once(server, 'listening')
    server.close()
  })
})
