/** noise's packets (libp2p/specs `noise/README.md`, "Wire format"): two bytes of length, and so much ciphertext. */
import { InvalidMessageError } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { concatBytes } from '../../util/index.ts'

/** Largest length. */
export const PACKET_BYTES = 65_535
export const TAG_BYTES = 16
const HEAD_BYTES = 2
/** A packet that arrives in more pieces is joined: each piece costs as much as some hundred bytes. */
const MAX_PIECES = 32

export type Bytes = Uint8Array | Uint8ArrayList

/** The buffers in order, without a copy. */
export const partsOf = (bytes: Bytes): Iterable<Uint8Array> => (bytes instanceof Uint8Array ? [bytes] : bytes)

/** Reads packets from bytes cut anywhere. Keeps at most one packet, in the buffers in which it came. */
export class PacketReader {
  readonly #open: (packet: Uint8ArrayList) => Bytes
  #head = 0
  #headBytes = 0
  #pieces: Uint8Array[] = []
  #left = 0

  /** `open` decrypts one packet and throws when it is not genuine. */
  constructor(open: (packet: Uint8ArrayList) => Bytes) {
    this.#open = open
  }

  /**
   * Gives the plaintext of all packets that are complete now. Throws InvalidMessageError when one is too short to have a tag,
   * and what `open` throws; it must not be used again then.
   */
  push(arrived: Bytes): Uint8ArrayList {
    const out = new Uint8ArrayList()
    for (const chunk of partsOf(arrived)) {
      let at = 0
      while (at < chunk.length) at = this.#left === 0 ? this.#readHead(chunk, at) : this.#readBody(chunk, at, out)
    }
    return out
  }

  #readHead(chunk: Uint8Array, at: number): number {
    this.#head = (this.#head << 8) | (chunk[at] ?? 0)
    this.#headBytes += 1
    if (this.#headBytes === HEAD_BYTES) {
      if (this.#head < TAG_BYTES) throw new InvalidMessageError(`a noise packet of ${this.#head} bytes has no tag`)
      this.#left = this.#head
      this.#head = 0
      this.#headBytes = 0
    }
    return at + 1
  }

  #readBody(chunk: Uint8Array, at: number, out: Uint8ArrayList): number {
    const end = Math.min(chunk.length, at + this.#left)
    this.#left -= end - at
    this.#pieces.push(chunk.subarray(at, end))
    if (this.#left === 0) {
      const packet = new Uint8ArrayList(...this.#pieces)
      this.#pieces = []
      out.append(this.#open(packet))
    } else if (this.#pieces.length > MAX_PIECES) this.#pieces = [concatBytes(this.#pieces)]
    return end
  }
}
