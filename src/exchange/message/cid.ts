import { CID_LENGTH, type DigestKey, digestKey } from '../../model/index.ts'
import { CID_V0, CID_V1_RAW, type CidForm } from './types.ts'

/** Longest CID that is read at all, bytes (boxo `bitswap/internal/defaults/defaults.go`). */
export const MAX_CID_BYTES = 168

export interface ParsedCid {
  readonly key: DigestKey
  readonly form: CidForm
}

/** Reads `12 20 <digest>` or `01 55 12 20 <digest>`; `undefined` for any other CID. Copies what it keeps. */
export function parseCid(bytes: Uint8Array): ParsedCid | undefined {
  if (bytes.length === CID_LENGTH && bytes[0] === 0x12 && bytes[1] === 0x20) {
    return { key: digestKey(bytes.subarray(2)), form: CID_V0 }
  }
  const raw = bytes[0] === 0x01 && bytes[1] === 0x55 && bytes[2] === 0x12 && bytes[3] === 0x20
  if (bytes.length === CID_LENGTH + 2 && raw) return { key: digestKey(bytes.subarray(4)), form: CID_V1_RAW }
  return undefined
}

const HEAD_V0 = Uint8Array.of(0x12, 0x20)
const HEAD_V1_RAW = Uint8Array.of(0x01, 0x55, 0x12, 0x20)

/** What stands before a CID's digest. */
export const cidHead = (form: CidForm): Uint8Array => (form === CID_V0 ? HEAD_V0 : HEAD_V1_RAW)

/** Longest presence that is written, bytes: tags, lengths, a CIDv1 and its type. */
export const MAX_PRESENCE_BYTES = 4 + CID_LENGTH + 2 + 2

/** Writes the CID of a digest in one of the two forms, 34 or 36 bytes; gives the place behind it. */
export function writeCid(out: Uint8Array, at: number, cid: ParsedCid): number {
  const head = cidHead(cid.form)
  out.set(head, at)
  const from = at + head.length
  for (let index = 0; index < cid.key.length; index += 1) out[from + index] = cid.key.charCodeAt(index)
  return from + cid.key.length
}

const PREFIX_V0 = Uint8Array.of(0x00, 0x70, 0x12, 0x20)
const PREFIX_V1_RAW = Uint8Array.of(0x01, 0x55, 0x12, 0x20)

/** A block's prefix: CID version, codec, hash code and digest length. */
export const prefixBytes = (form: CidForm): Uint8Array => (form === CID_V0 ? PREFIX_V0 : PREFIX_V1_RAW)

/** Whether blocks with this prefix are taken. */
export function isKnownPrefix(bytes: Uint8Array): boolean {
  if (bytes.length !== 4 || bytes[2] !== 0x12 || bytes[3] !== 0x20) return false
  return (bytes[0] === 0x00 && bytes[1] === 0x70) || (bytes[0] === 0x01 && bytes[1] === 0x55)
}
