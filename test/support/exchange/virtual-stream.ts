import type { Clock } from '#src/util/index.ts'
import { ExchangeError } from '#src/exchange/errors.ts'
import type { ExchangeStream, StreamEvents } from '#src/exchange/network/network.ts'

export interface UplinkLimits {
  readonly bytesPerSecond: number
  readonly segmentBytes: number
  /** What a segment of so many bytes costs, bytes. */
  readonly cost: (bytes: number) => number
}

/** A peer's uplink: one segment at a time, its streams in turn. */
export class VirtualUplink {
  readonly #clock: Clock
  readonly #bytesPerMs: number
  readonly #limits: UplinkLimits
  readonly #ring = new Set<VirtualPipe>()
  #busy = false
  #stopped = false
  /** Bytes that have left. */
  sentBytes = 0

  constructor(clock: Clock, limits: UplinkLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#bytesPerMs = limits.bytesPerSecond / 1000
  }

  setStopped(stopped: boolean): void {
    this.#stopped = stopped
    this.#send()
  }

  /** The pipe has bytes and room in its window. */
  offer(pipe: VirtualPipe): void {
    this.#ring.add(pipe)
    this.#send()
  }

  #send(): void {
    if (this.#busy || this.#stopped) return
    const pipe: VirtualPipe | undefined = this.#ring.values().next().value
    if (pipe === undefined) return
    this.#ring.delete(pipe)
    // Busy from here on: a pipe with more to send offers itself again while it is taken from.
    this.#busy = true
    const segment = pipe.take(this.#limits.segmentBytes)
    if (segment === undefined) {
      this.#busy = false
      this.#send()
      return
    }
    this.#clock.setTimer(this.#limits.cost(segment.length) / this.#bytesPerMs, () => {
      this.#busy = false
      this.sentBytes += segment.length
      pipe.left(segment)
      this.#send()
    })
  }
}

interface PipeComponents {
  readonly clock: Clock
  readonly uplink: VirtualUplink
  readonly delayMs: number
  readonly windowBytes: number
  readonly jitterMs: () => number
  readonly toReader: (run: () => void) => void
  readonly toWriter: (run: () => void) => void
  /** For what the writer's own machine tells it. */
  readonly ownTurn: (run: () => void) => void
}

/** Bytes from one end to the other. */
export class VirtualPipe {
  readonly writer: VirtualEnd
  readonly reader: VirtualEnd
  readonly #components: PipeComponents
  #queue: Uint8Array[] = []
  #unsent = 0
  #credit: number
  #unread: Uint8Array[] = []
  #paused = false
  /** On the way, in order; whichever timer runs first brings the first. */
  #flying: Uint8Array[] = []
  #lastArrivalAt = 0
  #finished = false
  #ended = false

  constructor(components: PipeComponents) {
    this.#components = components
    this.#credit = components.windowBytes
    this.writer = new VirtualEnd({
      unsent: () => this.#unsent,
      send: (parts) => this.#enqueue(parts),
      finish: () => {
        this.#finished = true
        this.#endLater()
      },
      pause: () => {},
      resume: () => {},
      aborted: () => this.#cutLater(this.reader, components.toReader)
    })
    this.reader = new VirtualEnd({
      unsent: () => 0,
      send: () => {},
      finish: () => {},
      pause: () => {
        this.#paused = true
      },
      resume: () => {
        this.#paused = false
        this.#deliver()
      },
      aborted: () => this.#cutLater(this.writer, components.toWriter)
    })
    this.reader.onListen = () => this.#deliver()
  }

  /** The next bytes to go, within the window. */
  take(most: number): Uint8Array | undefined {
    const head = this.#queue[0]
    const size = Math.min(most, this.#credit, head?.length ?? 0)
    if (head === undefined || size === 0 || this.writer.over) return undefined
    if (size === head.length) this.#queue.shift()
    else this.#queue[0] = head.subarray(size)
    this.#credit -= size
    if (this.#queue.length > 0 && this.#credit > 0) this.#components.uplink.offer(this)
    return head.subarray(0, size)
  }

  /** A segment has left the uplink: it arrives after the delay. */
  left(segment: Uint8Array): void {
    const { clock, delayMs, jitterMs, toReader, ownTurn } = this.#components
    this.#unsent -= segment.length
    const wait = Math.max(delayMs + jitterMs(), this.#lastArrivalAt - clock.now())
    this.#lastArrivalAt = clock.now() + wait
    this.#flying.push(segment)
    clock.setTimer(wait, () =>
      toReader(() => {
        this.#unread.push(...this.#flying.splice(0, 1))
        this.#deliver()
      })
    )
    ownTurn(() => this.writer.events?.drain())
    this.#endLater()
  }

  /** The end arrives behind the last byte. */
  #endLater(): void {
    if (!this.#finished || this.#unsent > 0 || this.writer.over) return
    const { clock, delayMs, toReader, ownTurn } = this.#components
    clock.setTimer(Math.max(delayMs, this.#lastArrivalAt - clock.now()), () =>
      toReader(() => {
        this.#ended = true
        this.#deliver()
      })
    )
    ownTurn(() => this.writer.cut())
  }

  #enqueue(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      if (part.length === 0) continue
      this.#queue.push(part)
      this.#unsent += part.length
    }
    if (this.#credit > 0) this.#components.uplink.offer(this)
  }

  #deliver(): void {
    while (!this.#paused && !this.reader.over && this.reader.events !== undefined) {
      const segment = this.#unread.shift()
      if (segment === undefined) {
        if (!this.#ended || this.#flying.length > 0) return
        this.reader.events.ended()
        this.reader.cut()
        return
      }
      this.reader.events.data(segment)
      // Nobody waits for room any more.
      if (this.writer.over) continue
      const { clock, delayMs, toWriter, uplink } = this.#components
      clock.setTimer(delayMs, () =>
        toWriter(() => {
          this.#credit += segment.length
          if (this.#queue.length > 0) uplink.offer(this)
        })
      )
    }
  }

  #cutLater(end: VirtualEnd, to: (run: () => void) => void): void {
    this.#queue = []
    this.#unsent = 0
    this.#components.clock.setTimer(this.#components.delayMs, () => to(() => end.cut()))
  }
}

interface EndHooks {
  readonly unsent: () => number
  readonly send: (parts: readonly Uint8Array[]) => void
  readonly finish: () => void
  readonly pause: () => void
  readonly resume: () => void
  readonly aborted: () => void
}

/** One side of a pipe. */
export class VirtualEnd implements ExchangeStream {
  readonly #hooks: EndHooks
  events: StreamEvents | undefined
  over = false
  onListen: () => void = () => {}
  onOver: () => void = () => {}

  constructor(hooks: EndHooks) {
    this.#hooks = hooks
  }

  get unsentBytes(): number {
    return this.over ? 0 : this.#hooks.unsent()
  }

  listen(events: StreamEvents): void {
    this.events = events
    if (this.over) events.closed()
    else this.onListen()
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.over) throw new ExchangeError('stream-closed', 'the stream is closed')
    this.#hooks.send(parts)
  }

  finish(): void {
    this.#hooks.finish()
  }

  pause(): void {
    this.#hooks.pause()
  }

  resume(): void {
    this.#hooks.resume()
  }

  abort(_reason: string): void {
    if (this.over) return
    this.#hooks.aborted()
    this.cut()
  }

  /** The stream is over, from whichever side. */
  cut(): void {
    if (this.over) return
    this.over = true
    this.onOver()
    this.events?.closed()
  }
}
