/**
 * The bytes inside a TLS socket as the message stream that a muxer runs on: that of `@libp2p/tls`, with another way to read
 * and to write.
 *
 * Node's TLS joins several buffers into one, and turns a megabyte into a megabyte of records before the first of them leaves.
 * So small buffers are joined here, and large ones go as they are, piece by piece, each when the one before has left. The
 * stream says that it can take more only when all that it was given has been written: what waits, waits in the streams
 * above, where it is counted. And what comes in one turn of the event loop goes up at once, not record by record.
 */
import type { TLSSocket } from 'node:tls'
import type { MessageStream } from '@libp2p/interface'
import { toMessageStream } from '@libp2p/tls/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import { TurnReader } from './turn-reader.ts'

/** What is smaller than a record is joined with what follows. */
const RECORD_BYTES = 16_384

/** What the library's stream is made of (`AbstractMessageStream` of `@libp2p/utils`). */
interface LibraryStream extends MessageStream {
  writableNeedsDrain: boolean
  onData(data: Uint8ArrayList): void
  sendData(data: Uint8ArrayList): { readonly sentBytes: number; readonly canSendMore: boolean }
  /** True when all was sent and more can be. */
  processSendQueue(): boolean
  safeDispatchEvent(type: 'drain'): boolean
}

/** A stream of the socket's bytes, written in pieces of `writePieceBytes`; it closes the connection, and ends with it. */
export function socketStream(
  connection: MessageStream,
  { socket, writePieceBytes }: { readonly socket: TLSSocket; readonly writePieceBytes: number }
): MessageStream {
  const stream = toMessageStream(connection, socket) as LibraryStream
  const reader = new TurnReader((arrived) => stream.onData(arrived))
  socket.removeAllListeners('data')
  socket.on('data', (bytes: Uint8Array) => reader.add(bytes))
  // Before the stream learns of the end.
  socket.prependListener('close', () => reader.deliver())
  socket.removeAllListeners('drain')
  socket.on('drain', () => {
    stream.writableNeedsDrain = false
    if (stream.processSendQueue()) stream.safeDispatchEvent('drain')
  })
  stream.sendData = (data) => {
    const writer = new PieceWriter(socket, writePieceBytes)
    for (const bytes of data) if (!writer.write(bytes)) break
    writer.flush()
    return writer
  }
  return stream
}

/** Writes buffers as pieces; stops when the socket is full. */
class PieceWriter {
  readonly #socket: TLSSocket
  readonly #pieceBytes: number
  #small: Uint8Array[] = []
  #smallBytes = 0
  sentBytes = 0
  canSendMore = true

  constructor(socket: TLSSocket, pieceBytes: number) {
    this.#socket = socket
    this.#pieceBytes = pieceBytes
  }

  /** False when no more can be taken; `sentBytes` says how much was. */
  write(bytes: Uint8Array): boolean {
    let at = 0
    while (at < bytes.length && this.canSendMore) {
      const room = this.#smallBytes === 0 ? this.#pieceBytes : RECORD_BYTES - this.#smallBytes
      const end = Math.min(bytes.length, at + room)
      this.#take(bytes.subarray(at, end))
      at = end
    }
    return this.canSendMore
  }

  flush(): void {
    if (this.#smallBytes === 0) return
    const [only] = this.#small
    const joined = this.#small.length === 1 && only !== undefined ? only : Buffer.concat(this.#small, this.#smallBytes)
    this.#small = []
    this.#smallBytes = 0
    this.#send(joined)
  }

  #take(part: Uint8Array): void {
    if (this.#smallBytes === 0 && part.length >= RECORD_BYTES) {
      this.#send(part)
      return
    }
    this.#small.push(part)
    this.#smallBytes += part.length
    if (this.#smallBytes >= RECORD_BYTES) this.flush()
  }

  #send(bytes: Uint8Array): void {
    this.sentBytes += bytes.length
    this.canSendMore = this.#socket.write(bytes)
  }
}
