import { type Blob, BlobCid, verifyBlob } from '../../model/index.ts'
import { cidForm, sha256Digest } from '../cbor/cid-form.ts'
import { Fields, readList } from '../cbor/decode-parts.ts'
import { CborReader } from '../cbor/reader.ts'
import { Shape } from '../cbor/shape.ts'
import { ExecutionDataError } from '../errors.ts'
import type { ExecutionDataOptions } from '../options.ts'
import { ByteFeed } from './byte-feed.ts'

/**
 * Reads a CARv1 file from pieces of any size, one section at a time: a section's length is held against `maxBlobBytes` before
 * anything is allocated, and every blob's bytes are hashed and compared with its CID. CIDs may be of version 0 or 1, as long as
 * their hash is sha2-256.
 */

export interface CarFile {
  /** At least one. */
  readonly roots: readonly BlobCid[]
  /** To be iterated once. Each blob's bytes are its own buffer. */
  readonly blobs: AsyncGenerator<Blob, void, undefined>
}

/** Longest header taken, bytes: a hundred roots. */
const MAX_HEADER_BYTES = 4_096
/** Longest CID in a section, bytes: version, codec, hash code and length as varints, and 32 bytes. */
const MAX_CID_BYTES = 64

/**
 * Reads the header; the blobs follow as they are asked for. Throws ExecutionDataError `car-malformed`, `car-truncated`,
 * `car-mismatch`, `blob-too-large`, `cid-unusable`; and what the source throws.
 */
export async function readCar(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: Pick<ExecutionDataOptions, 'maxBlobBytes'>
): Promise<CarFile> {
  const feed = new ByteFeed(source)
  try {
    const length = await feed.varint('the header')
    if (length === undefined || length === 0) throw malformed('there is no header')
    if (length > MAX_HEADER_BYTES) throw malformed(`a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are taken`)
    return { roots: readRoots(await feed.take(length, 'the header')), blobs: readSections(feed, options) }
  } catch (error) {
    await feed.close()
    throw error
  }
}

function malformed(message: string, cause?: unknown): ExecutionDataError {
  return new ExecutionDataError('car-malformed', message, { cause })
}

const HEADER = new Shape(['roots', 'version'])
const MAX_ROOTS = 100

function readRoots(header: Uint8Array): BlobCid[] {
  let version = 0
  let roots: (Uint8Array | null)[] | null = null
  try {
    const reader = new CborReader(header, { materialize: true, maxItems: MAX_ROOTS })
    const fields = new Fields(reader, HEADER)
    for (let field = fields.next(); field >= 0; field = fields.next()) {
      if (field === 0) roots = readList(reader, (item) => item.byteString())
      else version = reader.uint(255)
    }
  } catch (error) {
    throw malformed('the header is not what a CAR file has', error)
  }
  if (version !== 1) throw malformed('not a CAR file of version 1')
  if (roots === null || roots.length === 0) throw malformed('the header names no root')
  // in dag-cbor a link is tag 42 around 00 and the CID
  return roots.map((root) => {
    if (root === null || root[0] !== 0) throw malformed('a root that is no CID')
    return addressOf(root.subarray(1))
  })
}

function addressOf(cid: Uint8Array): BlobCid {
  const problem = cidForm(cid)
  if (problem !== undefined) throw malformed(problem)
  const digest = sha256Digest(cid)
  if (digest === undefined) throw new ExecutionDataError('cid-unusable', 'a CID with another hash than sha2-256')
  return BlobCid.fromDigest(digest)
}

async function* readSections(
  feed: ByteFeed,
  options: Pick<ExecutionDataOptions, 'maxBlobBytes'>
): AsyncGenerator<Blob, void, undefined> {
  try {
    for (;;) {
      const length = await feed.varint('a section')
      if (length === undefined) return
      if (length > options.maxBlobBytes + MAX_CID_BYTES) {
        throw new ExecutionDataError('blob-too-large', `a section of ${length} bytes`, { details: { size: length } })
      }
      const section = await feed.take(length, 'a section')
      const cidLength = cidPrefixLength(section)
      if (cidLength === undefined) throw malformed('a section without a CID')
      const size = length - cidLength
      if (size > options.maxBlobBytes)
        throw new ExecutionDataError('blob-too-large', `a blob of ${size} bytes`, { details: { size } })
      const cid = addressOf(section.subarray(0, cidLength))
      const blob = verifyBlob(cid, section.slice(cidLength))
      if (blob === undefined) {
        throw new ExecutionDataError('car-mismatch', `the bytes of a section do not hash to its CID ${cid}`, {
          details: { cid }
        })
      }
      yield blob
    }
  } finally {
    await feed.close()
  }
}

/** Length of the CID that a section begins with, judged by its head only. */
function cidPrefixLength(section: Uint8Array): number | undefined {
  if (section[0] === 0x12 && section[1] === 0x20) return section.length >= 34 ? 34 : undefined
  if (section[0] !== 1) return undefined
  let at = 1
  for (let numbers = 0; numbers < 2; numbers += 1) {
    while ((section[at] ?? 0) >= 128) at += 1
    at += 1
  }
  const digest = section[at]
  const length = at + 1 + (digest ?? 0)
  return digest !== undefined && digest < 128 && length <= Math.min(section.length, MAX_CID_BYTES) ? length : undefined
}
