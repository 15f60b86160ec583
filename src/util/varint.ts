/** Unsigned LEB128 varints as protobuf, multiformats and CARv1 use them, up to 2^53 − 1. */

/** Bytes that `value` takes. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) length += 1
  return length
}

/** Writes `value` at `at` and gives the offset behind it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value
  let offset = at
  while (rest >= 128) {
    out[offset] = (rest % 128) | 128
    offset += 1
    rest = Math.floor(rest / 128)
  }
  out[offset] = rest
  return offset + 1
}

/**
 * Reads a varint at `at`. `undefined` when the bytes end within it; `null` when it exceeds 2^53 − 1 or 8 bytes.
 */
export function readVarint(
  bytes: Uint8Array,
  at: number
): { readonly value: number; readonly next: number } | undefined | null {
  let value = 0
  let factor = 1
  for (let offset = at; offset < bytes.length; offset += 1) {
    const byte = bytes[offset] ?? 0
    value += (byte & 127) * factor
    if (value > Number.MAX_SAFE_INTEGER) return null
    if (byte < 128) return { value, next: offset + 1 }
    factor *= 128
    if (offset - at >= 7) return null
  }
  return undefined
}
