/**
 * libp2p's TLS 1.3 (libp2p/specs `tls/tls.md`), on the TCP socket itself.
 *
 * `@libp2p/tls` puts a stream of its own between the TLS socket and the connection, because a libp2p connection need not be a
 * socket: every record then crosses from OpenSSL into JavaScript and back, encrypted bytes become garbage, and a core moves
 * half of what it could. Ours always is a TCP socket. So the TLS socket is put on that, and Node encrypts, decrypts, reads
 * and writes without showing us a byte of ciphertext. Certificates, their check and the stream on top are the library's own
 * (`@libp2p/tls/utils`); on anything but a TCP socket, the library does it all.
 *
 * The connection below keeps its part: its end, its reset and its timeout are those of the socket.
 */
import type { Socket } from 'node:net'
import { getDefaultHighWaterMark } from 'node:stream'
import { connect, TLSSocket, type TLSSocketOptions } from 'node:tls'
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMessageEvent,
  StreamMuxerFactory
} from '@libp2p/interface'
import { InvalidCryptoExchangeError, serviceCapabilities } from '@libp2p/interface'
import { PROTOCOL, tls, type TLSComponents } from '@libp2p/tls'
import { generateCertificate, verifyPeerCertificate } from '@libp2p/tls/utils'
import { socketOf } from './socket-of.ts'
import { socketStream } from './socket-stream.ts'

/** Says that the peer does not agree on a muxer before the first stream does. */
const NO_EARLY_MUXER = 'libp2p'
/** Go's order where the hardware has AES: 128 bits are enough and cost a quarter less. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

type MuxerFactories = ReadonlyMap<string, StreamMuxerFactory>

/** `writePieceBytes`: see `HostOptions`. */
export interface SocketTlsOptions {
  readonly writePieceBytes: number
}

/** Takes the place of `tls()` in `connectionEncrypters`. */
export const socketTls =
  (options: SocketTlsOptions) =>
  (components: TLSComponents): ConnectionEncrypter =>
    new SocketTls(components, options)

class SocketTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption']
  readonly #components: TLSComponents
  readonly #options: SocketTlsOptions
  readonly #library: ConnectionEncrypter

  constructor(components: TLSComponents, options: SocketTlsOptions) {
    this.#components = components
    this.#options = options
    this.#library = tls()(components)
  }

  get [Symbol.toStringTag](): string {
    return 'socket-tls'
  }

  /** Rejects with what `@libp2p/tls` rejects with, or with what the socket or the signal says. */
  async secureInbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    const socket = socketOf(connection)
    if (socket === undefined) return this.#library.secureInbound(connection, options)
    return this.#secure(connection, { socket, isServer: true, options })
  }

  /** As `secureInbound`; and with `UnexpectedPeerError` when somebody other than `remotePeer` answers. */
  async secureOutbound(connection: MessageStream, options: SecureConnectionOptions = {}): Promise<SecuredConnection> {
    const socket = socketOf(connection)
    if (socket === undefined) return this.#library.secureOutbound(connection, options)
    return this.#secure(connection, { socket, isServer: false, options })
  }

  async #secure(connection: MessageStream, side: Side): Promise<SecuredConnection> {
    const { socket, isServer, options } = side
    // What comes from here on waits in the socket.
    connection.pause()
    try {
      const certificate = await generateCertificate(this.#components.privateKey, options)
      options.signal?.throwIfAborted()
      takeOver(connection, socket)
      const muxers = this.#muxers(options)
      const secured = open(socket, {
        ...certificate,
        // What waits behind a piece is written as one, and is to be no longer: Node keeps buffers of that length.
        highWaterMark: Math.min(this.#options.writePieceBytes, getDefaultHighWaterMark(false)),
        isServer,
        minVersion: 'TLSv1.3',
        maxVersion: 'TLSv1.3',
        ciphers: CIPHERS,
        // Certificates are made by the peers themselves and checked below.
        rejectUnauthorized: false,
        requestCert: true,
        ALPNProtocols: [...muxers.keys(), NO_EARLY_MUXER],
        ALPNCallback: ({ protocols }) =>
          protocols.find((name) => muxers.has(name)) ?? protocols.find((name) => name === NO_EARLY_MUXER)
      })
      endThrough(connection, secured)
      const remotePeer = await handshake(secured, options)
      const streamMuxer = earlyMuxer(secured, muxers)
      return {
        connection: socketStream(connection, { socket: secured, ...this.#options }),
        remotePeer,
        ...(streamMuxer === undefined ? {} : { streamMuxer })
      }
    } catch (error) {
      connection.abort(error as Error)
      throw error
    }
  }

  #muxers(options: SecureConnectionOptions): MuxerFactories {
    return options.skipStreamMuxerNegotiation === true ? new Map() : this.#components.upgrader.getStreamMuxers()
  }
}

/** The muxer agreed on in the handshake, if one was. */
function earlyMuxer(socket: TLSSocket, muxers: MuxerFactories): StreamMuxerFactory | undefined {
  const chosen = socket.alpnProtocol
  if (typeof chosen !== 'string' || chosen === NO_EARLY_MUXER) return undefined
  const muxer = muxers.get(chosen)
  if (muxer === undefined)
    throw new InvalidCryptoExchangeError(`the peer chose the muxer ${chosen}, which was not offered`)
  return muxer
}

/** Node takes this one too, for `TLSSocket` and `connect` alike (`_tls_wrap.js`). */
type SocketOptions = TLSSocketOptions & { readonly highWaterMark: number }

interface Side {
  readonly socket: Socket
  readonly isServer: boolean
  readonly options: SecureConnectionOptions
}

/** From here on the bytes of the socket are read by the TLS socket, those that the connection has read already first. */
function takeOver(connection: MessageStream, socket: Socket): void {
  if (socket.destroyed) throw new InvalidCryptoExchangeError('the connection closed before the handshake')
  const early: Uint8Array[] = []
  const onMessage = ({ data }: StreamMessageEvent): void => {
    early.push(data.subarray())
  }
  connection.addEventListener('message', onMessage)
  connection.resume()
  connection.removeEventListener('message', onMessage)
  socket.pause()
  socket.removeAllListeners('data')
  for (const chunk of early.reverse()) socket.unshift(chunk)
}

/**
 * The connection ends its socket from the outside in. The other way round, Node frees the TLS state as soon as it notices,
 * which may be inside a callback of OpenSSL that still needs it: the process crashes (Node 24.21, `_tls_wrap.js`, `close`).
 */
function endThrough(connection: MessageStream, secured: TLSSocket): void {
  const ends = connection as unknown as { sendReset: () => void; sendClose: () => Promise<void> }
  ends.sendReset = () => {
    secured.destroy()
  }
  ends.sendClose = async () => {
    if (secured.closed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    secured.once('close', resolve)
    secured.destroySoon()
    await promise
  }
}

function open(socket: Socket, options: SocketOptions): TLSSocket {
  return options.isServer === true ? new TLSSocket(socket, options) : connect({ socket, ...options })
}

/** Ends with the peer's id, as its certificate proves it. */
async function handshake(socket: TLSSocket, options: SecureConnectionOptions): Promise<PeerId> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = (): void => reject(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  // Stays: an error of a TLS socket that nobody hears ends the process.
  socket.on('error', reject)
  socket.once('close', () => reject(new Error('the socket closed during the handshake')))
  socket.once('secure', resolve)
  try {
    await promise
    return await verifyPeerCertificate(socket.getPeerCertificate().raw, options.remotePeer)
  } finally {
    options.signal?.removeEventListener('abort', onAbort)
  }
}
