/**
 * One compressed LZ4 block (github.com/lz4/lz4 `doc/lz4_Block_format.md`) in two passes: `measureBlock` walks the tokens and
 * tells the decompressed length, so that exactly so much can be allocated after every bound is checked; `expandBlock` copies.
 */

/** Below this many bytes a plain loop is faster than a call into the runtime. */
const LOOP_BYTES = 32

/**
 * Decompressed length, or −1 when the block is broken or longer than `max`. Offsets are left to `expandBlock`. A block may end
 * in a match, and its last literals may not carry match bits, as flow-go's reader has it (pierrec/lz4).
 */
export function measureBlock(source: Uint8Array, max: number): number {
  const end = source.length
  let at = 0
  let length = 0
  while (at < end) {
    const token = source[at] as number
    at += 1
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        if (at >= end) return -1
        more = source[at] as number
        at += 1
        literals += more
      } while (more === 255)
    }
    at += literals
    length += literals
    if (at >= end) return at === end && (token & 15) === 0 && length <= max ? length : -1
    at += 2
    if (at > end) return -1
    let match = (token & 15) + 4
    if (match === 19) {
      let more: number
      do {
        if (at >= end) return -1
        more = source[at] as number
        at += 1
        match += more
      } while (more === 255)
    }
    length += match
    if (length > max) return -1
  }
  return length
}

/**
 * Decompresses a block that `measureBlock` found sound to `at`, where there is room for it. Matches may reach back to `windowStart`.
 * Gives the offset behind the output, or −1 when a match reaches further back or has offset 0.
 */
export function expandBlock(source: Uint8Array, target: Uint8Array, window: { at: number; start: number }): number {
  const end = source.length
  const start = window.start
  let at = window.at
  let from = 0
  while (from < end) {
    const token = source[from] as number
    from += 1
    let literals = token >>> 4
    if (literals === 15) {
      let more: number
      do {
        more = source[from] as number
        from += 1
        literals += more
      } while (more === 255)
    }
    if (literals < LOOP_BYTES) {
      for (const stop = from + literals; from < stop; from += 1, at += 1) target[at] = source[from] as number
    } else {
      target.set(source.subarray(from, from + literals), at)
      from += literals
      at += literals
    }
    if (from >= end) break
    const offset = (source[from] as number) | ((source[from + 1] as number) << 8)
    from += 2
    let match = (token & 15) + 4
    if (match === 19) {
      let more: number
      do {
        more = source[from] as number
        from += 1
        match += more
      } while (more === 255)
    }
    let back = at - offset
    if (offset === 0 || back < start) return -1
    if (match < LOOP_BYTES) {
      for (const stop = at + match; at < stop; at += 1, back += 1) target[at] = target[back] as number
    } else {
      at = repeat(target, at, { offset, length: match })
    }
  }
  return at
}

/** Copies a long match by doubling what is already there. */
function repeat(target: Uint8Array, at: number, match: { offset: number; length: number }): number {
  const { offset, length } = match
  let copied = Math.min(offset, length)
  target.copyWithin(at, at - offset, at - offset + copied)
  while (copied < length) {
    const size = Math.min(copied, length - copied)
    target.copyWithin(at + copied, at, at + size)
    copied += size
  }
  return at + length
}
