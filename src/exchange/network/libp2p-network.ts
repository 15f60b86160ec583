import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import type { PeerIdText } from '../../model/index.ts'
import { ExchangeError } from '../errors.ts'
import type { ExchangeNetwork, ExchangeStream, NetworkEvents, PeerEventSource, StreamEvents } from './network.ts'

/** Flow's channel for the staked network's blobs; prefixes the protocol ids, without a leading slash. */
export const EXECUTION_DATA_PREFIX = 'execution-data-service'

/** Flow's channel for observers' blobs. */
export const PUBLIC_EXECUTION_DATA_PREFIX = 'public-execution-data-service'

/** Newest first. Messages of all of them are read alike; only the first is spoken. */
const PROTOCOLS = ['/ipfs/bitswap/1.2.0', '/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0', '/ipfs/bitswap']

export interface Libp2pNetworkOptions {
  /** Put before the protocol ids (flow-go `network/p2p/blob/blob_service.go`). */
  readonly protocolPrefix: string
  /** libp2p's own limit; the exchange refuses at a lower one, so that refusals are counted. */
  readonly maxInboundStreams: number
}

const defaultLibp2pNetworkOptions: Libp2pNetworkOptions = Object.freeze({
  protocolPrefix: EXECUTION_DATA_PREFIX,
  maxInboundStreams: 512
})

export interface Libp2pNetworkComponents {
  readonly libp2p: Pick<
    Libp2p,
    'handle' | 'unhandle' | 'getConnections' | 'getPeers' | 'addEventListener' | 'removeEventListener'
  >
  /** Default: libp2p's own connection events. */
  readonly peerEvents?: PeerEventSource
  /** Told before a peer's connections are closed. */
  readonly onPenalty?: (peer: PeerIdText, reason: string) => void
}

/** Runs the exchange over a libp2p host. */
export class Libp2pNetwork implements ExchangeNetwork {
  readonly #components: Libp2pNetworkComponents
  readonly #options: Libp2pNetworkOptions
  readonly #protocols: readonly string[]
  readonly #connected = new Set<PeerIdText>()
  #events: NetworkEvents | undefined
  #unsubscribe: (() => void) | undefined

  constructor(components: Libp2pNetworkComponents, options: Partial<Libp2pNetworkOptions> = {}) {
    this.#components = components
    this.#options = { ...defaultLibp2pNetworkOptions, ...options }
    this.#protocols = PROTOCOLS.map((protocol) => this.#options.protocolPrefix + protocol)
  }

  /**
   * Registers the protocols. Must be done before the host listens: flow-go treats as a bitswap peer only who speaks the
   * protocol when identify ends.
   */
  async register(): Promise<void> {
    for (const protocol of this.#protocols) {
      await this.#components.libp2p.handle(protocol, (stream, connection) => this.#onInbound(stream, connection), {
        maxInboundStreams: this.#options.maxInboundStreams,
        maxOutboundStreams: 64
      })
    }
  }

  async unregister(): Promise<void> {
    await this.#components.libp2p.unhandle([...this.#protocols])
  }

  start(events: NetworkEvents): void {
    this.#events = events
    const source = this.#components.peerEvents ?? libp2pPeerEvents(this.#components.libp2p)
    this.#unsubscribe = source.onPeer({
      connected: (peer) => this.#onConnected(peer),
      disconnected: (peer) => {
        if (this.#connected.delete(peer)) this.#events?.disconnected(peer)
      }
    })
  }

  stop(): void {
    this.#unsubscribe?.()
    this.#events = undefined
  }

  async open(
    peer: PeerIdText,
    options: { readonly signal: AbortSignal; readonly lazy?: boolean }
  ): Promise<ExchangeStream> {
    const connection = this.#connectionsOf(peer)[0]
    if (connection === undefined) throw new ExchangeError('peer-gone', `no connection to ${peer}`)
    const [protocol = ''] = this.#protocols
    try {
      return new Libp2pStream(
        await connection.newStream(protocol, { signal: options.signal, negotiateFully: options.lazy !== true })
      )
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== 'UnsupportedProtocolError') throw cause
      throw new ExchangeError('unsupported', `${peer} does not speak ${protocol}`, { cause })
    }
  }

  penalise(peer: PeerIdText, reason: string): void {
    this.#components.onPenalty?.(peer, reason)
    for (const connection of this.#connectionsOf(peer)) connection.abort(new Error(reason))
  }

  /** Oldest first: the same one is taken every time, so that both streams share a connection. */
  #connectionsOf(peer: PeerIdText): Connection[] {
    return this.#components.libp2p
      .getConnections()
      .filter((connection) => connection.status === 'open' && connection.remotePeer.toString() === peer)
      .sort((a, b) => a.timeline.open - b.timeline.open)
  }

  #onConnected(peer: PeerIdText): void {
    if (this.#connected.has(peer)) return
    this.#connected.add(peer)
    this.#events?.connected(peer)
  }

  #onInbound(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString() as PeerIdText
    // Our half is never written to, and a half that is left open leaks the stream.
    stream.close().catch(() => {})
    if (this.#events === undefined || connection.status !== 'open') {
      stream.abort(new Error('the exchange is not running'))
      return
    }
    // A stream can be quicker than the event of its connection.
    if (this.#components.libp2p.getConnections(connection.remotePeer).length > 0) this.#onConnected(peer)
    this.#events.inbound(peer, new Libp2pStream(stream))
  }
}

/** libp2p's connection events as a source: the first connection to a peer, the last one's end. */
function libp2pPeerEvents(
  libp2p: Pick<Libp2p, 'getPeers' | 'addEventListener' | 'removeEventListener'>
): PeerEventSource {
  return {
    onPeer(listener) {
      const connected = (event: CustomEvent<PeerId>): void => listener.connected(event.detail.toString() as PeerIdText)
      const disconnected = (event: CustomEvent<PeerId>): void =>
        listener.disconnected(event.detail.toString() as PeerIdText)
      libp2p.addEventListener('peer:connect', connected)
      libp2p.addEventListener('peer:disconnect', disconnected)
      for (const peer of libp2p.getPeers()) listener.connected(peer.toString() as PeerIdText)
      return () => {
        libp2p.removeEventListener('peer:connect', connected)
        libp2p.removeEventListener('peer:disconnect', disconnected)
      }
    }
  }
}

/**
 * Bytes that are given to libp2p at one time: one frame of the muxer, behind which words on other streams wait. It is asked
 * for more only when they have left, so what is unsent is known here and not hidden in the connection. With the muxer's header of
 * 12 bytes it fills two packets of noise; a little more would be a third packet of its own.
 */
const FRAME_BYTES = 131_026

/** A libp2p stream by its events: its async iterator buffers without limit, and `onDrain()` resolves only once. */
class Libp2pStream implements ExchangeStream {
  readonly #stream: Stream
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #pumping = false
  #finishing = false

  constructor(stream: Stream) {
    this.#stream = stream
  }

  get unsentBytes(): number {
    return this.#queuedBytes + this.#stream.writeBufferLength
  }

  listen(events: StreamEvents): void {
    const stream = this.#stream
    let over = false
    const closed = (): void => {
      // Closed in good order while paused: what is unread is still to come, and `end` after it.
      if (over || (stream.status === 'closed' && stream.readBufferLength > 0)) return
      over = true
      this.#clear()
      events.closed()
    }
    // `drain` comes before the stream sends on, `idle` when its buffer is empty.
    const onRoom = (): void => {
      queueMicrotask(() => {
        this.#pump()
        events.drain()
      })
    }
    stream.addEventListener('drain', onRoom)
    stream.addEventListener('idle', () => {
      if (!this.#pumping) onRoom()
    })
    stream.addEventListener('end', () => {
      events.ended()
      if (stream.status !== 'open') closed()
    })
    stream.addEventListener('close', closed)
    stream.addEventListener('message', (event: { data: Uint8Array | Uint8ArrayList }) => {
      const data = event.data
      if (data instanceof Uint8Array) events.data(data)
      else this.#deliver(data, events)
    })
    if (stream.status !== 'open' && stream.status !== 'closing') closed()
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#stream.writeStatus !== 'writable') throw new ExchangeError('stream-closed', 'the stream is closed')
    for (const part of parts) {
      this.#queue.push(part)
      this.#queuedBytes += part.length
    }
    this.#pump()
  }

  finish(): void {
    this.#finishing = true
    this.#pump()
  }

  pause(): void {
    if (this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  resume(): void {
    if (this.#stream.readStatus === 'paused') this.#stream.resume()
  }

  abort(reason: string): void {
    this.#clear()
    this.#stream.abort(new Error(reason))
  }

  /** Chunk by chunk; what is left when the reader pauses goes back to where it came from. */
  #deliver(data: Uint8ArrayList, events: StreamEvents): void {
    let delivered = 0
    for (const chunk of data) {
      if (this.#stream.readStatus === 'paused') {
        this.#stream.unshift(data.sublist(delivered))
        return
      }
      delivered += chunk.length
      events.data(chunk)
    }
  }

  /** Gives the stream one frame after the other for as long as it takes them. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    const stream = this.#stream
    while (this.#queuedBytes > 0 && !stream.writableNeedsDrain && stream.writeBufferLength === 0) {
      if (stream.writeStatus !== 'writable') break
      stream.send(this.#takeFrame())
    }
    this.#pumping = false
    if (!this.#finishing || this.#queuedBytes > 0) return
    this.#finishing = false
    // It waits for its own buffer; when that fails the stream is reset, and `closed` comes.
    stream.close().catch((error: unknown) => stream.abort(error as Error))
  }

  /** Headers and bodies in one list, so that a header does not become a frame of its own. */
  #takeFrame(): Uint8ArrayList {
    const frame = new Uint8ArrayList()
    let taken = 0
    let room = FRAME_BYTES
    while (room > 0 && taken < this.#queue.length) {
      const part = this.#queue[taken] as Uint8Array
      if (part.length > room) {
        frame.append(part.subarray(0, room))
        this.#queue[taken] = part.subarray(room)
        room = 0
      } else {
        frame.append(part)
        room -= part.length
        taken += 1
      }
    }
    this.#queue.splice(0, taken)
    this.#queuedBytes -= frame.byteLength
    return frame
  }

  #clear(): void {
    this.#queue = []
    this.#queuedBytes = 0
  }
}
