import { crc32 } from 'node:zlib'
import { type Blob, BlobCid, DIGEST_LENGTH, MAX_BLOCK_BYTES, verifyBlob } from '../../model/index.ts'

/**
 * What lies in a segment file, integers big-endian.
 *
 * ```
 * file     magic 8 "SEALSEG1" | number u32 | salt u32 | crc32 of these
 * record   magic 4 "SBLB" | length u32 | digest 32 | crc32 of these, seeded with the salt | the blob's bytes
 * ```
 *
 * The head has a checksum of its own, so that a damaged length is never followed; the bytes need none, their digest is one.
 * The salt differs from file to file and is nobody else's knowledge, so a blob that contains what looks like a record does
 * not pass for one when a damaged stretch is searched for the next good head.
 */
export const SEGMENT_HEADER_LENGTH = 20
export const RECORD_HEADER_LENGTH = 8 + DIGEST_LENGTH + 4

const SEGMENT_MAGIC = Buffer.from('SEALSEG1', 'latin1')
export const RECORD_MAGIC = Buffer.from('SBLB', 'latin1')
const SEGMENT_NAME = /^(\d{10})\.seg$/

export const segmentName = (number: number): string => `${String(number).padStart(10, '0')}.seg`

/** The number in a segment's file name; `undefined` for any other file. */
export function segmentNumber(name: string): number | undefined {
  const match = SEGMENT_NAME.exec(name)
  return match === null ? undefined : Number(match[1])
}

export function encodeSegmentHeader(number: number, salt: number): Uint8Array {
  const out = Buffer.allocUnsafeSlow(SEGMENT_HEADER_LENGTH)
  SEGMENT_MAGIC.copy(out)
  out.writeUInt32BE(number, 8)
  out.writeUInt32BE(salt, 12)
  out.writeUInt32BE(crc32(out.subarray(0, 16)), 16)
  return out
}

export interface SegmentHeader {
  readonly number: number
  readonly salt: number
}

/** What a segment's head says; `undefined` when it is torn or damaged. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_LENGTH || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined
  if (bytes.readUInt32BE(16) !== crc32(bytes.subarray(0, 16))) return undefined
  return { number: bytes.readUInt32BE(8), salt: bytes.readUInt32BE(12) }
}

/** The parts to write for these blobs, one behind the other; the blobs' bytes are not copied. */
export function encodeRecords(blobs: readonly Blob[], salt: number): Uint8Array[] {
  const heads = Buffer.allocUnsafeSlow(blobs.length * RECORD_HEADER_LENGTH)
  return blobs.flatMap((blob, at) => {
    const head = heads.subarray(at * RECORD_HEADER_LENGTH, (at + 1) * RECORD_HEADER_LENGTH)
    RECORD_MAGIC.copy(head)
    head.writeUInt32BE(blob.bytes.length, 4)
    head.set(blob.cid.digest, 8)
    head.writeUInt32BE(crc32(head.subarray(0, 40), salt), 40)
    return blob.bytes.length === 0 ? [head] : [head, blob.bytes]
  })
}

export interface RecordHeader {
  readonly length: number
  readonly digest: Uint8Array
}

/** The record head at `at`; `undefined` when there is none, or none that can be trusted. */
export function decodeRecordHeader(bytes: Buffer, at: number, salt: number): RecordHeader | undefined {
  const header = peekRecordHeader(bytes, at)
  if (header === undefined) return undefined
  return bytes.readUInt32BE(at + 40) === crc32(bytes.subarray(at, at + 40), salt) ? header : undefined
}

/** As `decodeRecordHeader`, with the checksum not looked at. */
export function peekRecordHeader(bytes: Buffer, at: number): RecordHeader | undefined {
  if (at + RECORD_HEADER_LENGTH > bytes.length) return undefined
  const head = bytes.subarray(at, at + RECORD_HEADER_LENGTH)
  if (!head.subarray(0, 4).equals(RECORD_MAGIC)) return undefined
  const length = head.readUInt32BE(4)
  return length > MAX_BLOCK_BYTES ? undefined : { length, digest: head.subarray(8, 8 + DIGEST_LENGTH) }
}

/** The record's CID when its bytes hash to its digest. */
export function verifyRecord(header: RecordHeader, payload: Uint8Array): BlobCid | undefined {
  const cid = BlobCid.fromDigest(header.digest)
  return verifyBlob(cid, payload) === undefined ? undefined : cid
}
