import { Buffer } from 'node:buffer'
import { encodeChunk, encodeCidList, encodeRoot } from './cbor/encode.ts'
import { ExecutionDataError } from './errors.ts'
import type { DecodedFrame } from './lz4/frame-decode.ts'
import type { BlockExecutionDataRoot, ChunkExecutionData, CidBytes } from './types.ts'

/**
 * What `strict` asks beyond what flow-go's reader asks: that the bytes are those which a well-behaved producer writes. It is the
 * deterministic encoding that decides: an object is encoded again and has to give the bytes it came from, so unknown, repeated,
 * missing and misspelt keys, tags, indefinite and long lengths, padded or cut arrays and bytes behind the item are all found by
 * one comparison.
 */

/** Magic, FLG, BD and header checksum of every frame that flow-go writes. */
const FRAME_HEAD = [0x04, 0x22, 0x4d, 0x18, 0x64, 0x70, 0xb9]

type Decoded =
  | { readonly code: 1; readonly value: readonly CidBytes[] | null }
  | { readonly code: 2; readonly value: BlockExecutionDataRoot }
  | { readonly code: 3 | 4; readonly value: ChunkExecutionData }

/** Throws `lz4-malformed`. */
export function assertCanonicalFrame(slices: readonly Uint8Array[], frame: DecodedFrame): void {
  if (frame.followed) throw new ExecutionDataError('lz4-malformed', 'bytes behind the frame')
  let at = 0
  for (const slice of slices) {
    for (let i = 0; i < slice.length && at < FRAME_HEAD.length; i += 1, at += 1) {
      if (slice[i] !== FRAME_HEAD[at]) {
        throw new ExecutionDataError('lz4-malformed', 'a frame with another descriptor than flow-go writes')
      }
    }
  }
}

/** Throws `cbor-malformed` unless `object` is encoded as `cbor`, to the last byte, and lacks nothing that every producer has. */
export function assertCanonical(object: Decoded, cbor: Uint8Array): void {
  const again = encode(object)
  if (Buffer.compare(again, cbor) !== 0) {
    let at = 0
    while (at < cbor.length && again[at] === cbor[at]) at += 1
    throw new ExecutionDataError('cbor-malformed', `not the deterministic encoding, from byte ${at} on`, {
      details: { at }
    })
  }
  if (object.code === 3 || object.code === 4) assertNoNullElements(object.value)
}

function encode(object: Decoded): Uint8Array {
  if (object.code === 1) return encodeCidList(object.value)
  if (object.code === 2) return encodeRoot(object.value)
  return encodeChunk(object.value, { code: object.code, nullValues: true })
}

/** Pointers in flow-go, which no producer leaves empty and which readers trip over (flow-go #8667, #8689, #8690). */
function assertNoNullElements(chunk: ChunkExecutionData): void {
  const { collection, trieUpdate } = chunk
  if (collection?.transactions?.includes(null) === true || trieUpdate?.payloads?.includes(null) === true) {
    throw new ExecutionDataError('cbor-malformed', 'a null element in a list of transactions or payloads')
  }
}
