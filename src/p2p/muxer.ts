/**
 * yamux, watched: each connection is pinged, and a peer that opens streams too fast is stopped.
 *
 * yamux's own keep-alive pings too, but does nothing when the answer stays away (`@libp2p/yamux` `muxer.ts`), and a peer
 * that is stopped or cut off keeps its TCP connection for many minutes. So the pings are sent from here, and a connection
 * is cut when nothing at all came in for the timeout although it was pinged. Bytes of any kind count as life, since a ping
 * may wait behind megabytes of data. When this process itself was stopped, its timers are late: then the check is put off
 * once, so that what has already arrived is read first.
 *
 * The number of streams at a time is bounded by libp2p per protocol and by yamux per connection, their rate by nobody: that
 * is done here, before the protocol is negotiated; and so is the number of protocols that a stream may try, each of which is
 * answered.
 */
import type { MessageStream, Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { yamux } from '@libp2p/yamux'
import { type Clock, ReadGarbage, type Timer } from '../util/index.ts'
import { negotiateLazily } from './lazy-streams.ts'
import type { P2pMetrics } from './metrics.ts'
import { limitNegotiation } from './negotiation.ts'
import type { HostOptions } from './options.ts'
import { TokenBucket } from './token-bucket.ts'
import { makeLean } from './yamux/lean.ts'

type YamuxMuxer = ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>

export interface WatchedMuxerComponents {
  readonly clock: Clock
  readonly metrics: Pick<P2pMetrics, 'pingSeconds' | 'deadConnections' | 'blockStream'>
}

/** A ping answered later than this, in intervals, means that this process did not run. */
const LATE_INTERVALS = 1.5

/** Makes the muxers of one host and knows what they measure. */
export class WatchedYamux {
  readonly #components: WatchedMuxerComponents
  readonly #options: HostOptions
  readonly #factory: StreamMuxerFactory<YamuxMuxer>
  readonly #watches = new WeakMap<readonly Stream[], MuxerWatch>()
  readonly #garbage: ReadGarbage

  constructor(components: WatchedMuxerComponents, options: HostOptions) {
    this.#components = components
    this.#options = options
    this.#garbage = new ReadGarbage(options.collectEveryBytes)
    this.#factory = yamux({
      enableKeepAlive: false,
      maxInboundStreams: options.maxInboundStreams,
      maxOutboundStreams: options.maxInboundStreams,
      streamOptions: {
        maxStreamWindowSize: options.maxStreamWindowBytes,
        maxReadBufferLength: options.maxReadBufferBytes
      }
    })()
  }

  /** What `createLibp2p` takes in `streamMuxers`. */
  factory = (): StreamMuxerFactory => ({
    protocol: this.#factory.protocol,
    createStreamMuxer: (connection: MessageStream): StreamMuxer => {
      const muxer = this.#factory.createStreamMuxer(connection)
      makeLean(muxer, this.#options)
      negotiateLazily(muxer)
      const watch = new MuxerWatch({ ...this.#components, muxer, connection, garbage: this.#garbage }, this.#options)
      // A libp2p connection shows its muxer's list of streams and nothing else of it.
      this.#watches.set(muxer.streams, watch)
      return muxer
    }
  })

  /**
   * To be called once the connection is open, not before: a muxer keeps early streams for its first listener, and that must
   * be the connection itself. `onFlood` is called when the connection is cut for opening streams too fast.
   */
  guard(streams: readonly Stream[], onFlood: () => void): void {
    this.#watches.get(streams)?.guard(onFlood)
  }

  /** Last round trip on the connection with these streams, ms; `undefined` before the first. */
  rttMs(streams: readonly Stream[]): number | undefined {
    return this.#watches.get(streams)?.rttMs
  }
}

interface MuxerWatchComponents extends WatchedMuxerComponents {
  readonly muxer: YamuxMuxer
  readonly connection: MessageStream
  readonly garbage: ReadGarbage
}

class MuxerWatch {
  rttMs: number | undefined
  readonly #components: MuxerWatchComponents
  readonly #options: HostOptions
  readonly #streams: TokenBucket
  /** Streams that may be refused. Filled slower than it is emptied by a flood, whatever passes in between. */
  readonly #excess: TokenBucket
  #pinging = false
  #heardAt: number
  #timer: Timer | undefined
  #closed = false

  constructor(components: MuxerWatchComponents, options: HostOptions) {
    const { clock, connection, garbage } = components
    this.#components = components
    this.#options = options
    this.#heardAt = clock.now()
    this.#streams = new TokenBucket(clock, {
      perSecond: options.inboundStreamsPerSecond,
      burst: options.inboundStreamsBurst
    })
    this.#excess = new TokenBucket(clock, {
      perSecond: options.inboundStreamsPerSecond / 4,
      burst: options.inboundStreamsExcess
    })
    connection.addEventListener('message', ({ data }) => {
      this.#heardAt = clock.now()
      garbage.add(data.byteLength)
    })
    connection.addEventListener('close', () => this.#stop(), { once: true })
    // The first round trip lets yamux grow its windows; it must not be sent before the muxer is in use.
    this.#timer = clock.setTimer(0, () => this.#check(clock.now()), { background: true })
  }

  guard(onFlood: () => void): void {
    this.#components.muxer.addEventListener('stream', ({ detail }) => this.#onStream(detail, onFlood))
  }

  #onStream(stream: Stream, onFlood: () => void): void {
    const { metrics, connection } = this.#components
    if (this.#streams.take()) {
      limitNegotiation(stream, () => stream.protocol !== '')
      stream.addEventListener('close', ({ error }) => {
        if (error?.name === 'TooManyInboundProtocolStreamsError') metrics.blockStream.inc({ direction: 'inbound' })
      })
      return
    }
    metrics.blockStream.inc({ direction: 'inbound' })
    if (this.#excess.take()) {
      stream.abort(new Error('streams are opened too fast'))
      return
    }
    if (connection.status !== 'open') return
    connection.abort(new Error('too many streams'))
    onFlood()
  }

  #check(dueAt: number): void {
    if (this.#closed) return
    const { clock, connection, metrics } = this.#components
    const { keepAliveIntervalMs, keepAliveTimeoutMs } = this.#options
    const now = clock.now()
    const late = now - dueAt > keepAliveIntervalMs * (LATE_INTERVALS - 1)
    if (!late && now - this.#heardAt >= keepAliveTimeoutMs) {
      metrics.deadConnections.inc()
      connection.abort(new Error('nothing came from the peer'))
      return
    }
    this.#ping()
    this.#timer = clock.setTimer(keepAliveIntervalMs, () => this.#check(now + keepAliveIntervalMs), {
      background: true
    })
  }

  #ping(): void {
    const { clock, muxer, metrics } = this.#components
    if (this.#pinging) return
    const sentAt = clock.now()
    this.#pinging = true
    muxer.ping().then(
      () => {
        this.#pinging = false
        this.rttMs = clock.now() - sentAt
        metrics.pingSeconds.observe(this.rttMs / 1000)
      },
      // A connection that closes while the answer is out; its end is reported elsewhere.
      () => undefined
    )
  }

  #stop(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}
