/**
 * xxHash32 with seed 0, the checksum of LZ4 frames (github.com/Cyan4973/xxHash `doc/xxhash_spec.md`).
 */

const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f
const PRIME_5 = 0x165667b1

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  )
}

function round(lane: number, word: number): number {
  const sum = (lane + Math.imul(word, PRIME_2)) | 0
  return Math.imul((sum << 13) | (sum >>> 19), PRIME_1)
}

/** The hash of `bytes`, 32 bits unsigned. */
export function xxh32(bytes: Uint8Array): number {
  const hash = new Xxh32()
  hash.update(bytes)
  return hash.digest()
}

/** The hash of parts; every part but the last has a multiple of 16 bytes. */
export class Xxh32 {
  readonly #lanes = new Int32Array(FIRST_LANES)
  #length = 0
  #rest: Uint8Array = new Uint8Array(0)

  update(bytes: Uint8Array): void {
    const done = mix(bytes, this.#lanes, { from: 0, to: bytes.length })
    this.#length += bytes.length
    // copied: the caller may use its buffer again
    this.#rest = bytes.slice(done)
  }

  digest(): number {
    return finish(this.#rest, this.#lanes, this.#length)
  }
}

const FIRST_LANES = [(PRIME_1 + PRIME_2) | 0, PRIME_2 | 0, 0, -PRIME_1 | 0]

/** Takes whole stripes of 16 bytes in; gives where the rest begins. */
function mix(bytes: Uint8Array, lanes: Int32Array, range: { readonly from: number; readonly to: number }): number {
  let [a, b, c, d] = lanes as unknown as [number, number, number, number]
  let at = range.from
  for (const last = range.to - 16; at <= last; at += 16) {
    a = round(a, readWord(bytes, at))
    b = round(b, readWord(bytes, at + 4))
    c = round(c, readWord(bytes, at + 8))
    d = round(d, readWord(bytes, at + 12))
  }
  lanes.set([a, b, c, d])
  return at
}

/** `rest`: what lies behind the last whole stripe of `length` bytes. */
function finish(rest: Uint8Array, lanes: Int32Array, length: number): number {
  const [a, b, c, d] = lanes as unknown as [number, number, number, number]
  const end = rest.length
  let at = 0
  let hash =
    length >= 16
      ? ((a << 1) | (a >>> 31)) + ((b << 7) | (b >>> 25)) + ((c << 12) | (c >>> 20)) + ((d << 18) | (d >>> 14))
      : PRIME_5
  hash = (hash + length) | 0
  for (; at + 4 <= end; at += 4) {
    hash = (hash + Math.imul(readWord(rest, at), PRIME_3)) | 0
    hash = Math.imul((hash << 17) | (hash >>> 15), PRIME_4)
  }
  for (; at < end; at += 1) {
    hash = (hash + Math.imul(rest[at] as number, PRIME_5)) | 0
    hash = Math.imul((hash << 11) | (hash >>> 21), PRIME_1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2)
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3)
  return (hash ^ (hash >>> 16)) >>> 0
}
