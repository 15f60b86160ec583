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
  /** Uplinks that differ. */
  readonly uplinkOf?: (peer: PeerIdText) => number | undefined
  readonly segmentBytes: number
  /** What a segment costs the uplink; its length unless said otherwise. */
  readonly cost?: (bytes: number) => number
  /** Bytes a stream may have on the way or unread. */
  readonly windowBytes: number
  /** Added to the delay of each segment, ms: what is sent on two streams at once arrives in any order, each stream in its own. */
  readonly jitterMs?: () => number
}

/** A network in one process, on the clock it is given: delays, uplinks, windows, silences and partings, all exact. */
export class VirtualNetwork {
  readonly #clock: Clock
  readonly #options: VirtualNetworkOptions
  readonly #ports = new Map<PeerIdText, VirtualPort>()
  /** Links on which nothing arrives just now, and what waits there. */
  readonly #held = new Map<string, (() => void)[]>()

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

  /** Nothing arrives between the two, and neither is told: packets are lost and sent again until `release`. */
  hold(a: PeerIdText, b: PeerIdText): void {
    const link = linkOf(a, b)
    if (!this.#held.has(link)) this.#held.set(link, [])
  }

  release(a: PeerIdText, b: PeerIdText): void {
    const link = linkOf(a, b)
    const waiting = this.#held.get(link)
    if (waiting === undefined) return
    this.#held.delete(link)
    for (const run of waiting) this.#clock.setTimer(0, run)
  }

  /** Every stream between the two breaks; their connection stays. */
  breakStreams(a: PeerIdText, b: PeerIdText): void {
    this.port(a)?.cut(b)
    this.port(b)?.cut(a)
  }

  /** One of the streams between the two breaks. */
  breakStream(a: PeerIdText, b: PeerIdText, number: number): void {
    this.port(a)?.cutOne(b, number)
  }

  /** Something from one arrives at the other. */
  carry(from: PeerIdText, to: VirtualPort, run: () => void): void {
    const waiting = this.#held.get(linkOf(from, to.peer))
    if (waiting === undefined) to.receive(run)
    else waiting.push(() => this.carry(from, to, run))
  }
}

const linkOf = (a: PeerIdText, b: PeerIdText): string => (a < b ? a + b : b + a)

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
  /** Called whenever the peer's own code may have run. */
  onTurn: () => void = () => {}
  readonly #components: PortComponents
  readonly #connected = new Set<PeerIdText>()
  readonly #ends = new Map<PeerIdText, Set<VirtualEnd>>()
  #events: NetworkEvents | undefined
  #silent = false
  #backlog: (() => void)[] = []
  #nextTurn: (() => void)[] = []

  constructor(peer: PeerIdText, components: PortComponents) {
    this.peer = peer
    this.#components = components
    const { bytesPerSecond, uplinkOf, segmentBytes, cost } = components.options
    this.uplink = new VirtualUplink(components.clock, {
      bytesPerSecond: uplinkOf?.(peer) ?? bytesPerSecond,
      segmentBytes,
      cost: cost ?? ((bytes) => bytes)
    })
  }

  get silent(): boolean {
    return this.#silent
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

  open(
    peer: PeerIdText,
    { signal, lazy = false }: { readonly signal: AbortSignal; readonly lazy?: boolean }
  ): Promise<ExchangeStream> {
    const { clock, network } = this.#components
    const delay = this.#components.options.delayMs(this.peer, peer)
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new ExchangeError('peer-gone', `not connected to ${peer}`))
      const remote = network.port(peer)
      if (remote === undefined || !this.#connected.has(peer)) return gone()
      if (lazy) return resolve(this.#openLazily(remote, delay))
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      // There and back: the protocol is negotiated before the stream can be used.
      clock.setTimer(delay, () =>
        network.carry(this.peer, remote, () => {
          if (!remote.#connected.has(this.peer) || signal.aborted) return gone()
          const pipe = this.#pipe(remote, delay)
          remote.#events?.inbound(this.peer, pipe.reader)
          clock.setTimer(delay, () => network.carry(peer, this, () => resolve(pipe.writer)))
        })
      )
    })
  }

  /** The stream can be written to at once; the peer meets it with the first that arrives. */
  #openLazily(remote: VirtualPort, delay: number): VirtualEnd {
    const { clock, network } = this.#components
    const { writer, reader } = this.#pipe(remote, delay)
    clock.setTimer(delay, () =>
      network.carry(this.peer, remote, () => {
        if (!reader.over) remote.#events?.inbound(this.peer, reader)
      })
    )
    return writer
  }

  penalise(peer: PeerIdText, reason: string): void {
    this.penalties.push({ peer, reason })
    this.#components.clock.setTimer(0, () => this.#components.network.disconnect(this.peer, peer))
  }

  /** Runs what arrives, now or when the peer wakes; in order. */
  receive(run: () => void): void {
    this.onTurn()
    if (this.#silent || this.#backlog.length > 0) this.#backlog.push(run)
    else run()
  }

  meet(peer: PeerIdText): void {
    if (this.#connected.has(peer)) return
    this.#connected.add(peer)
    this.onTurn()
    this.#events?.connected(peer)
  }

  part(peer: PeerIdText): void {
    if (!this.#connected.delete(peer)) return
    this.onTurn()
    this.cut(peer)
    this.#events?.disconnected(peer)
  }

  /** Its connections are gone, on both sides. */
  partAll(): void {
    for (const peer of [...this.#connected]) this.#components.network.disconnect(this.peer, peer)
  }

  cut(peer: PeerIdText): void {
    for (const end of [...(this.#ends.get(peer) ?? [])]) end.cut()
    this.#ends.delete(peer)
  }

  cutOne(peer: PeerIdText, number: number): void {
    const ends = [...(this.#ends.get(peer) ?? [])]
    this.onTurn()
    ends[number % Math.max(1, ends.length)]?.abort('reset')
  }

  setSilent(silent: boolean): void {
    this.#silent = silent
    this.uplink.setStopped(silent)
    if (!silent) this.#catchUp()
  }

  /**
   * Runs `run` once what has arrived is read, as Node's loop does what waits for its next turn: a cancel that came while
   * the process stood still is seen before the want that it follows is served.
   */
  nextTurn(run: () => void): void {
    this.#components.clock.setTimer(0, () => {
      if (this.#silent || this.#backlog.length > 0) this.#nextTurn.push(run)
      else run()
    })
  }

  /** One event each, so that promises settle in between. */
  #catchUp(): void {
    this.#components.clock.setTimer(0, () => {
      if (this.#silent) return
      this.onTurn()
      this.#backlog.shift()?.()
      if (this.#backlog.length > 0) return this.#catchUp()
      const waiting = this.#nextTurn
      this.#nextTurn = []
      for (const run of waiting) this.nextTurn(run)
    })
  }

  #pipe(remote: VirtualPort, delayMs: number): VirtualPipe {
    const { clock, options, network } = this.#components
    const pipe = new VirtualPipe({
      clock,
      uplink: this.uplink,
      delayMs,
      windowBytes: options.windowBytes,
      jitterMs: options.jitterMs ?? (() => 0),
      toReader: (run) => network.carry(this.peer, remote, run),
      toWriter: (run) => network.carry(remote.peer, this, run),
      ownTurn: (run) => this.receive(run)
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
