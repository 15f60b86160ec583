/**
 * A slow link: `node throttle-process.ts BYTES_PER_SECOND TARGET…` listens on a port for each target and carries so many bytes a
 * second in each direction of each connection. Prints the ports as one JSON line. What does not fit stays unread, so the sender
 * feels it.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

const TICKS_PER_SECOND = 50
const [rate = '0', ...targets] = process.argv.slice(2)
const share = Math.max(1, Math.floor(Number(rate) / TICKS_PER_SECOND))

function carry(from: Socket, to: Socket): void {
  let allowance = share
  from.pause()
  const timer = setInterval(() => {
    allowance = share
    pump()
  }, 1000 / TICKS_PER_SECOND)
  const pump = (): void => {
    while (allowance > 0 && from.readableLength > 0) {
      const bytes = from.read(Math.min(allowance, from.readableLength)) as Buffer | null
      if (bytes === null) break
      allowance -= bytes.length
      to.write(bytes)
    }
    // Asks for more once the buffer is empty; it holds no more than the socket's high-water mark.
    if (from.readableLength === 0) from.read(0)
  }
  from.on('readable', pump)
  from.once('close', () => {
    clearInterval(timer)
    to.destroy()
  })
  from.on('error', () => from.destroy())
}

const ports = await Promise.all(
  targets.map(async (target) => {
    const server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: Number(target), noDelay: true })
      carry(near, far)
      carry(far, near)
    })
    server.listen({ host: '127.0.0.1', port: 0 })
    await once(server, 'listening')
    return (server.address() as { port: number }).port
  })
)
// Nobody is left to stop it when the benchmark is gone.
process.stdin.resume().once('end', () => process.exit())
process.stdout.write(`${JSON.stringify({ ports })}\n`)
