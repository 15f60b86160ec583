/**
 * The form of a binary CID as go-cid's `Cast` takes it: version 0 is a bare sha2-256 multihash of 34 bytes; version 1 is
 * version, codec, hash code, digest length and digest, all varints in shortest form; nothing may follow.
 */

/** A uvarint of go-multiformats: at most 63 bits in nine bytes, shortest form. Its value may lose precision above 2^53. */
function uvarint(bytes: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0
  let factor = 1
  for (let i = at; i < bytes.length && i < at + 9; i += 1) {
    const byte = bytes[i] as number
    value += (byte & 127) * factor
    factor *= 128
    if (byte < 128) return byte === 0 && i > at ? undefined : { value, next: i + 1 }
  }
  return undefined
}

/** What is wrong with a binary CID, or `undefined`. */
export function cidForm(bytes: Uint8Array): string | undefined {
  if (bytes.length > 2 && bytes[0] === 0x12 && bytes[1] === 0x20) {
    return bytes.length === 34 ? undefined : 'a CID of version 0 that is not 34 bytes long'
  }
  const version = uvarint(bytes, 0)
  if (version?.value !== 1) return 'a CID of neither version 0 nor 1'
  const codec = uvarint(bytes, version.next)
  const code = codec && uvarint(bytes, codec.next)
  const length = code && uvarint(bytes, code.next)
  if (length === undefined) return 'a CID with a broken number in it'
  return length.next + length.value === bytes.length ? undefined : 'a CID of another length than it says'
}

/** The 32 bytes of a well-formed CID's sha2-256 digest, or `undefined` when it has another hash: no blob can be had by it. */
export function sha256Digest(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 34 && bytes[0] === 0x12) return bytes.subarray(2)
  const multihash = bytes.length - 34
  return multihash > 0 && endsWithSha256(bytes, multihash) ? bytes.subarray(multihash + 2) : undefined
}

function endsWithSha256(bytes: Uint8Array, multihash: number): boolean {
  const codec = uvarint(bytes, 1)
  return codec?.next === multihash && bytes[multihash] === 0x12 && bytes[multihash + 1] === 0x20
}
