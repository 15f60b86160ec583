import type { PeerIdText } from '#src/model/index.ts'
import type { Clock } from '#src/util/index.ts'
import { ExchangeError } from '#src/exchange/errors.ts'
import type { ExchangeNetwork, ExchangeStream, NetworkEvents } from '#src/exchange/network/network.ts'
import { type VirtualEnd, VirtualPipe, VirtualUplink } from './virtual-stream.ts'

export interface VirtualNetworkOptions {
  /** One-way delay between two peers, ms. */
  readonly delayMs: (from: PeerIdText, to: PeerIdText) => number
  /** Each peer's uplink, bytes a second; its streams share it segment by segment. */
  readonly bytesPerSecond: number
  readonly segmentBytes: number
  /** Bytes a stream may have on the way or unread. */
  readonly windowBytes: number
}

/** A network in one process, on the clock it is given: delays, uplinks, windows, silences and partings, all exact. */
export class VirtualNetwork {
  readonly #clock: Clock
  readonly #options: VirtualNetworkOptions
  readonly #ports = new Map<PeerIdText, VirtualPort>()

  constructor(clock: Clock, options: VirtualNetworkOptions) {
    this.#clock = clock
    this.#options = options
  }

  /** The peer's own view. A peer joins once. */
  join(peer: PeerIdText): VirtualPort {
    const port = new VirtualPort(peer, { clock: this.#clock, options: this.#options, network: this })
    this.#ports.set(peer, port)
    return port
  }

  port(peer: PeerIdText): VirtualPort | undefined {
    return this.#ports.get(peer)
  }

  connect(a: PeerIdText, b: PeerIdText): void {
    this.port(a)?.meet(b)
    this.port(b)?.meet(a)
  }

  /** Both sides see it at once; what was on the way is lost. */
  disconnect(a: PeerIdText, b: PeerIdText): void {
    this.port(a)?.part(b)
    this.port(b)?.part(a)
  }

  /** The peer hears and says nothing; its connections stay. What comes for it waits. */
  silence(peer: PeerIdText): void {
    this.port(peer)?.setSilent(true)
  }

  wake(peer: PeerIdText): void {
    this.port(peer)?.setSilent(false)
  }
}

interface PortComponents {
  readonly clock: Clock
  readonly options: VirtualNetworkOptions
  readonly network: VirtualNetwork
}

export class VirtualPort implements ExchangeNetwork {
  readonly peer: PeerIdText
  readonly uplink: VirtualUplink
  /** Peers penalised, with the reasons. */
  readonly penalties: { readonly peer: PeerIdText; readonly reason: string }[] = []
  readonly #components: PortComponents
  readonly #connected = new Set<PeerIdText>()
  readonly #ends = new Map<PeerIdText, Set<VirtualEnd>>()
  #events: NetworkEvents | undefined
  #silent = false
  #backlog: (() => void)[] = []

  constructor(peer: PeerIdText, components: PortComponents) {
    this.peer = peer
    this.#components = components
    const { bytesPerSecond, segmentBytes } = components.options
    this.uplink = new VirtualUplink(components.clock, { bytesPerSecond, segmentBytes })
  }

  get connections(): number {
    return this.#connected.size
  }

  start(events: NetworkEvents): void {
    this.#events = events
    for (const peer of this.#connected) events.connected(peer)
  }

  stop(): void {
    this.#events = undefined
  }

  open(peer: PeerIdText, options: { readonly signal: AbortSignal }): Promise<ExchangeStream> {
    const { clock, network } = this.#components
    const delay = this.#components.options.delayMs(this.peer, peer)
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new ExchangeError('peer-gone', `not connected to ${peer}`))
      const remote = network.port(peer)
      if (remote === undefined || !this.#connected.has(peer)) return gone()
      options.signal.addEventListener('abort', () => reject(options.signal.reason), { once: true })
      // There and back: the protocol is negotiated before the stream can be used.
      clock.setTimer(delay, () =>
        remote.receive(() => {
          if (!remote.#connected.has(this.peer) || options.signal.aborted) return gone()
          const pipe = this.#pipe(remote, delay)
          remote.#events?.inbound(this.peer, pipe.reader)
          clock.setTimer(delay, () => this.receive(() => resolve(pipe.writer)))
        })
      )
    })
  }

  penalise(peer: PeerIdText, reason: string): void {
    this.penalties.push({ peer, reason })
    this.#components.clock.setTimer(0, () => this.#components.network.disconnect(this.peer, peer))
  }

  /** Runs what arrives, now or when the peer wakes. */
  receive(run: () => void): void {
    if (this.#silent) this.#backlog.push(run)
    else run()
  }

  meet(peer: PeerIdText): void {
    if (this.#connected.has(peer)) return
    this.#connected.add(peer)
    this.#events?.connected(peer)
  }

  part(peer: PeerIdText): void {
    if (!this.#connected.delete(peer)) return
    for (const end of [...(this.#ends.get(peer) ?? [])]) end.cut()
    this.#ends.delete(peer)
    this.#events?.disconnected(peer)
  }

  setSilent(silent: boolean): void {
    this.#silent = silent
    this.uplink.setStopped(silent)
    if (silent) return
    const backlog = this.#backlog
    this.#backlog = []
    for (const run of backlog) run()
  }

  #pipe(remote: VirtualPort, delayMs: number): VirtualPipe {
    const { clock, options } = this.#components
    const pipe = new VirtualPipe({
      clock,
      uplink: this.uplink,
      delayMs,
      windowBytes: options.windowBytes,
      toReader: (run) => remote.receive(run),
      toWriter: (run) => this.receive(run)
    })
    this.#keep(remote.peer, pipe.writer)
    remote.#keep(this.peer, pipe.reader)
    return pipe
  }

  #keep(peer: PeerIdText, end: VirtualEnd): void {
    const ends = this.#ends.get(peer) ?? new Set()
    this.#ends.set(peer, ends)
    ends.add(end)
    end.onOver = () => ends.delete(end)
  }
}
