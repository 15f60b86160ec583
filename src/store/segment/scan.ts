import { type BlobCid, MAX_BLOCK_BYTES } from '../../model/index.ts'
import type { DiskFile } from '../disk.ts'
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  peekRecordHeader,
  RECORD_HEADER_LENGTH,
  RECORD_MAGIC,
  SEGMENT_HEADER_LENGTH,
  type SegmentHeader,
  verifyRecord
} from './format.ts'

/** Read at once, bytes: the longest record fits, and it is nothing beside the rest of the process. */
const CHUNK_BYTES = MAX_BLOCK_BYTES + RECORD_HEADER_LENGTH

export interface FoundRecord {
  readonly cid: BlobCid
  /** Where the record begins. */
  readonly offset: number
  readonly length: number
}

export interface SegmentScan {
  /** Where the last complete record ends, or `from` when there is none: what lies behind may be cut. */
  readonly end: number
  /** Bytes between complete records that belong to none. */
  readonly damagedBytes: number
}

/** What the segment's head says; `undefined` when it is torn or damaged. */
export async function readSegmentHeader(file: DiskFile): Promise<SegmentHeader | undefined> {
  const head = Buffer.alloc(SEGMENT_HEADER_LENGTH)
  return (await file.read(head, 0)) === head.length ? decodeSegmentHeader(head) : undefined
}

/**
 * Walks the records from `from` on and hands over the complete ones, a chunk's worth at a time, in file order. A damaged stretch is searched for the next head whose
 * checksum is right: records behind it may have been acknowledged.
 */
export async function scanSegment(
  file: DiskFile,
  { salt, from }: { readonly salt: number; readonly from: number },
  onRecords: (records: readonly FoundRecord[]) => Promise<void>
): Promise<SegmentScan> {
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  let end = from
  let damagedBytes = 0
  for (let position = from; ; ) {
    const chunk = buffer.subarray(0, await file.read(buffer, position))
    const last = chunk.length < buffer.length
    const records: FoundRecord[] = []
    let at = 0
    while (at + RECORD_HEADER_LENGTH <= chunk.length) {
      const header = decodeRecordHeader(chunk, at, salt)
      const payload = at + RECORD_HEADER_LENGTH
      const next = payload + (header?.length ?? 0)
      // Goes on behind this chunk: read again from its head. Never at 0, where every record fits.
      if (next > chunk.length && !last) break
      const cid = header && next <= chunk.length ? verifyRecord(header, chunk.subarray(payload, next)) : undefined
      if (cid === undefined) {
        at = nextHead(chunk, at + 1)
        continue
      }
      damagedBytes += position + at - end
      records.push({ cid, offset: position + at, length: next - payload })
      end = position + next
      at = next
    }
    await onRecords(records)
    if (last) return { end, damagedBytes }
    position += at
  }
}

export interface FoundHead {
  readonly digest: Uint8Array
  /** Where in the chunk the record begins. */
  readonly at: number
  readonly length: number
}

/**
 * What looks like heads in a chunk of a segment, and where the record behind the last of them begins: behind the chunk, when its bytes
 * go on there. Not checked against the salt: the caller believes only what the index confirms.
 */
export function headsIn(chunk: Buffer): { readonly heads: readonly FoundHead[]; readonly next: number } {
  const heads: FoundHead[] = []
  let at = 0
  while (at + RECORD_HEADER_LENGTH <= chunk.length) {
    const header = peekRecordHeader(chunk, at)
    if (header === undefined) {
      at = nextHead(chunk, at + 1)
      continue
    }
    heads.push({ ...header, at })
    at += RECORD_HEADER_LENGTH + header.length
  }
  return { heads, next: at }
}

/** Where the next head may begin; what could be the first bytes of one at the end of the chunk counts. */
function nextHead(chunk: Buffer, from: number): number {
  const found = chunk.indexOf(RECORD_MAGIC, from)
  return found === -1 ? Math.max(from, chunk.length - RECORD_MAGIC.length + 1) : found
}
