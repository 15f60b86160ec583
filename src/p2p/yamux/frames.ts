/** yamux's frames (hashicorp/yamux `spec.md`): a header of 12 bytes, and a body behind that of a data frame. */
import { InvalidMessageError } from '@libp2p/interface'

export const DATA = 0
export const WINDOW_UPDATE = 1
export const SYN = 1
const FIN = 4
const HEADER_BYTES = 12
const VERSION = 0

export interface FrameHeader {
  readonly type: number
  readonly flag: number
  readonly streamID: number
  readonly length: number
}

export interface FrameSink {
  /** A data frame's header was read; its body follows in pieces, which together are `length` long. */
  body(header: FrameHeader): void
  /**
   * The next bytes of a body, as if they were a frame of their own: the flags that open a stream come with the first, FIN
   * with the last. Never empty, but for a body that is.
   */
  bytes(header: FrameHeader, piece: Uint8Array): void
  /** A frame without a body. */
  frame(header: FrameHeader): void
}

export function encodeHeader(header: FrameHeader): Uint8Array {
  const out = new Uint8Array(HEADER_BYTES)
  const view = new DataView(out.buffer)
  out[1] = header.type
  view.setUint16(2, header.flag)
  view.setUint32(4, header.streamID)
  view.setUint32(8, header.length)
  return out
}

/**
 * Reads frames from chunks cut anywhere and hands bodies on as they come, without keeping a byte of them. (`@libp2p/yamux`
 * gathers a frame before it looks at it: up to a window of chunks that outlive the young generation, and without any bound
 * where the peer lies about the length.)
 */
export class FrameReader {
  readonly #sink: FrameSink
  readonly #head = new Uint8Array(HEADER_BYTES)
  readonly #view = new DataView(this.#head.buffer)
  #have = 0
  #header: FrameHeader | undefined
  #flag = 0
  #left = 0

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** Throws InvalidMessageError for a version that is not 0, and what the sink throws. */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#header === undefined) at = this.#readHead(chunk, at)
      else {
        const end = Math.min(chunk.length, at + this.#left)
        this.#onBytes(this.#header, chunk.subarray(at, end))
        at = end
      }
    }
  }

  #onBytes(header: FrameHeader, piece: Uint8Array): void {
    this.#left -= piece.length
    const last = this.#left === 0
    this.#header = last ? undefined : header
    const flag = last ? this.#flag : this.#flag & ~FIN
    this.#flag &= FIN
    this.#sink.bytes({ ...header, flag, length: piece.length }, piece)
  }

  #readHead(chunk: Uint8Array, from: number): number {
    const end = Math.min(chunk.length, from + HEADER_BYTES - this.#have)
    this.#head.set(chunk.subarray(from, end), this.#have)
    this.#have += end - from
    if (this.#have < HEADER_BYTES) return end
    this.#have = 0
    this.#onHead()
    return end
  }

  #onHead(): void {
    if (this.#head[0] !== VERSION) throw new InvalidMessageError(`yamux version ${this.#head[0]}`)
    const header = {
      type: this.#head[1] ?? 0,
      flag: this.#view.getUint16(2),
      streamID: this.#view.getUint32(4),
      length: this.#view.getUint32(8)
    }
    if (header.type !== DATA || header.streamID === 0) {
      this.#sink.frame(header)
      return
    }
    this.#sink.body(header)
    this.#flag = header.flag
    this.#left = header.length
    if (header.length === 0) this.#onBytes(header, EMPTY)
    else this.#header = header
  }
}

const EMPTY = new Uint8Array(0)
