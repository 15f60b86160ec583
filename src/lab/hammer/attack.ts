import { EXECUTION_DATA_PREFIX, type Exchange } from '../../exchange/index.ts'
import type { Host } from '../../p2p/index.ts'
import { sleep, systemClock } from '../../util/index.ts'

export const PROTOCOL = `${EXECUTION_DATA_PREFIX}/ipfs/bitswap/1.2.0`

/** libp2p's own, as the host has them. */
type Libp2p = Host['libp2p']
export type Connection = ReturnType<Libp2p['getConnections']>[number]
export type Stream = Awaited<ReturnType<Connection['newStream']>>

export interface AttackInput {
  /** Whom it is aimed at; what goes wrong in an answer goes wrong for everybody. */
  readonly target: string
  /** Digests of blobs that the target has, hex. */
  readonly cids: readonly string[]
}

export interface AttackOutput {
  /** What it did: wants, messages, streams, blocks or words, whichever its mode counts. */
  readonly done: number
  /** How often it had to wait for a connection. */
  readonly shutOut: number
}

const pause = (ms: number): Promise<void> => sleep(systemClock, ms)

/** One turn of an attack; it is called again as long as the attack lasts. Rejects when the connection is cut. */
export type HostileMode = (attack: Attack) => Promise<void>

export interface AttackComponents {
  readonly libp2p: Libp2p
  readonly exchange: Exchange
  readonly mode: HostileMode
}

/** How often it is looked whether there is a connection again. */
const RETRY_MS = 50
/** A stream that takes nothing is given up. */
const DRAIN_LIMIT_MS = 5000

/**
 * One attack, from `start` to `stop`, as a mode of `attacks.ts` drives it. A peer that was cut goes on as soon as it is
 * connected again, which its own host sees to.
 */
export class Attack {
  readonly libp2p: Libp2p
  readonly input: AttackInput
  readonly #exchange: Exchange
  readonly #mode: HostileMode
  #running = false
  #ended: Promise<void> | undefined
  done = 0
  #shutOut = 0

  constructor(components: AttackComponents, input: AttackInput) {
    this.libp2p = components.libp2p
    this.input = input
    this.#exchange = components.exchange
    this.#mode = components.mode
  }

  get running(): boolean {
    return this.#running
  }

  start(): void {
    this.#running = true
    this.#ended = this.#run()
  }

  async stop(): Promise<AttackOutput> {
    this.#running = false
    await this.#ended
    return { done: this.done, shutOut: this.#shutOut }
  }

  /** From now on `handler` gets what others send, and the peer itself says nothing. */
  async replaceExchange(handler: (stream: Stream, connection: Connection) => void): Promise<void> {
    await this.#exchange.stop()
    await this.libp2p.handle(PROTOCOL, handler, { force: true, maxInboundStreams: 1024, maxOutboundStreams: 4096 })
  }

  /** The open connection to the target, waited for. `undefined` once the attack is over. */
  async connection(): Promise<Connection | undefined> {
    for (let waited = false; this.#running; waited = true) {
      const found = this.libp2p
        .getConnections()
        .find(({ remotePeer, status }) => status === 'open' && remotePeer.toString() === this.input.target)
      if (found !== undefined) return found
      if (!waited) this.#shutOut += 1
      await pause(RETRY_MS)
    }
    return undefined
  }

  /** A stream to the target; `undefined` when it cannot be had just now. */
  async stream(): Promise<Stream | undefined> {
    const connection = await this.connection()
    return connection?.newStream(PROTOCOL, { maxOutboundStreams: 4096 }).catch(() => undefined)
  }

  async pause(ms: number): Promise<void> {
    if (this.#running) await pause(ms)
  }

  async #run(): Promise<void> {
    while (this.#running) {
      // A cut connection throws wherever it is used: that is what the other side is there for.
      await this.#mode(this).catch(() => {})
      await this.pause(RETRY_MS)
    }
  }
}

/** Sends, and waits until the stream takes more. False when it is closed, or takes nothing for long. */
export async function sendAll(stream: Stream, bytes: Uint8Array): Promise<boolean> {
  if (stream.status !== 'open' || stream.writeStatus !== 'writable') return false
  if (stream.send(bytes)) return true
  for (let waited = 0; waited < DRAIN_LIMIT_MS && stream.status === 'open'; waited += 1) {
    if (!stream.writableNeedsDrain) return true
    await pause(1)
  }
  return false
}
