/**
 * What an execution node signs, and its form on the wire. Fixed fields, big endian, one encoding for one announcement:
 *
 *   signed bytes  "sealsync/announcement/1" 00 | height u64 | block id 32 | execution data id 32 | announced at, ms, u64
 *                 | number of CIDs u16 | digest 32 each
 *   signed        length varint | signed bytes | length u8 | DER signature (sha-256, the node's network key)
 *
 * The text in front keeps a signature from meaning anything where the same key signs something else.
 */
import { Buffer } from 'node:buffer'
import {
  type Announcement,
  BlobCid,
  type BlockId,
  DIGEST_LENGTH,
  type ExecutionDataId,
  MAX_HINT_CIDS,
  type SignedAnnouncement
} from '../../model/index.ts'
import { equalBytes, fromHex, readVarint, toHex, varintLength, writeVarint } from '../../util/index.ts'
import { P2pError } from '../errors.ts'
import type { P256PrivateKey, P256PublicKey } from '../identity-keys/p256.ts'

const DOMAIN = new Uint8Array(Buffer.from('sealsync/announcement/1\0', 'latin1'))
const HEIGHT_AT = DOMAIN.length
const BLOCK_ID_AT = HEIGHT_AT + 8
const EXECUTION_DATA_ID_AT = BLOCK_ID_AT + DIGEST_LENGTH
const ANNOUNCED_AT = EXECUTION_DATA_ID_AT + DIGEST_LENGTH
const COUNT_AT = ANNOUNCED_AT + 8
const HINT_AT = COUNT_AT + 2

/** Longest signed bytes: a full hint. */
const MAX_SIGNED_BYTES = HINT_AT + MAX_HINT_CIDS * DIGEST_LENGTH
/** Longest DER signature of P-256 is 72 bytes. */
const MAX_SIGNATURE_BYTES = 72
/** Longest signed announcement on the wire, bytes. */
export const MAX_SIGNED_ANNOUNCEMENT_BYTES = varintLength(MAX_SIGNED_BYTES) + MAX_SIGNED_BYTES + 1 + MAX_SIGNATURE_BYTES

/**
 * The bytes to sign. Throws a RangeError for what no announcement may hold: a height or time that is no safe integer of 0
 * or more, more than `MAX_HINT_CIDS` CIDs, a hint that does not begin with the root.
 */
export function signedBytesOf(announcement: Announcement): Uint8Array {
  const { height, blockId, executionDataId, announcedAtMs, hint } = announcement
  for (const [name, value] of [
    ['height', height],
    ['announcedAtMs', announcedAtMs]
  ] as const) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} must be a safe integer of 0 or more`)
  }
  if (hint.length > MAX_HINT_CIDS) throw new RangeError(`a hint lists at most ${MAX_HINT_CIDS} CIDs`)
  if (hint[0] !== undefined && hint[0].toExecutionDataId() !== executionDataId) {
    throw new RangeError('a hint begins with the root')
  }
  const out = new Uint8Array(HINT_AT + hint.length * DIGEST_LENGTH)
  const view = new DataView(out.buffer)
  out.set(DOMAIN)
  view.setBigUint64(HEIGHT_AT, BigInt(height))
  out.set(digestOf(blockId), BLOCK_ID_AT)
  out.set(digestOf(executionDataId), EXECUTION_DATA_ID_AT)
  view.setBigUint64(ANNOUNCED_AT, BigInt(announcedAtMs))
  view.setUint16(COUNT_AT, hint.length)
  for (const [index, cid] of hint.entries()) out.set(cid.digest, HINT_AT + index * DIGEST_LENGTH)
  return out
}

/** Signs with the node's network key. Throws as {@link signedBytesOf} does. */
export function signAnnouncement(key: P256PrivateKey, announcement: Announcement): SignedAnnouncement {
  const signedBytes = signedBytesOf(announcement)
  return { ...announcement, signedBytes, signature: key.sign(signedBytes) }
}

/** True when the signature is the key's over the signed bytes. Says nothing of the fields: they come from `decodeSigned`. */
export const verifyAnnouncement = (
  key: P256PublicKey,
  signed: Pick<SignedAnnouncement, 'signedBytes' | 'signature'>
): boolean => key.verify(signed.signedBytes, signed.signature)

/** The wire form: what logs may keep and replay. */
export function encodeSigned({ signedBytes, signature }: SignedAnnouncement): Uint8Array {
  const head = varintLength(signedBytes.length)
  const out = new Uint8Array(head + signedBytes.length + 1 + signature.length)
  writeVarint(out, 0, signedBytes.length)
  out.set(signedBytes, head)
  out[head + signedBytes.length] = signature.length
  out.set(signature, head + signedBytes.length + 1)
  return out
}

/**
 * Parts the wire form; the bytes must end with it. Gives copies. Neither the fields nor the signature are looked at. Throws
 * P2pError `announcement-malformed`.
 */
export function splitSigned(bytes: Uint8Array): Pick<SignedAnnouncement, 'signedBytes' | 'signature'> {
  const length = readVarint(bytes, 0)
  if (!length || length.value > MAX_SIGNED_BYTES || varintLength(length.value) !== length.next) {
    throw malformed('the length of the signed bytes is out of bounds')
  }
  const end = length.next + length.value
  const signatureLength = bytes[end]
  if (signatureLength === undefined || signatureLength > MAX_SIGNATURE_BYTES) {
    throw malformed('the signature is too long')
  }
  if (end + 1 + signatureLength !== bytes.length) throw malformed('the announcement has another length than it says')
  return { signedBytes: bytes.slice(length.next, end), signature: bytes.slice(end + 1) }
}

/** Reads the wire form whole; the signature is not checked. Throws P2pError `announcement-malformed`. */
export function decodeSigned(bytes: Uint8Array): SignedAnnouncement {
  const parts = splitSigned(bytes)
  return { ...decodeSignedBytes(parts.signedBytes), ...parts }
}

/** Reads signed bytes. Throws P2pError `announcement-malformed` for anything {@link signedBytesOf} does not write. */
export function decodeSignedBytes(bytes: Uint8Array): Announcement {
  if (bytes.length < HINT_AT) throw malformed('the signed bytes are too short')
  if (!equalBytes(bytes.subarray(0, DOMAIN.length), DOMAIN)) throw malformed('the signed bytes begin otherwise')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = view.getUint16(COUNT_AT)
  if (count > MAX_HINT_CIDS) throw malformed('the hint is too long')
  if (bytes.length !== HINT_AT + count * DIGEST_LENGTH) throw malformed('the hint has another length than it says')
  const executionDataId = toHex(field(bytes, EXECUTION_DATA_ID_AT)) as ExecutionDataId
  const hint: BlobCid[] = []
  for (let index = 0; index < count; index += 1) {
    hint.push(BlobCid.fromDigest(field(bytes, HINT_AT + index * DIGEST_LENGTH)))
  }
  if (hint[0] !== undefined && hint[0].toExecutionDataId() !== executionDataId) {
    throw malformed('the hint does not begin with the root')
  }
  return {
    height: safeInteger(view, HEIGHT_AT),
    blockId: toHex(field(bytes, BLOCK_ID_AT)) as BlockId,
    executionDataId,
    announcedAtMs: safeInteger(view, ANNOUNCED_AT),
    hint
  }
}

const field = (bytes: Uint8Array, at: number): Uint8Array => bytes.subarray(at, at + DIGEST_LENGTH)

function digestOf(id: string): Uint8Array {
  const digest = fromHex(id, DIGEST_LENGTH)
  if (digest === undefined) throw new RangeError('an id has 64 hex digits')
  return digest
}

function safeInteger(view: DataView, at: number): number {
  const value = view.getBigUint64(at)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a number exceeds 2^53 − 1')
  return Number(value)
}

/** The error of everything a peer may not send. */
export const malformed = (why: string): P2pError => new P2pError('announcement-malformed', why)
