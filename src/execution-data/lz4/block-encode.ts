/**
 * Compresses one LZ4 block with exactly the choices of the fast compressor that flow-go uses (pierrec/lz4 v4, BSD-3-Clause,
 * `internal/lz4block/block.go`): which bytes come out decides a blob's CID, so any other valid compression would give other ids.
 * Checked byte for byte against golden vectors.
 *
 * The search looks at three positions a step (si, si + 1, si + 2) in a table of 65,536 slots of 16-bit positions, hashes six
 * bytes, extends matches backwards byte by byte and forwards eight bytes at a time, and skips faster the longer nothing is found.
 */

const WINDOW = 65_536
/** No match is begun or extended within so many bytes of the end. */
const TAIL = 14
const MIN_MATCH = 4

/** Most bytes that `BlockEncoder` can write for `length` bytes of input. */
export function blockBound(length: number): number {
  return length + Math.floor(length / 255) + 32
}

/** Bits 32–47 of the product of a 48-bit number (low 32 and high 16 bits) and the six-byte prime 0xcf1bbcdcbf9b. */
function hash6(low: number, high: number): number {
  const a = low & 0xffff
  const b = low >>> 16
  const cross = (Math.imul(a, 0xbf9b) >>> 16) + Math.imul(a, 0xbcdc)
  const mid = (cross & 0xffff) + Math.imul(b, 0xbf9b)
  const carry = Math.imul(b, 0xbcdc) + (cross >>> 16) + (mid >>> 16)
  return (carry + Math.imul(low, 0xcf1b) + Math.imul(high, 0xbf9b)) & 0xffff
}

function word(source: Uint8Array, at: number): number {
  return (
    (source[at] as number) |
    ((source[at + 1] as number) << 8) |
    ((source[at + 2] as number) << 16) |
    ((source[at + 3] as number) << 24)
  )
}

function half(source: Uint8Array, at: number): number {
  return (source[at] as number) | ((source[at + 1] as number) << 8)
}

/** The position stored for a slot as seen from `at`: the last one before it that has these 16 low bits; may be negative. */
function candidate(stored: number, at: number): number {
  const found = stored + (at & ~0xffff)
  return found >= at ? found - WINDOW : found
}

/** The table of a block that is done, for the next one. */
let spare: Uint16Array | undefined

/**
 * Compresses `source` to `target` at `at`, where there must be `blockBound(source.length)` bytes, in as many turns as one likes. Its table
 * is its own: several blocks may be under way.
 */
export class BlockEncoder {
  readonly #source: Uint8Array
  readonly #target: Uint8Array
  readonly #at: number
  readonly #table: Uint16Array
  #si = 0
  #anchor = 0
  #out: number

  constructor(source: Uint8Array, target: Uint8Array, at: number) {
    this.#source = source
    this.#target = target
    this.#at = at
    this.#out = at
    this.#table = spare?.fill(0) ?? new Uint16Array(WINDOW)
    spare = undefined
  }

  /** Goes on until about so many more bytes are done; true when the search is over and `finish` is due, once. */
  advance(bytes: number): boolean {
    const source = this.#source
    const target = this.#target
    const table = this.#table
    const stop = source.length - TAIL
    let anchor = this.#anchor
    let out = this.#out
    let si = this.#si
    const pause = Math.min(stop, si + bytes)
    while (si < pause) {
      const low = word(source, si)
      const four = source[si + 4] as number
      const five = source[si + 5] as number
      const six = source[si + 6] as number
      const slot = hash6(low, four | (five << 8))
      const low2 = (low >>> 8) | (four << 24)
      const slot2 = hash6(low2, five | (six << 8))
      let ref = candidate(table[slot] as number, si)
      const ref2 = candidate(table[slot2] as number, si + 1)
      table[slot] = si
      table[slot2] = si + 1
      if (ref < 0 || si - ref >= WINDOW || word(source, ref) !== low) {
        const low3 = (low >>> 16) | (four << 16) | (five << 24)
        const slot3 = hash6(low3, six | ((source[si + 7] as number) << 8))
        const ref3 = candidate(table[slot3] as number, si + 2)
        si += 1
        ref = ref2
        if (ref < 0 || si - ref >= WINDOW || word(source, ref) !== (low2 | 0)) {
          si += 1
          ref = ref3
          table[slot3] = si
          if (ref < 0 || si - ref >= WINDOW || word(source, ref) !== (low3 | 0)) {
            si += 2 + ((si - anchor) >> 7)
            continue
          }
        }
      }
      const offset = si - ref
      const searched = si + MIN_MATCH
      while (si > anchor && ref > 0 && source[si - 1] === source[ref - 1]) {
        si -= 1
        ref -= 1
      }
      const end = matchEnd(source, { from: searched, offset, stop })
      out = emitSequence(source, target, { anchor, si, end, offset, out })
      si = end
      anchor = end
      if (si >= stop) break
      table[hash6(word(source, si - 2), half(source, si + 2))] = si - 2
    }
    this.#si = si
    this.#anchor = anchor
    this.#out = out
    return si >= stop
  }

  /** The offset behind the output, or −1 when the block is to be stored as it is. */
  finish(): number {
    spare = this.#table
    if (this.#source.length <= TAIL) return -1
    return lastLiterals(this.#source, this.#target, { anchor: this.#anchor, at: this.#at, out: this.#out })
  }
}

/** Where a match ends that holds up to `from`: eight bytes at a time while they lie before `stop`. */
function matchEnd(source: Uint8Array, match: { from: number; offset: number; stop: number }): number {
  const { offset, stop } = match
  let at = match.from
  while (at + 8 <= stop) {
    for (let i = 0; i < 8; i += 1) {
      if (source[at + i] !== source[at + i - offset]) return at + i
    }
    at += 8
  }
  return at
}

interface Sequence {
  readonly anchor: number
  readonly si: number
  readonly end: number
  readonly offset: number
  readonly out: number
}

function emitSequence(source: Uint8Array, target: Uint8Array, sequence: Sequence): number {
  const { anchor, si, offset } = sequence
  const literals = si - anchor
  const extra = sequence.end - si - MIN_MATCH
  let out = sequence.out
  target[out] = ((literals < 15 ? literals : 15) << 4) | (extra < 15 ? extra : 15)
  out += 1
  if (literals >= 15) out = emitLength(target, out, literals - 15)
  if (literals < 32) {
    for (let i = anchor; i < si; i += 1, out += 1) target[out] = source[i] as number
  } else {
    target.set(source.subarray(anchor, si), out)
    out += literals
  }
  target[out] = offset & 255
  target[out + 1] = offset >>> 8
  out += 2
  return extra >= 15 ? emitLength(target, out, extra - 15) : out
}

function emitLength(target: Uint8Array, at: number, length: number): number {
  let out = at
  let rest = length
  for (; rest >= 255; rest -= 255, out += 1) target[out] = 255
  target[out] = rest
  return out + 1
}

/** Stored as it is when nothing matched, or when the output before the last literals is as long as what it stands for. */
function lastLiterals(
  source: Uint8Array,
  target: Uint8Array,
  state: { anchor: number; at: number; out: number }
): number {
  const { anchor, at } = state
  if (anchor === 0) return -1
  const literals = source.length - anchor
  let out = state.out
  target[out] = (literals < 15 ? literals : 15) << 4
  out += 1
  if (literals >= 15) out = emitLength(target, out, literals - 15)
  if (out - at >= anchor) return -1
  target.set(source.subarray(anchor), out)
  return out + literals
}
