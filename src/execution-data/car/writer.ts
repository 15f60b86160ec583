import type { Blob, BlobCid } from '../../model/index.ts'
import { CID_LENGTH } from '../../model/index.ts'
import { varintLength, writeVarint } from '../../util/index.ts'

/**
 * CARv1 (ipld.io/specs/transport/car/carv1): a header that names one root, then one section a blob. Written as flow-go's data
 * is usually exported: CIDs of version 0, in sections the bare 34-byte multihash.
 */

/** `{roots: [tag 42 (00 ‖ cid)], version: 1}` in dag-cbor, around the root's 34 bytes. */
const HEADER_BEFORE = [0xa2, 0x65, 0x72, 0x6f, 0x6f, 0x74, 0x73, 0x81, 0xd8, 0x2a, 0x58, 0x23, 0x00]
const HEADER_AFTER = [0x67, 0x76, 0x65, 0x72, 0x73, 0x69, 0x6f, 0x6e, 0x01]

/** The file's bytes in pieces: the header, then for each blob its prefix and its own bytes, which are not copied. */
export async function* writeCar(
  root: BlobCid,
  blobs: AsyncIterable<Blob> | Iterable<Blob>
): AsyncGenerator<Uint8Array, void, undefined> {
  yield carHeader(root)
  for await (const blob of blobs) {
    yield sectionPrefix(blob)
    if (blob.bytes.length > 0) yield blob.bytes
  }
}

/** Bytes a blob takes in a CAR file. */
export function carSectionLength(blob: Blob): number {
  const length = CID_LENGTH + blob.bytes.length
  return varintLength(length) + length
}

/** The header of a CARv1 file with one root, with its length in front. */
export function carHeader(root: BlobCid): Uint8Array {
  const content = [...HEADER_BEFORE, ...root.toBytes(), ...HEADER_AFTER]
  return new Uint8Array([content.length, ...content])
}

function sectionPrefix(blob: Blob): Uint8Array {
  const length = CID_LENGTH + blob.bytes.length
  const prefix = new Uint8Array(varintLength(length) + CID_LENGTH)
  const at = writeVarint(prefix, 0, length)
  prefix[at] = 0x12
  prefix[at + 1] = 0x20
  prefix.set(blob.cid.digest, at + 2)
  return prefix
}
