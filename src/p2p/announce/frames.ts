/**
 * Frames of `/sealsync/announce/1.0.0`: length varint | type u8 | body. The side that opened the stream sends requests, the
 * other the rest.
 *
 *   01 request     id varint | from varint | to varint
 *   10 offer       00, or 01 | lowest varint | highest varint
 *   11 live        signed announcement
 *   12 replay      signed announcement
 *   13 replay end  request id varint | 00 done, 01 not served
 */
import type { Height, SignedAnnouncement } from '../../model/index.ts'
import { readVarint, varintLength, writeVarint } from '../../util/index.ts'
import { encodeSigned, MAX_SIGNED_ANNOUNCEMENT_BYTES, malformed } from './codec.ts'

export const ANNOUNCE_PROTOCOL = '/sealsync/announce/1.0.0'

const REQUEST = 0x01
const OFFER = 0x10
const LIVE = 0x11
const REPLAY = 0x12
const REPLAY_END = 0x13

/** Largest frame an execution node sends, without its length, bytes. */
export const MAX_ANSWER_FRAME = 1 + MAX_SIGNED_ANNOUNCEMENT_BYTES
/** Largest frame an access node sends: a type and three varints. */
export const MAX_REQUEST_FRAME = 1 + 3 * 8

export interface RangeRequest {
  readonly id: number
  readonly from: Height
  readonly to: Height
}

export type Answer =
  | { readonly type: 'offer'; readonly lowest: Height | undefined; readonly highest: Height | undefined }
  | { readonly type: 'announcement'; readonly live: boolean; readonly body: Uint8Array }
  | { readonly type: 'replay-end'; readonly id: number; readonly served: boolean }

export const encodeRequest = ({ id, from, to }: RangeRequest): Uint8Array => frame(REQUEST, varints(id, from, to))

export const encodeReplayEnd = (id: number, served: boolean): Uint8Array => {
  const body = varints(id, served ? 0 : 1)
  return frame(REPLAY_END, body)
}

export const encodeOffer = (lowest: Height | undefined, highest: Height | undefined): Uint8Array =>
  frame(OFFER, lowest === undefined || highest === undefined ? new Uint8Array(1) : varints(1, lowest, highest))

export const encodeAnnouncement = (signed: SignedAnnouncement, live: boolean): Uint8Array =>
  frame(live ? LIVE : REPLAY, encodeSigned(signed))

/** Reads a frame of the side that opened the stream. Throws P2pError `announcement-malformed`. */
export function decodeRequest(bytes: Uint8Array): RangeRequest {
  if (bytes[0] !== REQUEST) throw malformed('not a request')
  const [id = 0, from = 0, to = 0] = readVarints(bytes, 3)
  if (from > to) throw malformed('a range that ends before it begins')
  return { id, from, to }
}

/**
 * Reads a frame of an execution node. The body of an announcement is left as it is, so that a repeated one can be told
 * before it is decoded. Throws P2pError `announcement-malformed`.
 */
export function decodeAnswer(bytes: Uint8Array): Answer {
  const type = bytes[0]
  if (type === LIVE || type === REPLAY) return { type: 'announcement', live: type === LIVE, body: bytes.subarray(1) }
  if (type === OFFER) return decodeOffer(bytes)
  if (type !== REPLAY_END) throw malformed('an unknown type of frame')
  const [id = 0, status = 0] = readVarints(bytes, 2)
  if (status > 1) throw malformed('an unknown end of a replay')
  return { type: 'replay-end', id, served: status === 0 }
}

function decodeOffer(bytes: Uint8Array): Answer {
  if (bytes.length === 2 && bytes[1] === 0) return { type: 'offer', lowest: undefined, highest: undefined }
  const [some, lowest = 0, highest = 0] = readVarints(bytes, 3)
  if (some !== 1 || lowest > highest) throw malformed('an offer that offers nothing')
  return { type: 'offer', lowest, highest }
}

function frame(type: number, body: Uint8Array): Uint8Array {
  const length = 1 + body.length
  const head = varintLength(length)
  const out = new Uint8Array(head + length)
  writeVarint(out, 0, length)
  out[head] = type
  out.set(body, head + 1)
  return out
}

function varints(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(values.reduce((sum, value) => sum + varintLength(value), 0))
  let at = 0
  for (const value of values) at = writeVarint(out, at, value)
  return out
}

/** Exactly `count` varints behind the type, each in its shortest form. */
function readVarints(bytes: Uint8Array, count: number): number[] {
  const values: number[] = []
  let at = 1
  for (let index = 0; index < count; index += 1) {
    const read = readVarint(bytes, at)
    if (!read || read.next - at !== varintLength(read.value))
      throw malformed('a number is cut off or not in shortest form')
    values.push(read.value)
    at = read.next
  }
  if (at !== bytes.length) throw malformed('bytes behind the end of a frame')
  return values
}

/**
 * Cuts a stream into frames. Holds at most one frame, whose buffer is made when its length is known and within bounds; the
 * cost is linear in the bytes however they are cut. A frame that is given out is fresh and belongs to the caller.
 */
export class FrameDecoder {
  readonly #maxFrame: number
  #length = 0
  #factor = 1
  #body: Uint8Array | undefined
  #filled = 0

  constructor(maxFrame: number) {
    this.#maxFrame = maxFrame
  }

  /** Bytes held of a frame that is not complete. */
  get buffered(): number {
    return this.#filled
  }

  /** Takes bytes and gives the frames that they complete. Throws P2pError `announcement-malformed`; the stream is lost then. */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0
    while (at < chunk.length) {
      if (this.#body === undefined) {
        this.#readLength(chunk[at] ?? 0)
        at += 1
        continue
      }
      const part = chunk.subarray(at, at + this.#body.length - this.#filled)
      this.#body.set(part, this.#filled)
      this.#filled += part.length
      at += part.length
      if (this.#filled < this.#body.length) continue
      const frameBytes = this.#body
      this.#reset()
      yield frameBytes
    }
  }

  #readLength(byte: number): void {
    this.#length += (byte & 127) * this.#factor
    if (this.#length > this.#maxFrame) throw malformed(`a frame of more than ${this.#maxFrame} bytes`)
    if (byte >= 128) {
      this.#factor *= 128
      // Four bytes say more than any frame may have; this also ends runs of 80 80 80 ….
      if (this.#factor > 2 ** 21) throw malformed('the length of a frame is not in shortest form')
      return
    }
    if (this.#length === 0 || (byte === 0 && this.#factor > 1)) throw malformed('an empty frame')
    this.#body = new Uint8Array(this.#length)
  }

  #reset(): void {
    this.#length = 0
    this.#factor = 1
    this.#body = undefined
    this.#filled = 0
  }
}
