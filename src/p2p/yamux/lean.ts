/**
 * Makes a muxer of `@libp2p/yamux` do less for each frame. On the wire nothing changes.
 *
 * - Bodies are handed to their stream as they arrive, not when the frame is complete: a megabyte is hashed while it comes in,
 *   and its chunks die young.
 * - A window update is sent when half of the first window is due, as Go's yamux does, not for every frame. With the first of
 *   them a stream gets its largest window, and from then on one is sent for each quarter of it. The library doubles it whenever bytes are read within four round trips, which on a
 *   short way depends on how busy the reader is; and what is to be held in the worst case is the same.
 * - No frame is spelled out for a log that nobody keeps.
 *
 * It stands in for three methods of the muxer, two of which only its types call private; that is why the version is pinned,
 * and `test/unit/p2p/yamux.test.ts` runs it against the library as it is.
 */
import { InvalidMessageError } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { DATA, encodeHeader, type FrameHeader, FrameReader, SYN, WINDOW_UPDATE } from './frames.ts'

/** Half of the first window: with less held back, no sender ever waits for it. */
const HELD_BYTES = 131_072
/** Of a wide window a quarter may be held back: an update is a frame, a record and a packet of its own, at both ends. */
const HELD_PART_OF_WIDE = 4

interface LibraryStream {
  readonly streamId: number
  readonly maxStreamWindowSize: number
  recvWindow: number
  recvWindowCapacity: number
  handleData(frame: { readonly header: FrameHeader; readonly data: Uint8ArrayList }): void
}

interface LibraryMuxer {
  readonly streams: readonly LibraryStream[]
  onData(data: Uint8Array | Uint8ArrayList): void
  handleFrame(frame: { readonly header: FrameHeader; readonly data?: Uint8ArrayList }): void
  sendFrame(header: FrameHeader, body?: Uint8ArrayList): boolean
  send(data: Uint8Array | Uint8ArrayList): boolean
}

/**
 * To be called on a new muxer, before its first frame. Without `wideWindows` a window grows as the library has it, and Go's
 * yamux: it doubles while it is read within four round trips.
 */
export function makeLean(muxer: object, options: { readonly wideWindows: boolean }): void {
  const library = muxer as LibraryMuxer
  const receiver = new Receiver(library)
  const credits = new Credits(library, options.wideWindows)
  library.onData = (data) => receiver.push(data)
  library.sendFrame = (header, body) => {
    if (header.type === DATA && body !== undefined) return library.send(new Uint8ArrayList(encodeHeader(header), body))
    const length = header.type === WINDOW_UPDATE ? credits.due(header) : header.length
    return length === undefined || library.send(encodeHeader({ ...header, length }))
  }
}

const streamOf = (library: LibraryMuxer, id: number): LibraryStream | undefined =>
  library.streams.find(({ streamId }) => streamId === id)

/** Hands what arrives to the streams: all that one of them gets in a row at once. */
class Receiver {
  readonly #library: LibraryMuxer
  readonly #reader: FrameReader
  #header: FrameHeader | undefined
  #data = new Uint8ArrayList()

  constructor(library: LibraryMuxer) {
    this.#library = library
    this.#reader = new FrameReader({
      body: (header) => this.#onBody(header),
      bytes: (header, piece) => this.#onBytes(header, piece),
      frame: (header) => {
        this.#flush()
        library.handleFrame({ header })
      }
    })
  }

  push(data: Uint8Array | Uint8ArrayList): void {
    if (data instanceof Uint8Array) this.#reader.push(data)
    else for (const chunk of data) this.#reader.push(chunk)
    this.#flush()
  }

  #onBody({ streamID, length }: FrameHeader): void {
    const stream = streamOf(this.#library, streamID)
    if (stream !== undefined && length > stream.recvWindowCapacity) {
      throw new InvalidMessageError('a yamux frame beyond the window')
    }
  }

  #onBytes(header: FrameHeader, piece: Uint8Array): void {
    if (this.#header?.streamID !== header.streamID || header.flag !== 0) this.#flush()
    this.#header ??= header
    this.#data.append(piece)
    if (header.flag !== 0) this.#flush()
  }

  #flush(): void {
    if (this.#header === undefined) return
    const frame = { header: { ...this.#header, length: this.#data.byteLength }, data: this.#data }
    this.#header = undefined
    this.#data = new Uint8ArrayList()
    if ((frame.header.flag & SYN) !== 0) this.#library.handleFrame(frame)
    else streamOf(this.#library, frame.header.streamID)?.handleData(frame)
  }
}

/** Window updates that are not worth a frame yet. */
class Credits {
  readonly #library: LibraryMuxer
  readonly #wide: boolean
  readonly #held = new WeakMap<LibraryStream, number>()

  constructor(library: LibraryMuxer, wide: boolean) {
    this.#library = library
    this.#wide = wide
  }

  /** What is to be granted now, with all that was held back; `undefined` when it is too little to be sent. */
  due({ streamID, flag, length }: FrameHeader): number | undefined {
    const stream = streamOf(this.#library, streamID)
    if (stream === undefined) return length
    const credit = (this.#held.get(stream) ?? 0) + length
    const least = this.#wide ? Math.max(HELD_BYTES, stream.recvWindow / HELD_PART_OF_WIDE) : HELD_BYTES
    if (flag === 0 && credit < least) {
      this.#held.set(stream, credit)
      return undefined
    }
    this.#held.delete(stream)
    return credit < HELD_BYTES || !this.#wide ? credit : credit + widen(stream)
  }
}

/** The stream carries data: it gets the window that it may have. */
function widen(stream: LibraryStream): number {
  const more = stream.maxStreamWindowSize - stream.recvWindow
  stream.recvWindow += more
  stream.recvWindowCapacity += more
  return more
}
