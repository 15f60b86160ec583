import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../../util/index.ts'

const TICK_MS = 20
/** A driver that is busy looks late, and lets through then what was due: else the link would be the slower the busier the driver is. */
const MOST_AT_ONCE_MS = 500

/**
 * A slow link in front of a port: so many bytes a second in each direction of each connection. What does not fit stays unread, so
 * the sender feels it.
 */
export class Throttle {
  readonly #clock: Clock
  readonly #bytesPerMs: number
  readonly #target: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(
    { clock }: { readonly clock: Clock },
    options: { readonly target: number; readonly bytesPerSecond: number }
  ) {
    this.#clock = clock
    this.#target = options.target
    this.#bytesPerMs = options.bytesPerSecond / 1000
    this.#server = createServer({ noDelay: true }, (near) => {
      const far = connect({ host: '127.0.0.1', port: this.#target, noDelay: true })
      this.#carry(near, far)
      this.#carry(far, near)
    })
  }

  /** Gives the port it listens on. */
  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen({ host: '127.0.0.1', port: 0 }, resolve))
    return (this.#server.address() as { port: number }).port
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #carry(from: Socket, to: Socket): void {
    let allowance = this.#bytesPerMs * TICK_MS
    let lookedAt = this.#clock.now()
    let timer: Timer
    this.#sockets.add(from)
    from.pause()
    const pump = (): void => {
      while (allowance >= 1 && from.readableLength > 0) {
        const bytes = from.read(Math.min(Math.floor(allowance), from.readableLength)) as Buffer | null
        if (bytes === null) break
        allowance -= bytes.length
        to.write(bytes)
      }
      // Asks for more once the buffer is empty; it holds no more than the socket's high-water mark.
      if (from.readableLength === 0) from.read(0)
    }
    const tick = (): void => {
      const now = this.#clock.now()
      // What was not used is gone, as on a link.
      allowance = this.#bytesPerMs * Math.min(now - lookedAt, MOST_AT_ONCE_MS)
      lookedAt = now
      pump()
      timer = this.#clock.setTimer(TICK_MS, tick)
    }
    timer = this.#clock.setTimer(TICK_MS, tick)
    from.on('readable', pump)
    from.on('error', () => from.destroy())
    from.once('close', () => {
      timer.cancel()
      this.#sockets.delete(from)
      to.destroy()
    })
  }
}
