import { encodeWantBlock, encodeWantHave } from '../message/encoder.ts'

/** An entry of the encoder without its last fields, of `bytes` bytes. */
function without(entry: Uint8Array, bytes: number): Uint8Array {
  const cut = entry.slice(0, entry.length - bytes)
  cut[1] = cut.length - 2
  return cut
}

/** A want-block that is not to be acknowledged by a HAVE, which boxo's client would take for a quick answer. */
export const classicWantBlock = (cid: Uint8Array): Uint8Array => without(encodeWantBlock(cid), 2)

/** A want-have to a peer of the session: DONT_HAVE is an answer. */
export const classicWantHave = encodeWantHave

/** A want-have to everybody: only HAVE is an answer (`messagequeue.go`, `bcstWants`). */
export const classicBroadcast = (cid: Uint8Array): Uint8Array => without(encodeWantHave(cid), 2)
