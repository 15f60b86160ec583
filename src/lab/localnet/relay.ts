import { createServer, type Server, Socket } from 'node:net'
import type { Clock, Timer } from '../../util/index.ts'

export interface RelayOptions {
  /** Port on 127.0.0.1 to listen on, and the one it leads to. */
  readonly listen: number
  readonly target: number
  /** One-way delay, ms. */
  readonly delayMs: number
}

/**
 * Bytes on their way in one direction of one connection; at the bound nothing more is read from the sender. 16 MiB carry
 * 500 MB/s over 30 ms, more than a loopback pair of nodes can do.
 */
export const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024

interface Parcel {
  readonly dueMs: number
  /** Nothing: the sender ended its half. */
  readonly bytes: Buffer | undefined
}

/**
 * Carries bytes from one socket to another, each `delayMs` after it came, in order. The end of the sender's half is carried like
 * a byte, and a receiver that does not read holds the sender up.
 */
class DelayLine {
  readonly #clock: Clock
  readonly #from: Socket
  readonly #to: Socket
  readonly #delayMs: number
  #parcels: Parcel[] = []
  #bytes = 0
  #timer: Timer | undefined
  #blocked = false

  constructor(components: { readonly clock: Clock }, options: { from: Socket; to: Socket; delayMs: number }) {
    this.#clock = components.clock
    this.#from = options.from
    this.#to = options.to
    this.#delayMs = options.delayMs
    this.#from.on('data', (bytes) => this.#take(bytes))
    this.#from.on('end', () => this.#take(undefined))
    this.#to.on('drain', () => {
      this.#blocked = false
      this.#deliver()
    })
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#parcels = []
  }

  #take(bytes: Buffer | undefined): void {
    this.#parcels.push({ dueMs: this.#clock.now() + this.#delayMs, bytes })
    this.#bytes += bytes?.length ?? 0
    if (this.#bytes >= MAX_IN_FLIGHT_BYTES) this.#from.pause()
    this.#arm()
  }

  #arm(): void {
    const next = this.#parcels[0]
    if (next === undefined || this.#blocked || this.#timer !== undefined) return
    this.#timer = this.#clock.setTimer(Math.max(0, next.dueMs - this.#clock.now()), () => {
      this.#timer = undefined
      this.#deliver()
    })
  }

  #deliver(): void {
    const now = this.#clock.now()
    let sent = 0
    for (const { dueMs, bytes } of this.#parcels) {
      // Timers have a resolution of 1 ms: what is due within it goes with the rest.
      if (dueMs > now + 0.5 || this.#blocked) break
      sent += 1
      if (bytes === undefined) this.#to.end()
      else {
        this.#bytes -= bytes.length
        this.#blocked = !this.#to.write(bytes)
      }
    }
    this.#parcels.splice(0, sent)
    if (this.#bytes < MAX_IN_FLIGHT_BYTES / 2 && this.#from.isPaused()) this.#from.resume()
    this.#arm()
  }
}

/**
 * A listener on loopback that leads to another, with a delay: what a link of that length would do. The kernel's own means (netem)
 * is not on every machine. Opening a connection takes a round trip, as it would on the link.
 */
export class DelayRelay {
  readonly #clock: Clock
  readonly #options: RelayOptions
  readonly #server: Server
  readonly #links = new Set<() => void>()

  constructor(components: { readonly clock: Clock }, options: RelayOptions) {
    this.#clock = components.clock
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#link(socket)
    )
  }

  /** The port it listens on. */
  async start(): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: '127.0.0.1', port: this.#options.listen }, resolve)
    })
    return (this.#server.address() as { port: number }).port
  }

  async stop(): Promise<void> {
    for (const cut of [...this.#links]) cut()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #link(near: Socket): void {
    const far = new Socket({ allowHalfOpen: true })
    far.setNoDelay(true)
    const { delayMs, target } = this.#options
    const lines = [
      new DelayLine({ clock: this.#clock }, { from: near, to: far, delayMs }),
      new DelayLine({ clock: this.#clock }, { from: far, to: near, delayMs })
    ]
    near.pause()
    const handshake = this.#clock.setTimer(2 * delayMs, () => {
      far.connect({ host: '127.0.0.1', port: target })
      near.resume()
    })
    const cut = (): void => {
      handshake.cancel()
      for (const line of lines) line.cancel()
      near.destroy()
      far.destroy()
      this.#links.delete(cut)
    }
    this.#links.add(cut)
    for (const socket of [near, far]) {
      socket.on('error', cut)
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) cut()
      })
    }
  }
}
