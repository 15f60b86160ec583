import type { DigestKey } from '../../model/index.ts'
import { varintLength, writeVarint } from '../../util/index.ts'
import { cidHead, MAX_PRESENCE_BYTES, prefixBytes, writeCid } from './cid.ts'
import type { CidForm } from './types.ts'

/** `0a len [0a len cid] fields…`: one wantlist entry with its tag, encoded once per CID and shared by every message. */
function encodeEntry(cid: Uint8Array, fields: readonly number[]): Uint8Array {
  const length = 2 + cid.length + fields.length
  const out = new Uint8Array(2 + length)
  out.set([0x0a, length, 0x0a, cid.length])
  out.set(cid, 4)
  out.set(fields, 4 + cid.length)
  return out
}

/** Priority 1, sendDontHave, ackQueued. */
export const encodeWantBlock = (cid: Uint8Array): Uint8Array => encodeEntry(cid, [0x10, 0x01, 0x28, 0x01, 0x78, 0x01])

/** Priority 1, wantType have, sendDontHave. */
export const encodeWantHave = (cid: Uint8Array): Uint8Array => encodeEntry(cid, [0x10, 0x01, 0x20, 0x01, 0x28, 0x01])

/**
 * Field 15 of the wantlist, which other implementations skip: the sender winds down. It serves what it has, and fetches nothing new.
 */
export const WINDING_DOWN: Uint8Array = Uint8Array.of(0x78, 0x01)

export const encodeCancel = (cid: Uint8Array): Uint8Array => encodeEntry(cid, [0x18, 0x01])

/** What is said of a digest, and in which form it was asked for. */
export interface Answer {
  readonly form: CidForm
  readonly have: boolean
}

/** `22 len [0a len cid] [10 01]` each: presences with their tags, in one piece, since they come by the thousand. */
export function encodePresences(answers: Iterable<readonly [DigestKey, Answer]>, count: number): Uint8Array {
  const out = new Uint8Array(count * MAX_PRESENCE_BYTES)
  let at = 0
  for (const [key, { form, have }] of answers) {
    const cidLength = cidHead(form).length + key.length
    out[at] = 0x22
    out[at + 1] = 2 + cidLength + (have ? 0 : 2)
    out[at + 2] = 0x0a
    out[at + 3] = cidLength
    at = writeCid(out, at + 4, { key, form })
    if (have) continue
    out[at] = 0x10
    out[at + 1] = 0x01
    at += 2
  }
  return out.subarray(0, at)
}

/** One presence. */
export function encodePresence(key: DigestKey, form: CidForm, have: boolean): Uint8Array {
  return encodePresences([[key, { form, have }]], 1)
}

const sum = (parts: readonly Uint8Array[]): number => parts.reduce((total, part) => total + part.length, 0)

/**
 * A message of wantlist entries and presences, with its length before it. The wantlist field is always there, empty or
 * not: boxo before 0.33 fails on a message without it.
 */
export function encodeControl(entries: readonly Uint8Array[], presences: readonly Uint8Array[]): Uint8Array {
  const list = sum(entries)
  const body = 1 + varintLength(list) + list + sum(presences)
  const out = new Uint8Array(varintLength(body) + body)
  let at = writeVarint(out, 0, body)
  out[at] = 0x0a
  at = writeVarint(out, at + 1, list)
  for (const part of [...entries, ...presences]) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export interface OutgoingBlock {
  readonly form: CidForm
  readonly bytes: Uint8Array
}

/**
 * A message of blocks as parts to be sent in order: headers of their own and the blocks' bytes themselves, not copied.
 */
export function encodeBlocks(blocks: readonly OutgoingBlock[]): Uint8Array[] {
  const heads = blocks.map((block) => blockHead(block))
  const body = 2 + sum(heads) + blocks.reduce((total, block) => total + block.bytes.length, 0)
  const first = new Uint8Array(varintLength(body) + 2)
  first.set([0x0a, 0x00], writeVarint(first, 0, body))
  const parts: Uint8Array[] = [first]
  blocks.forEach((block, index) => {
    const head = heads[index]
    if (head !== undefined) parts.push(head)
    if (block.bytes.length > 0) parts.push(block.bytes)
  })
  return parts
}

/** `1a len 0a 04 prefix 12 len`. */
function blockHead(block: OutgoingBlock): Uint8Array {
  const size = block.bytes.length
  const inner = 6 + 1 + varintLength(size) + size
  const out = new Uint8Array(1 + varintLength(inner) + 7 + varintLength(size))
  out[0] = 0x1a
  let at = writeVarint(out, 1, inner)
  out.set([0x0a, 0x04], at)
  out.set(prefixBytes(block.form), at + 2)
  at += 6
  out[at] = 0x12
  writeVarint(out, at + 1, size)
  return out
}
