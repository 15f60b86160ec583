import type { Timer } from '../../util/index.ts'
import type { ExchangeStream } from './network.ts'
import type { OutboundComponents, OutboundUse } from './outbound-stream.ts'

/** What sends messages to a peer, on one stream or on many. */
export interface Outbound {
  readonly isOpen: boolean
  readonly unsentBytes: number
  keepOpen(): void
  need(): void
  send(parts: readonly Uint8Array[]): boolean
  reset(reason: string): void
  close(): void
}

/** Streams to one peer at one time: half of what libp2p allows for a protocol and connection. Further messages wait. */
const MOST_STREAMS = 32

interface Message {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

/**
 * A stream for every message, as boxo's server does it (`bitswap/network/bsnet/ipfs_impl.go`, `SendMessage`): opened, written,
 * closed. A part of the policy `classic`. As in Go, no message waits for its stream's protocol to be agreed upon.
 */
export class MessageStreams implements Outbound {
  readonly #components: OutboundComponents
  readonly #use: OutboundUse
  readonly #streams = new Set<ExchangeStream>()
  readonly #opening = new Map<AbortController, Timer>()
  #waiting: Message[] = []
  /** Bytes of messages that wait for their stream. */
  #waitingBytes = 0
  #closed = false

  constructor(components: OutboundComponents, use: OutboundUse) {
    this.#components = components
    this.#use = use
  }

  /** There is nothing that would have to be open first. */
  get isOpen(): boolean {
    return !this.#closed
  }

  get unsentBytes(): number {
    let sum = this.#waitingBytes
    for (const { unsentBytes } of this.#streams) sum += unsentBytes
    return sum
  }

  keepOpen(): void {}

  need(): void {}

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#closed) return false
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    this.#waiting.push({ parts, bytes })
    this.#waitingBytes += bytes
    this.#pump()
    return true
  }

  /** Resets all of them; what was unsent is lost. */
  reset(reason: string): void {
    this.#drop()
    for (const stream of [...this.#streams]) stream.abort(reason)
  }

  close(): void {
    this.#closed = true
    for (const [controller, timer] of this.#opening) {
      timer.cancel()
      controller.abort(new Error('closed'))
    }
    this.reset('closed')
  }

  #drop(): void {
    this.#waiting = []
    this.#waitingBytes = 0
  }

  #pump(): void {
    while (this.#opening.size < this.#waiting.length && this.#opening.size + this.#streams.size < MOST_STREAMS) {
      void this.#open()
    }
  }

  /** The stream takes whichever message is first when it is there. */
  async #open(): Promise<void> {
    const { clock, network } = this.#components
    const controller = new AbortController()
    const { openTimeoutMs } = this.#use.options
    const late = clock.setTimer(openTimeoutMs, () => controller.abort(new Error('opening timed out')))
    this.#opening.set(controller, late)
    const stream = await network.open(this.#use.peer, { signal: controller.signal, lazy: true }).catch(() => undefined)
    late.cancel()
    this.#opening.delete(controller)
    const message = this.#waiting.shift()
    if (message !== undefined) this.#waitingBytes -= message.bytes
    if (stream === undefined || message === undefined || this.#closed) {
      stream?.abort('closed')
      // A response that cannot be sent is dropped, and asked for again by whoever waits for it.
      if (!this.#closed && message !== undefined) this.#use.events.lost()
    } else this.#write(stream, message)
    this.#pump()
  }

  #write(stream: ExchangeStream, { parts }: Message): void {
    const { totals } = this.#components
    totals.streamsOutbound += 1
    totals.opened('outbound')
    this.#streams.add(stream)
    stream.listen({
      data: () => {},
      ended: () => {},
      drain: () => this.#use.events.ready(),
      closed: () => {
        const whole = stream.unsentBytes === 0
        totals.openOutbound -= 1
        this.#streams.delete(stream)
        if (whole) this.#use.events.ready()
        else this.#use.events.lost()
        this.#pump()
      }
    })
    try {
      stream.send(parts)
      stream.finish()
    } catch {
      stream.abort('send failed')
    }
  }
}
