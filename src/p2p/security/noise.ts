/**
 * libp2p's noise (libp2p/specs `noise/README.md`) by `@libp2p/noise`, with its costs taken out of every packet:
 *
 * - the key is made into a KeyObject once: Node 24 spends 13 to 25 µs on a raw one, for each packet of 64 KiB;
 * - ciphertext is not copied together for a buffer that Node's cipher has no use for;
 * - what arrives at once goes up at once, and what is sent at once goes to the socket at once, not buffer by buffer.
 *
 * The handshake, the keys and the nonces are the library's. Its ciphers are an option, but only together with everything else
 * that it takes from one, and its stream has no option at all: both are replaced where only their types hide them, which is
 * why the version is pinned.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { Socket } from 'node:net'
import type { ConnectionEncrypter, MessageStream, SecureConnectionOptions, SecuredConnection } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { Uint8ArrayList } from 'uint8arraylist'
import { type Bytes, PACKET_BYTES, PacketReader, partsOf, TAG_BYTES } from './noise-packets.ts'
import { socketOf } from './socket-of.ts'
import { TurnReader } from './turn-reader.ts'

const CIPHER = 'chacha20-poly1305'
const PLAIN_BYTES = PACKET_BYTES - TAG_BYTES
/** Packets that are encrypted before the socket is asked whether it can take more: as much as TLS gives it. */
const PACKETS_AT_ONCE = 2

type Components = Parameters<ReturnType<typeof noise>>[0]
type CipherInput = [data: Bytes, nonce: Uint8Array, ad: Uint8Array, key: Uint8Array]

interface LibraryNoise extends ConnectionEncrypter {
  readonly crypto: { encrypt(...input: CipherInput): Bytes; decrypt(...input: CipherInput): Bytes }
}

interface LibraryStream extends MessageStream {
  readonly handshake: { encrypt(plaintext: Bytes): Bytes; decrypt(packet: Bytes): Bytes }
  /** Cuts what arrives into packets, which the stream then decrypts. */
  readonly decoder: { readonly buffer: Uint8ArrayList; decode(arrived: Bytes): Iterable<Bytes> }
  onData(data: Uint8ArrayList): void
  sendData(data: Uint8ArrayList): { readonly sentBytes: number; readonly canSendMore: boolean }
}

/** Takes the place of `noise()` in `connectionEncrypters`. */
export const socketNoise =
  () =>
  (components: Components): ConnectionEncrypter => {
    const library = noise()(components) as unknown as LibraryNoise
    Object.assign(library.crypto, { encrypt, decrypt })
    const inbound = library.secureInbound.bind(library)
    const outbound = library.secureOutbound.bind(library)
    return Object.assign(library, {
      secureInbound: async (connection: MessageStream, options?: SecureConnectionOptions) =>
        makeLean(connection, await inbound(connection, options)),
      secureOutbound: async (connection: MessageStream, options?: SecureConnectionOptions) =>
        makeLean(connection, await outbound(connection, options))
    })
  }

function makeLean(connection: MessageStream, secured: SecuredConnection): SecuredConnection {
  const socket = socketOf(connection)
  if (socket === undefined) return secured
  const stream = secured.connection as LibraryStream
  readFrom(socket, stream)
  writeTo(socket, connection, stream)
  return secured
}

function readFrom(socket: Socket, stream: LibraryStream): void {
  const packets = new PacketReader((packet) => stream.handshake.decrypt(packet))
  const turns = new TurnReader((arrived) => {
    try {
      stream.onData(packets.push(arrived))
    } catch (error) {
      stream.abort(error as Error)
    }
  })
  // Part of a packet may have come with the last of the handshake.
  for (const bytes of stream.decoder.buffer) turns.add(bytes)
  stream.decoder.decode = (arrived) => {
    for (const bytes of partsOf(arrived)) turns.add(bytes)
    return []
  }
  // Before the stream learns of the end.
  socket.prependListener('end', () => turns.deliver())
  socket.prependListener('close', () => turns.deliver())
}

function writeTo(socket: Socket, connection: MessageStream, stream: LibraryStream): void {
  const sendData = stream.sendData.bind(stream)
  stream.sendData = (data) => {
    // The connection still has bytes of its own to send: ours queue up behind them.
    if (connection.writeBufferLength > 0) return sendData(data)
    const sentBytes = Math.min(data.byteLength, PACKETS_AT_ONCE * PLAIN_BYTES)
    socket.cork()
    try {
      for (let at = 0; at < sentBytes; at += PLAIN_BYTES) {
        const packet = stream.handshake.encrypt(data.sublist(at, Math.min(sentBytes, at + PLAIN_BYTES)))
        socket.write(Uint8Array.of(packet.byteLength >> 8, packet.byteLength))
        for (const part of partsOf(packet)) socket.write(part)
      }
    } finally {
      socket.uncork()
    }
    return { sentBytes, canSendMore: !socket.writableNeedDrain }
  }
}

/** A key lives as long as the connection that holds its bytes. */
const keys = new WeakMap<Uint8Array, KeyObject>()

function keyObject(bytes: Uint8Array): KeyObject {
  const known = keys.get(bytes)
  if (known !== undefined) return known
  const key = createSecretKey(bytes)
  keys.set(bytes, key)
  return key
}

function encrypt(...[plaintext, nonce, ad, key]: CipherInput): Uint8ArrayList {
  const cipher = createCipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
  const out: Uint8Array[] = []
  for (const part of partsOf(plaintext)) out.push(cipher.update(part))
  cipher.final()
  out.push(cipher.getAuthTag())
  return new Uint8ArrayList(...out)
}

/** Throws when the tag is wrong: nothing of the plaintext has been given out then. */
function decrypt(...[packet, nonce, ad, key]: CipherInput): Uint8ArrayList {
  const length = packet.byteLength - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, keyObject(key), nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(ad, { plaintextLength: length })
  decipher.setAuthTag(packet.subarray(length))
  const out: Uint8Array[] = []
  let left = length
  for (const part of partsOf(packet)) {
    if (left > 0) out.push(decipher.update(part.length > left ? part.subarray(0, left) : part))
    left -= part.length
  }
  decipher.final()
  return new Uint8ArrayList(...out)
}
